import { useState } from "preact/hooks";
import { eraseUser, listUsers } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import { Button, type Column, Confirm, Empty, LoadState, Table } from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { useDoing, useLoad } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { refresh, session, signOut } from "../../session/session.ts";
import { ResultNotice } from "../result-notice.tsx";
import { isMeant } from "../search.ts";
import { UserExperiments } from "./user-experiments.tsx";
import { UserForm } from "./user-form.tsx";
import { UserTokens } from "./user-tokens.tsx";

/** The open dialog. */
type Task = { kind: "create" } | { kind: "change" | "experiments" | "tokens" | "erase"; user: User };

/** The last change, which is confirmed above the list. */
interface Deed {
  user: User;
  what: "added" | "changed" | "erased";
  when: number;
}

/** The users of MyMONIT. */
export function Users() {
  const loaded = useLoad(listUsers, []);
  const [task, setTask] = useState<Task | null>(null);
  const [done, setDone] = useState<Deed | null>(null);
  const search = address.value.query.get("search") ?? "";
  const users = loaded.value?.filter((user) => isMeant(user, search));
  const close = () => setTask(null);
  const finish = (user: User, what: Deed["what"]) => {
    close();
    setDone({ user, what, when: Date.now() });
    loaded.reload();
  };
  return (
    <View
      title="Users"
      lead="Users who can sign in to MyMONIT."
      actions={
        <Button look="primary" onClick={() => setTask({ kind: "create" })}>
          Add a user
        </Button>
      }
    >
      {done && (
        <ResultNotice key={done.when}>
          {done.what === "erased" ? (
            <p>{done.user.user_id} was erased.</p>
          ) : (
            <p>
              <bdi>{done.user.name}</bdi> ({done.user.user_id}) was {done.what}.
            </p>
          )}
        </ResultNotice>
      )}
      <LoadState loaded={loaded} what="the users" />
      {users && (
        <section class="stack" aria-label="List of users">
          <Finder
            placeholder="Name, e-mail address, identification or UID"
            text={search}
            onType={showFound}
            found={users.length}
            of={loaded.value?.length ?? 0}
            one="user"
          />
          {users.length > 0 ? (
            <UserTable key={search} users={users} choose={setTask} />
          ) : (
            <Empty title="No user found">
              <p>No user matches this by name, e-mail address, identification or UID.</p>
              <Button onClick={() => showFound("")}>Show all users</Button>
            </Empty>
          )}
        </section>
      )}
      {task?.kind === "create" && <UserForm onClose={close} onSaved={(user) => finish(user, "added")} />}
      {task?.kind === "change" && (
        <UserForm
          user={task.user}
          onClose={close}
          onSaved={(user) => {
            finish(user, "changed");
            if (isOneself(user)) {
              void refresh();
            }
          }}
        />
      )}
      {task?.kind === "experiments" && <UserExperiments user={task.user} onClose={close} />}
      {task?.kind === "tokens" && <UserTokens user={task.user} onClose={close} />}
      {task?.kind === "erase" && (
        <Erasure
          user={task.user}
          onClose={close}
          onErased={() => {
            if (isOneself(task.user)) {
              void signOut("Your record has been erased.");
            } else {
              finish(task.user, "erased");
            }
          }}
        />
      )}
    </View>
  );
}

function isOneself({ user_id }: User): boolean {
  const now = session.value;
  return now.state === "signed-in" && now.user.user_id === user_id;
}

function showFound(search: string): void {
  navigate(href(["administration", "users"], { search }), { replace: true });
}

function UserTable({ users, choose }: { users: readonly User[]; choose: (task: Task) => void }) {
  const columns: readonly Column<User>[] = [
    { head: "Id", cell: (user) => user.user_id, names: true },
    { head: "Name", cell: (user) => <bdi>{user.name}</bdi>, kind: "text" },
    { head: "E-mail address", cell: (user) => user.email, kind: "text" },
    {
      head: "Role",
      cell: ({ role }) => (
        <span class={role === "ADMIN" ? "badge badge-accent" : "badge"}>
          {role === "ADMIN" ? "Administrator" : "Scientist"}
        </span>
      ),
    },
    {
      head: "Actions",
      kind: "actions",
      cell: (user) => (
        <>
          <Button
            small
            look="quiet"
            aria-label={`Change ${user.user_id}`}
            onClick={() => choose({ kind: "change", user })}
          >
            Change
          </Button>
          {user.role === "SCIENTIST" && (
            <Button
              small
              look="quiet"
              aria-label={`Experiments of ${user.user_id} …`}
              onClick={() => choose({ kind: "experiments", user })}
            >
              Experiments …
            </Button>
          )}
          <Button
            small
            look="quiet"
            aria-label={`API tokens of ${user.user_id} …`}
            onClick={() => choose({ kind: "tokens", user })}
          >
            Tokens …
          </Button>
          <Button
            small
            look="quiet"
            aria-label={`Erase ${user.user_id} …`}
            onClick={() => choose({ kind: "erase", user })}
          >
            Erase …
          </Button>
        </>
      ),
    },
  ];
  return (
    <PagedList rows={users}>
      {(shown) => (
        <Table caption="Users" columns={columns} rows={shown} rowKey={(user) => user.user_id} stacks />
      )}
    </PagedList>
  );
}

interface ErasureProps {
  user: User;
  onClose: () => void;
  onErased: () => void;
}

function Erasure({ user, onClose, onErased }: ErasureProps) {
  const { busy, problem, run } = useDoing();
  const erase = async () => {
    const isErased = await run(async () => {
      await eraseUser(user.user_id);
    });
    if (isErased) {
      onErased();
    }
  };
  return (
    <Confirm
      title={
        isOneself(user) ? (
          "Erase yourself permanently?"
        ) : (
          <>
            Erase <bdi>{user.name}</bdi> permanently?
          </>
        )
      }
      action="Erase permanently"
      typed={user.user_id}
      busy={busy}
      problem={problem}
      onConfirm={() => void erase()}
      onClose={onClose}
    >
      <p>
        Name, e-mail address, username and associations with experiments are removed. The user can no longer
        sign in. The identification {user.user_id} is kept for the audit and cannot be used again. Measures
        stay as they are.
      </p>
      <p>This cannot be undone.</p>
    </Confirm>
  );
}
