import { useState } from "preact/hooks";
import { eraseUser, listUsers } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import {
  Button,
  type Column,
  Confirm,
  Empty,
  Loading,
  ProblemNotice,
  Table,
} from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { useDoing, useLoad } from "../../design/load.ts";
import { Portions } from "../../design/portions.tsx";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { refresh, session, signOut } from "../../session/session.ts";
import { Done } from "../done.tsx";
import { isMeant } from "../search.ts";
import { UserForm } from "./user-form.tsx";

/** What one is about to do. */
type Task = { kind: "create" } | { kind: "change"; user: User } | { kind: "erase"; user: User };

/** What has just been done, and to whom. */
interface Deed {
  user: User;
  what: "added" | "changed" | "erased";
  when: number;
}

/** Who may sign in. */
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
      lead="Whoever may sign in to MyMONIT."
      actions={
        <Button look="primary" onClick={() => setTask({ kind: "create" })}>
          Add a user
        </Button>
      }
    >
      {done && (
        <Done key={done.when}>
          {done.what === "erased" ? (
            <p>{done.user.user_id} was erased.</p>
          ) : (
            <p>
              <bdi>{done.user.name}</bdi> ({done.user.user_id}) was {done.what}.
            </p>
          )}
        </Done>
      )}
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !loaded.value && <Loading what="the users" />}
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
            <Empty title="Nobody is found">
              <p>No user has these words in name, e-mail address, identification or UID.</p>
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
    <Portions rows={users}>
      {(shown) => (
        <Table caption="Users" columns={columns} rows={shown} rowKey={(user) => user.user_id} stacks />
      )}
    </Portions>
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
          "Erase yourself for good?"
        ) : (
          <>
            Erase <bdi>{user.name}</bdi> for good?
          </>
        )
      }
      action="Erase for good"
      typed={user.user_id}
      busy={busy}
      problem={problem}
      onConfirm={() => void erase()}
      onClose={onClose}
    >
      <p>
        Name, e-mail address and username are removed, and so are the associations with experiments. Whoever
        it was can no longer sign in. The identification {user.user_id} stays, for the audit, and cannot be
        used again. No measure is touched.
      </p>
      <p>This cannot be undone.</p>
    </Confirm>
  );
}
