import { useLayoutEffect, useState } from "preact/hooks";
import type { RejectedMessage } from "../../api/shapes.ts";
import {
  Button,
  Choice,
  type Column,
  Empty,
  Field,
  LoadState,
  Table,
  Wording,
} from "../../design/components.tsx";
import { amount } from "../../design/format-count.ts";
import { useLoad } from "../../design/load.ts";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { showBeginning } from "../../routing/scroll-positions.ts";
import { bytesText } from "../bytes.ts";
import { BulkActionDialog } from "./bulk-action-dialog.tsx";
import { REASONS, reasonText } from "./reasons.ts";
import { type Filter, listPage } from "./requests.ts";
import { fromField, toField, utcTime } from "./utc-time.ts";
import { visible } from "./visible.ts";

const VIEW_PATH = ["administration", "rejected-messages"];

const COLUMNS: readonly Column<RejectedMessage>[] = [
  {
    head: "Received",
    names: true,
    cell: ({ id, received_at }) => (
      <a class="moment" href={href([...VIEW_PATH, id])} title={received_at}>
        {utcTime(received_at)}
      </a>
    ),
  },
  { head: "Reason", cell: ({ reason }) => <span class="badge badge-warning">{reasonText(reason)}</span> },
  {
    head: "Detail",
    kind: "text",
    cell: ({ detail }) => (
      <span>
        <Wording text={visible(detail)} />
      </span>
    ),
  },
  { head: "Size", kind: "number", cell: ({ size }) => bytesText(size) },
];

/** The messages that could not be stored. */
export function RejectedMessages() {
  const { query } = address.value;
  const filter: Filter = {
    reason: query.get("reason") ?? "",
    from: query.get("from") ?? "",
    to: query.get("to") ?? "",
  };
  const cursor = query.get("cursor") ?? "";
  const loaded = useLoad(
    (signal) => listPage(filter, cursor, signal),
    [filter.reason, filter.from, filter.to, cursor],
  );
  // Another page starts at its top.
  useLayoutEffect(showBeginning, [cursor]);
  const [act, setAct] = useState<"replay" | "discard" | null>(null);
  const isFiltered = Object.values(filter).some(Boolean);
  const page = loaded.value;
  return (
    <View
      title="Rejected messages"
      lead="Messages that cannot be stored as they are. Each is kept whole until it is replayed or discarded."
      actions={
        page &&
        page.messages.length > 0 && (
          <>
            <Button onClick={() => setAct("replay")}>Replay all of these …</Button>
            {/* The service discards nothing without a filter. */}
            {isFiltered && (
              <Button look="danger" onClick={() => setAct("discard")}>
                Discard all of these …
              </Button>
            )}
          </>
        )
      }
    >
      <Filters filter={filter} />
      <LoadState loaded={loaded} what="the rejected messages" />
      {page && page.messages.length === 0 && (
        <Nothing isFiltered={isFiltered} isBehindTheLast={cursor !== ""} />
      )}
      {page && page.messages.length > 0 && (
        <Table
          caption="Rejected messages"
          columns={COLUMNS}
          rows={page.messages}
          rowKey={(message) => message.id}
          stacks
        />
      )}
      <p class="visually-hidden" role="status">
        {page && loaded.state === "loaded" && amount(page.messages.length, "message")}
      </p>
      {page && (cursor !== "" || page.next !== null) && (
        <nav class="row" aria-label="Pages">
          {cursor !== "" && (
            <a class="button" href={href(VIEW_PATH, { ...filter })}>
              Latest
            </a>
          )}
          {page.next !== null && (
            <a class="button" href={href(VIEW_PATH, { ...filter, cursor: page.next })}>
              Older
            </a>
          )}
        </nav>
      )}
      {act && (
        <BulkActionDialog
          act={act}
          filter={filter}
          onClose={() => {
            setAct(null);
            loaded.reload();
          }}
        />
      )}
    </View>
  );
}

/** The first page of another filter. */
function show(filter: Filter): void {
  navigate(href(VIEW_PATH, { ...filter }));
}

function Filters({ filter }: { filter: Filter }) {
  return (
    <search class="filters" aria-label="Filter">
      <Choice
        label="Reason"
        choices={[{ value: "", text: "Any" }, ...REASONS.map(({ code, text }) => ({ value: code, text }))]}
        value={filter.reason}
        onChange={(event) => show({ ...filter, reason: event.currentTarget.value })}
      />
      <Field
        label="Received from (UTC)"
        type="datetime-local"
        max="2262-04-11T23:47"
        value={toField(filter.from)}
        onChange={(event) => show({ ...filter, from: fromField(event.currentTarget.value) })}
      />
      <Field
        label="Received before (UTC)"
        type="datetime-local"
        max="2262-04-11T23:47"
        value={toField(filter.to)}
        onChange={(event) => show({ ...filter, to: fromField(event.currentTarget.value) })}
      />
    </search>
  );
}

function Nothing({ isFiltered, isBehindTheLast }: { isFiltered: boolean; isBehindTheLast: boolean }) {
  const [title, text] = isBehindTheLast
    ? ["No older messages", "The messages of this page have been replayed or discarded."]
    : isFiltered
      ? ["No such message", "No rejected message has this reason and was received in this time."]
      : ["No rejected messages", "All messages that arrived are stored, or were replayed or discarded here."];
  return (
    <Empty title={title}>
      <p>{text}</p>
      {isFiltered && !isBehindTheLast && (
        <a class="button" href={href(VIEW_PATH)}>
          Show all
        </a>
      )}
    </Empty>
  );
}
