import { useState } from "preact/hooks";
import { associate, dissociate, getExperiment, listAssociations, listUsers } from "../../api/resources.ts";
import type { Experiment, User } from "../../api/shapes.ts";
import {
  Button,
  type Column,
  Empty,
  Field,
  LoadState,
  ProblemNotice,
  Table,
} from "../../design/components.tsx";
import { amount, formatCount } from "../../design/format-count.ts";
import { useDoing, useLoad } from "../../design/load.ts";
import { View } from "../../frame/view.tsx";
import { href } from "../../routing/address.ts";
import { ResultNotice } from "../result-notice.tsx";
import { isMeant } from "../search.ts";
import { ScientistsDialog } from "./scientists-dialog.tsx";
import { Sensors } from "./sensors.tsx";

/** How many of the matches are offered: a longer search text gives fewer. */
const MAX_MATCHES = 8;

interface Known {
  experiment: Experiment;
  /** The scientists associated with it. */
  associated: readonly User[];
  /** The other scientists. */
  others: readonly User[];
}

/** The last action and its scientist. */
interface Deed {
  kind: "added" | "removed";
  user: User;
  when: number;
}

/** An experiment with its associated scientists and its sensors. */
export function Scientists({ experimentId }: { experimentId: number }) {
  const loaded = useLoad((signal) => askKnown(experimentId, signal), [experimentId]);
  const { busy, problem, run } = useDoing();
  const [deed, setDeed] = useState<Deed | null>(null);
  const [isChoosing, setChoosing] = useState(false);
  const [replaced, setReplaced] = useState<{ count: number; when: number } | null>(null);
  const known = loaded.value;
  const change = async (kind: Deed["kind"], user: User) => {
    setDeed(null);
    setReplaced(null);
    const act = kind === "added" ? associate : dissociate;
    const isDone = await run(async () => {
      await act(experimentId, user.user_id);
    });
    if (isDone) {
      setDeed({ kind, user, when: Date.now() });
    }
    // Another administrator may have done it before, or erased the user: reload in any case.
    loaded.reload();
  };
  return (
    <View
      title={known?.experiment.name ?? `Experiment ${experimentId}`}
      lead={
        <>
          <a href={href(["administration", "experiments"])}>Experiments</a> · number {experimentId}
        </>
      }
    >
      {deed && (
        <ResultNotice key={deed.when}>
          {deed.kind === "added" ? (
            <p>
              <bdi>{deed.user.name}</bdi> ({deed.user.user_id}) can now read its measures.
            </p>
          ) : (
            <>
              <p>
                <bdi>{deed.user.name}</bdi> ({deed.user.user_id}) can no longer read its measures.
              </p>
              <Button small onClick={() => void change("added", deed.user)}>
                Undo
              </Button>
            </>
          )}
        </ResultNotice>
      )}
      {replaced && (
        <ResultNotice key={replaced.when}>
          <p>{amount(replaced.count, "scientist")} can read its measures now.</p>
        </ResultNotice>
      )}
      {problem && <ProblemNotice problem={problem} />}
      <LoadState loaded={loaded} what="the experiment" />
      {known && (
        <>
          <Associated
            users={known.associated}
            busy={busy}
            remove={(user) => void change("removed", user)}
            choose={() => setChoosing(true)}
          />
          {isChoosing && (
            <ScientistsDialog
              experimentId={experimentId}
              associated={known.associated}
              others={known.others}
              onClose={() => setChoosing(false)}
              onSaved={(count) => {
                setChoosing(false);
                setDeed(null);
                setReplaced({ count, when: Date.now() });
                loaded.reload();
              }}
            />
          )}
          <Others users={known.others} busy={busy} add={(user) => void change("added", user)} />
          <Sensors experimentId={experimentId} />
        </>
      )}
    </View>
  );
}

async function askKnown(experimentId: number, signal: AbortSignal): Promise<Known> {
  const [experiment, associations, users] = await Promise.all([
    getExperiment(experimentId, signal),
    listAssociations(signal),
    listUsers(signal),
  ]);
  const associated = associations[experimentId]?.users ?? [];
  const ids = new Set(associated.map((user) => user.user_id));
  return {
    experiment,
    associated,
    others: users.filter(({ role, user_id }) => role === "SCIENTIST" && !ids.has(user_id)),
  };
}

interface AssociatedProps {
  users: readonly User[];
  busy: boolean;
  remove: (user: User) => void;
  /** Chooses many at once. */
  choose: () => void;
}

function Associated({ users, busy, remove, choose }: AssociatedProps) {
  const columns: readonly Column<User>[] = [
    { head: "Id", cell: (user) => user.user_id, names: true },
    { head: "Name", cell: (user) => <bdi>{user.name}</bdi>, kind: "text" },
    { head: "E-mail address", cell: (user) => user.email, kind: "text" },
    {
      head: "Actions",
      kind: "actions",
      cell: (user) => (
        <Button
          small
          look="quiet"
          busy={busy}
          aria-label={`Remove ${user.name}, ${user.user_id}`}
          onClick={() => remove(user)}
        >
          Remove
        </Button>
      ),
    },
  ];
  return (
    <div class="stack">
      <div class="row row-between">
        <h2>Associated scientists</h2>
        <Button onClick={choose}>Choose many …</Button>
      </div>
      {users.length > 0 ? (
        <Table
          caption="Associated scientists"
          columns={columns}
          rows={users}
          rowKey={(user) => user.user_id}
          stacks
        />
      ) : (
        <Empty title="No scientists yet">
          <p>Its measures are stored anyway. Add the scientists who read them.</p>
        </Empty>
      )}
    </div>
  );
}

interface OthersProps {
  users: readonly User[];
  busy: boolean;
  add: (user: User) => void;
}

function Others({ users, busy, add }: OthersProps) {
  const [typed, setTyped] = useState("");
  const found = users.filter((user) => isMeant(user, typed));
  return (
    <section class="card stack others" aria-labelledby="others-head">
      <h2 id="others-head">Add a scientist</h2>
      {users.length === 0 ? (
        <p class="soft">
          There is no other scientist. <a href={href(["administration", "users"])}>Add a user</a> first.
        </p>
      ) : (
        <>
          <Field
            label="Find"
            type="search"
            placeholder="Name, e-mail address, identification or UID"
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
          <ul class="offers">
            {found.slice(0, MAX_MATCHES).map((user) => (
              <li key={user.user_id} class="offer">
                <span class="offer-who">
                  <strong>{user.name}</strong>
                  <span class="soft">
                    {user.user_id} · {user.email}
                  </span>
                </span>
                <Button
                  small
                  busy={busy}
                  aria-label={`Add ${user.name}, ${user.user_id}`}
                  onClick={() => add(user)}
                >
                  Add
                </Button>
              </li>
            ))}
          </ul>
          <p class="soft number" role="status">
            {remark(found.length)}
          </p>
        </>
      )}
    </section>
  );
}

function remark(found: number): string {
  if (found === 0) {
    return "No other scientist is found. Administrators read no measures, and cannot be added.";
  }
  const more = found - MAX_MATCHES;
  return more > 0 ? `${formatCount(more)} more; type to find them.` : "";
}
