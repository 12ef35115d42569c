import { useState } from "preact/hooks";
import { FormDialog } from "../administration/form-dialog.tsx";
import { createApiToken, listExperiments, listOwnApiTokens, revokeOwnApiToken } from "../api/resources.ts";
import type { CreatedApiToken } from "../api/shapes.ts";
import { Button, CopyButton, Dialog, Field, fieldError, LoadState, Notice } from "../design/components.tsx";
import { useDoing, useLoad } from "../design/load.ts";
import { TokenList } from "./token-list.tsx";

/** The fields that show by themselves what is wrong with them. */
const FIELDS = ["name", "expires_in_days", "experiments"];

/** The user's own API tokens: to create, to list, to revoke. */
export function ApiTokens() {
  const loaded = useLoad(listOwnApiTokens, []);
  const [isCreating, setCreating] = useState(false);
  const [created, setCreated] = useState<CreatedApiToken | null>(null);
  const tokens = loaded.value;
  return (
    <section class="card stack" aria-labelledby="api-tokens-head">
      <div class="row row-between">
        <h2 id="api-tokens-head">API tokens</h2>
        <Button small onClick={() => setCreating(true)}>
          Create an API token …
        </Button>
      </div>
      <p>
        A program that runs for longer than an hour reads with an API token. It reads what you may read, or
        less, and changes nothing. It ends when it expires or when you revoke it.
      </p>
      <LoadState loaded={loaded} what="your API tokens" />
      {tokens && tokens.length > 0 && (
        <TokenList
          tokens={tokens}
          revoke={async ({ token_id }) => {
            await revokeOwnApiToken(token_id);
          }}
          onRevoked={loaded.reload}
        />
      )}
      {tokens?.length === 0 && <p class="soft">You have none.</p>}
      {isCreating && (
        <CreateForm
          onClose={() => setCreating(false)}
          onCreated={(token) => {
            setCreating(false);
            setCreated(token);
            loaded.reload();
          }}
        />
      )}
      {created && <Secret token={created} onClose={() => setCreated(null)} />}
    </section>
  );
}

interface CreateFormProps {
  onClose: () => void;
  onCreated: (token: CreatedApiToken) => void;
}

function CreateForm({ onClose, onCreated }: CreateFormProps) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("");
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const experiments = useLoad(listExperiments, []);
  const doing = useDoing();
  const error = (field: string) => fieldError(doing.problem, field);
  const create = () =>
    doing.run(async () => {
      const lifetime = days.trim() === "" ? {} : { expires_in_days: Number(days) };
      const restriction = chosen.length === 0 ? {} : { experiments: chosen };
      onCreated(await createApiToken({ name, ...lifetime, ...restriction }));
    });
  const choose = (id: number, isChosen: boolean) =>
    setChosen(isChosen ? [...chosen, id] : chosen.filter((each) => each !== id));
  return (
    <FormDialog
      title="Create an API token"
      action="Create"
      doing={doing}
      fields={FIELDS}
      onSubmit={() => void create()}
      onClose={onClose}
    >
      <Field
        label="Name"
        hint="What the token is for, such as the program that uses it."
        autocomplete="off"
        value={name}
        error={error("name")}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <Field
        label="Days until it expires"
        hint="Left empty: 90, or the most that is allowed here."
        type="number"
        min={1}
        autocomplete="off"
        value={days}
        error={error("expires_in_days")}
        onInput={(event) => setDays(event.currentTarget.value)}
      />
      <fieldset class="field checks">
        <legend>Experiments</legend>
        <span class="field-hint">None chosen: all that you may read, including later ones.</span>
        <LoadState loaded={experiments} what="the experiments" />
        <div class="checks-list">
          {experiments.value?.map(({ experiment_id, name }) => (
            <label key={experiment_id} class="check">
              <input
                type="checkbox"
                checked={chosen.includes(experiment_id)}
                onChange={(event) => choose(experiment_id, event.currentTarget.checked)}
              />
              <bdi>{name}</bdi>
            </label>
          ))}
        </div>
        {error("experiments") && <span class="field-error">{error("experiments")}</span>}
      </fieldset>
    </FormDialog>
  );
}

/** The one time that the secret is shown. */
function Secret({ token, onClose }: { token: CreatedApiToken; onClose: () => void }) {
  return (
    <Dialog title="Copy your API token now" onClose={onClose}>
      <div class="stack">
        <Notice look="warning">It is shown only once. Keep it where only your program can read it.</Notice>
        <pre class="code-block" id="api-token-secret">
          {token.secret}
        </pre>
        <div class="dialog-actions">
          <CopyButton text={token.secret} label="Copy the API token" look="primary" />
          <Button onClick={onClose}>Done</Button>
        </div>
      </div>
    </Dialog>
  );
}
