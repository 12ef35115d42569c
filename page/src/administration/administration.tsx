import { listUsers } from "../api/resources.ts";
import type { User } from "../api/shapes.ts";
import { type Column, Loading, ProblemNotice, Table } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";

const COLUMNS: readonly Column<User>[] = [
  { head: "Id", cell: (user) => user.user_id, names: true },
  { head: "Name", cell: (user) => user.name },
  { head: "E-mail address", cell: (user) => user.email },
  { head: "Role", cell: (user) => (user.role === "ADMIN" ? "Administrator" : "Scientist") },
];

/** What only administrators see: everything behind `#/administration`. */
export function Administration() {
  const loaded = useLoad(listUsers, []);
  return (
    <View title="Users">
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !loaded.value && <Loading what="the users" />}
      {loaded.value && (
        <Table caption="Users" columns={COLUMNS} rows={loaded.value} rowKey={(user) => user.user_id} />
      )}
    </View>
  );
}
