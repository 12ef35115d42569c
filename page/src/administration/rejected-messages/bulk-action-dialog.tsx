import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Dialog, Notice, ProblemNotice } from "../../design/components.tsx";
import { amount, formatCount } from "../../design/format-count.ts";
import { useDoing } from "../../design/load.ts";
import { reasonText } from "./reasons.ts";
import { doAll, type Filter, type Summary } from "./requests.ts";
import { utcTime } from "./utc-time.ts";

interface BulkActionDialogProps {
  act: "replay" | "discard";
  filter: Filter;
  onClose: () => void;
}

/** Asks before all messages of a filter are replayed or discarded, and shows the progress. */
export function BulkActionDialog({ act, filter, onClose }: BulkActionDialogProps) {
  const { busy, problem, run } = useDoing();
  const [summary, setSummary] = useState<Summary | null>(null);
  const aborter = useRef(new AbortController());
  useEffect(() => () => aborter.current.abort(), []);
  const start = () => run(() => doAll(act, filter, aborter.current.signal, setSummary));
  const isOver = summary?.isComplete ?? false;
  const isReplay = act === "replay";
  return (
    <Dialog title={isReplay ? "Replay all of these?" : "Discard all of these permanently?"} onClose={onClose}>
      {isReplay ? (
        <p>
          Every rejected message {inWords(filter)} is tried again. What can be stored now is stored, each
          message whole and once; the others stay, with the reason of today.
        </p>
      ) : (
        <p>
          Every rejected message {inWords(filter)} is discarded, on all pages of the list. Their measures will
          never be stored, and the messages cannot be restored.
        </p>
      )}
      {problem && <ProblemNotice problem={problem} />}
      <div role="status">
        {summary && (
          <Notice look={summary.stillRejected > 0 ? "warning" : "good"}>
            {isOver ? "" : "So far: "}
            {amount(summary.done, "message")}{" "}
            {isReplay ? `stored, ${formatCount(summary.stillRejected)} still rejected.` : "discarded."}
          </Notice>
        )}
      </div>
      <div class="dialog-actions">
        <Button onClick={onClose}>{isOver ? "Close" : busy ? "Stop" : "Cancel"}</Button>
        {!isOver && (
          <Button look={isReplay ? "primary" : "danger-primary"} busy={busy} onClick={() => void start()}>
            {problem ? "Go on" : isReplay ? "Replay" : "Discard permanently"}
          </Button>
        )}
      </div>
    </Dialog>
  );
}

function inWords({ reason, from, to }: Filter): string {
  const parts = [
    reason && `with the reason “${reasonText(reason)}”`,
    from && `received from ${utcTime(from)} on`,
    to && `received before ${utcTime(to)}`,
  ];
  return parts.filter(Boolean).join(", ");
}
