import { path, request, requestJson } from "../../api/client.ts";
import type { RejectedMessage } from "../../api/shapes.ts";
import { nextCursor, nextPage } from "./next-page.ts";

/** Which rejected messages are meant; what is empty does not matter. */
export interface Filter {
  reason: string;
  /** Received at this moment or later, in RFC 3339. */
  from: string;
  /** Received before this moment, in RFC 3339. */
  to: string;
}

export interface Page {
  messages: RejectedMessage[];
  /** Where the next page begins; `null` on the last one. */
  next: string | null;
}

/** What became of one message that was replayed. */
export type Replay =
  | { outcome: "stored"; measures: number }
  | { outcome: "rejected"; reason: string; detail: string };

/** What became of many. */
export interface ReplaySummary {
  stored: number;
  stillRejected: number;
  isComplete: boolean;
}

const PAGE = 50;

/** A page of rejected messages, last received first. */
export async function listPage(filter: Filter, cursor: string, signal: AbortSignal): Promise<Page> {
  const query = parameters({ ...filter, cursor, limit: String(PAGE) });
  const answer = await request(`/rejected-messages/?${query}`, { signal });
  return {
    messages: (await answer.json()) as RejectedMessage[],
    next: nextCursor(answer.headers.get("Link")),
  };
}

export function replay(id: number): Promise<Replay> {
  return requestJson<Replay>(path`/rejected-messages/${id}/replay`, { method: "POST" });
}

/**
 * Replays all messages of a filter. The service answers when it has done a part; this goes on until all is done, tells
 * of each part, and ends before the next one when nobody waits any more.
 */
export async function replayAll(
  filter: Filter,
  signal: AbortSignal,
  tell: (summary: ReplaySummary) => void,
): Promise<void> {
  let next: string | null = `/rejected-messages/replay?${parameters({ ...filter })}`;
  let [stored, stillRejected] = [0, 0];
  while (next !== null && !signal.aborted) {
    const answer: Response = await request(next, { method: "POST" });
    const part = (await answer.json()) as { stored: number; still_rejected: number };
    stored += part.stored;
    stillRejected += part.still_rejected;
    next = nextPage(answer.headers.get("Link"));
    tell({ stored, stillRejected, isComplete: next === null });
  }
}

function parameters(values: Record<string, string>): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
}
