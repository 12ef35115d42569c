import { useState } from "preact/hooks";
import { replaceScientists } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import { Button } from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { amount } from "../../design/format-count.ts";
import { useDoing } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { FormDialog } from "../form-dialog.tsx";
import { isMeant } from "../search.ts";

interface ScientistsDialogProps {
  experimentId: number;
  associated: readonly User[];
  others: readonly User[];
  onClose: () => void;
  onSaved: (count: number) => void;
}

/** Chooses all scientists of an experiment at once. */
export function ScientistsDialog({
  experimentId,
  associated,
  others,
  onClose,
  onSaved,
}: ScientistsDialogProps) {
  const [chosen, setChosen] = useState(() => new Set(associated.map(({ user_id }) => user_id)));
  const [search, setSearch] = useState("");
  const doing = useDoing();
  const all = [...associated, ...others];
  const found = all.filter((user) => isMeant(user, search));
  const change = (users: readonly User[], isChosen: boolean) => {
    const next = new Set(chosen);
    for (const { user_id } of users) {
      if (isChosen) {
        next.add(user_id);
      } else {
        next.delete(user_id);
      }
    }
    setChosen(next);
  };
  return (
    <FormDialog
      title="Choose scientists"
      action="Save"
      doing={doing}
      fields={[]}
      onSubmit={() =>
        void doing.run(async () => {
          await replaceScientists(experimentId, [...chosen]);
          onSaved(chosen.size);
        })
      }
      onClose={onClose}
    >
      <Finder
        placeholder="Name, e-mail address, identification or UID"
        text={search}
        onType={setSearch}
        found={found.length}
        of={all.length}
        one="scientist"
      />
      <div class="row">
        <Button small onClick={() => change(found, true)}>
          Choose those found
        </Button>
        <Button small onClick={() => change(found, false)}>
          Leave those out
        </Button>
      </div>
      <fieldset class="choices choices-many">
        <legend class="visually-hidden">Scientists</legend>
        <PagedList key={search} rows={found}>
          {(shown) => (
            <ul class="choices">
              {shown.map((user) => (
                <li key={user.user_id}>
                  <label>
                    <input
                      type="checkbox"
                      checked={chosen.has(user.user_id)}
                      onChange={(event) => change([user], event.currentTarget.checked)}
                    />
                    <span class="choice-text">
                      <bdi>{user.name}</bdi>{" "}
                      <span class="soft">
                        {user.user_id} · {user.email}
                      </span>
                    </span>
                  </label>
                </li>
              ))}
            </ul>
          )}
        </PagedList>
      </fieldset>
      <p class="soft" role="status">
        {amount(chosen.size, "scientist")} chosen. The others can then no longer read its measures.
      </p>
    </FormDialog>
  );
}
