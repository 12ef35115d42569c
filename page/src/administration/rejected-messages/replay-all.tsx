import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Dialog, Notice, ProblemNotice } from "../../design/components.tsx";
import { amount, counted } from "../../design/counted.ts";
import { useDoing } from "../../design/load.ts";
import { utcTime } from "./moments.ts";
import { reasonText } from "./reasons.ts";
import { type Filter, type ReplaySummary, replayAll } from "./requests.ts";

/** Asks before all messages of a filter are replayed, and tells how it goes. */
export function ReplayAll({ filter, onClose }: { filter: Filter; onClose: () => void }) {
  const { busy, problem, run } = useDoing();
  const [summary, setSummary] = useState<ReplaySummary | null>(null);
  const aborter = useRef(new AbortController());
  useEffect(() => () => aborter.current.abort(), []);
  const start = () => run(() => replayAll(filter, aborter.current.signal, setSummary));
  const isOver = summary?.isComplete ?? false;
  return (
    <Dialog title="Replay all of these?" onClose={onClose}>
      <p>
        Every rejected message {inWords(filter)} is tried again. What can be stored now is stored, each
        message whole and once; the others stay, with the reason of today.
      </p>
      {problem && <ProblemNotice problem={problem} />}
      <div role="status">
        {summary && (
          <Notice look={summary.stillRejected > 0 ? "warning" : "good"}>
            {isOver ? "" : "So far: "}
            {amount(summary.stored, "message")} stored, {counted(summary.stillRejected)} still rejected.
          </Notice>
        )}
      </div>
      <div class="dialog-actions">
        <Button onClick={onClose}>{isOver ? "Close" : busy ? "Stop" : "Cancel"}</Button>
        {!isOver && (
          <Button look="primary" busy={busy} onClick={() => void start()}>
            {problem ? "Go on" : "Replay"}
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
