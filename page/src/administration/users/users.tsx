import { useState } from "preact/hooks";
import { eraseUser, listUsers } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import {
  Button,
  type Column,
  Confirm,
  Empty,
  Field,
  Loading,
  ProblemNotice,
  Table,
} from "../../design/components.tsx";
import { useDoing, useLoad } from "../../design/load.ts";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { refresh, session, signOut } from "../../session/session.ts";
import { Done } from "../done.tsx";
import { isMeant } from "../search.ts";
import { ShowMore } from "../show-more.tsx";
import { UserForm } from "./user-form.tsx";

/** What one is about to do. */
type Task = { kind: "create" } | { kind: "change"; user: User } | { kind: "erase"; user: User };

/** How many rows are shown at first, and how many more at a time: sites have thousands of users. */
const PORTION = 100;

/** Who may sign in. */
export function Users() {
  const loaded = useLoad(listUsers, []);
  const [task, setTask] = useState<Task | null>(null);
  const [done, setDone] = useState<{ text: string; when: number } | null>(null);
  const search = address.value.query.get("search") ?? "";
  const users = loaded.value?.filter((user) => isMeant(user, search));
  const close = () => setTask(null);
  const finish = (text: string) => {
    close();
    setDone({ text, when: Date.now() });
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
      {done && <Done key={done.when}>{done.text}</Done>}
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !loaded.value && <Loading what="the users" />}
      {users && (
        <section class="stack" aria-label="List of users">
          <Search text={search} found={users.length} of={loaded.value?.length ?? 0} />
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
      {task?.kind === "create" && (
        <UserForm onClose={close} onSaved={(user) => finish(`${user.name} (${user.user_id}) was added.`)} />
      )}
      {task?.kind === "change" && (
        <UserForm
          user={task.user}
          onClose={close}
          onSaved={(user) => {
            finish(`${user.name} (${user.user_id}) was changed.`);
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
              finish(`${task.user.user_id} was erased.`);
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

function Search({ text, found, of }: { text: string; found: number; of: number }) {
  return (
    <div class="filters">
      <Field
        label="Find"
        type="search"
        placeholder="Name, e-mail address, identification or UID"
        value={text}
        onInput={(event) => showFound(event.currentTarget.value)}
      />
      <p class="soft number filters-count" role="status">
        {found === of ? `${count(of)} in all` : `${count(found)} of ${of.toLocaleString("en")}`}
      </p>
    </div>
  );
}

function count(users: number): string {
  return users === 1 ? "1 user" : `${users.toLocaleString("en")} users`;
}

function UserTable({ users, choose }: { users: readonly User[]; choose: (task: Task) => void }) {
  const [shown, setShown] = useState(PORTION);
  const columns: readonly Column<User>[] = [
    { head: "Id", cell: (user) => user.user_id, names: true },
    { head: "Name", cell: (user) => user.name },
    { head: "E-mail address", cell: (user) => user.email },
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
    <>
      <Table
        caption="Users"
        columns={columns}
        rows={users.slice(0, shown)}
        rowKey={(user) => user.user_id}
        stacks
      />
      <ShowMore shown={shown} of={users.length} portion={PORTION} show={setShown} />
    </>
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
      title={isOneself(user) ? "Erase yourself for good?" : `Erase ${user.name} for good?`}
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
