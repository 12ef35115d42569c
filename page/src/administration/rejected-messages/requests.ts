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
export interface Summary {
  /** How many were stored or discarded. */
  done: number;
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
 * Replays or discards all messages of a filter. The service answers after a part; this repeats the
 * request until all are done, reports each part, and stops before the next part when aborted.
 */
export async function doAll(
  act: "replay" | "discard",
  filter: Filter,
  signal: AbortSignal,
  tell: (summary: Summary) => void,
): Promise<void> {
  let next: string | null = `/rejected-messages/${act}?${parameters({ ...filter })}`;
  let [done, stillRejected] = [0, 0];
  while (next !== null && !signal.aborted) {
    const answer: Response = await request(next, { method: "POST" });
    const part = (await answer.json()) as { stored?: number; discarded?: number; still_rejected?: number };
    done += (part.stored ?? 0) + (part.discarded ?? 0);
    stillRejected += part.still_rejected ?? 0;
    next = nextPage(answer.headers.get("Link"));
    tell({ done, stillRejected, isComplete: next === null });
  }
}

function parameters(values: Record<string, string>): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
}
