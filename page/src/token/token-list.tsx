import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { ApiToken } from "../api/shapes.ts";
import { Button, type Column, Confirm, Table } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { utcHour, utcTime } from "./utc-time.ts";

interface TokenListProps {
  tokens: readonly ApiToken[];
  revoke: (token: ApiToken) => Promise<void>;
  onRevoked: (token: ApiToken) => void;
}

/** API tokens, each of which can be revoked. */
export function TokenList({ tokens, revoke, onRevoked }: TokenListProps) {
  const [chosen, setChosen] = useState<ApiToken | null>(null);
  const { busy, problem, run, clear } = useDoing();
  const close = () => {
    setChosen(null);
    clear();
  };
  const confirm = async (token: ApiToken) => {
    if (await run(() => revoke(token))) {
      close();
      onRevoked(token);
    }
  };
  const columns: readonly Column<ApiToken>[] = [
    { head: "Name", cell: ({ name }) => <bdi>{name}</bdi>, kind: "text", names: true },
    { head: "Experiments", cell: ({ experiments }) => experiments?.join(", ") ?? "all" },
    { head: "Expires", cell: expiry },
    { head: "Last used", cell: ({ last_used_at }) => (last_used_at ? utcHour(last_used_at) : "never") },
    {
      head: "Actions",
      kind: "actions",
      cell: (token) => (
        <Button
          small
          look="quiet"
          aria-label={`Revoke ${token.name} (${token.token_id}) …`}
          onClick={() => setChosen(token)}
        >
          Revoke …
        </Button>
      ),
    },
  ];
  return (
    <>
      <Table caption="API tokens" columns={columns} rows={tokens} rowKey={(token) => token.token_id} stacks />
      {chosen && (
        <Confirm
          title={
            <>
              Revoke <bdi>{chosen.name}</bdi>?
            </>
          }
          action="Revoke it"
          busy={busy}
          problem={problem}
          onConfirm={() => void confirm(chosen)}
          onClose={close}
        >
          <p>Programs that use it can no longer read. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

function expiry({ expires_at }: ApiToken): ComponentChildren {
  const isOver = Date.parse(expires_at) <= Date.now();
  return isOver ? <span class="badge badge-warning">expired</span> : utcTime(expires_at);
}
