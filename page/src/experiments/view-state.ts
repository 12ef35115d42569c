import type { QueryInit } from "../routing/address.ts";
import { clampTime, DAY, formatTime, HOUR, type Nanos, parseTime } from "./time.ts";

/** From when to when measures are shown. */
export type Range =
  /** Up to the newest measure: all of them, or those of the time before it. */
  | { kind: "newest"; span: Span }
  /** From one moment (included) to another (excluded). */
  | { kind: "fixed"; from: Nanos; to: Nanos };

export type Span = "all" | keyof typeof SPANS;

/** The lengths of time that can be chosen, by their names in the address. */
export const SPANS = {
  "1h": { length: HOUR, text: "1 h" },
  "24h": { length: DAY, text: "24 h" },
  "7d": { length: 7n * DAY, text: "7 d" },
  "30d": { length: 30n * DAY, text: "30 d" },
  "1y": { length: 365n * DAY, text: "1 y" },
} as const;

/** What the address says of an experiment's view. */
export interface ViewState {
  range: Range;
  /** The names of the measure types that are shown; all of them, if there is none. */
  types: readonly string[];
  /** Whether new measures are shown as they come. */
  follow: boolean;
}

/** A plot of less would show nothing but the limits of a double. */
export const LEAST_SPAN: Nanos = 1_000_000n;

/** Reads what the address says; what makes no sense in it is as if it were not there. */
export function readViewState(query: URLSearchParams): ViewState {
  return {
    range: readRange(query),
    types: [...new Set(query.getAll("type").filter(Boolean))],
    follow: query.get("follow") === "1" && !query.has("to"),
  };
}

function readRange(query: URLSearchParams): Range {
  const from = parseTime(query.get("from") ?? "");
  const to = parseTime(query.get("to") ?? "");
  if (from !== null && to !== null && to - from >= LEAST_SPAN) {
    return { kind: "fixed", from, to };
  }
  const span = query.get("range") ?? "";
  return { kind: "newest", span: Object.hasOwn(SPANS, span) ? (span as keyof typeof SPANS) : "all" };
}

/** What the address has to say so that it is read as this. */
export function writeViewState({ range, types, follow }: ViewState): QueryInit {
  const ofRange =
    range.kind === "fixed"
      ? { from: formatTime(range.from), to: formatTime(range.to) }
      : { range: range.span === "all" ? undefined : range.span };
  return { ...ofRange, type: types, follow: follow && range.kind === "newest" ? "1" : undefined };
}

/** A part of a range, or more than it: `factor` times as long, moved by `shift` of its length. */
export function scaled({ from, to }: { from: Nanos; to: Nanos }, factor: number, shift = 0): Range {
  const length = to - from;
  // Thousandths are as fine as anybody can see.
  const half = (length * BigInt(Math.round(factor * 1_000))) / 2_000n;
  const middle = from + length / 2n + (length * BigInt(Math.round(shift * 1_000))) / 1_000n;
  const least = LEAST_SPAN / 2n;
  const reach = half > least ? half : least;
  return factor === 1 ? fixed(middle - reach, middle + reach) : drawn(middle - reach, middle + reach);
}

/**
 * A range that somebody has drawn, with ends as round as can be without anybody seeing it: an address that is shared
 * should not claim nanoseconds that nobody meant.
 */
export function drawn(one: Nanos, other: Nanos): Range {
  const length = one < other ? other - one : one - other;
  let grain = 1n;
  while (grain * 10n * 500n <= length) {
    grain *= 10n;
  }
  const round = (moment: Nanos) => ((moment + grain / 2n) / grain) * grain;
  return fixed(round(one), round(other));
}

/** A range of these ends, whichever comes first, within what can be asked for, and not too short to be seen. */
export function fixed(one: Nanos, other: Nanos): Range {
  const from = clampTime(one < other ? one : other);
  const to = clampTime(one < other ? other : one);
  return to - from >= LEAST_SPAN
    ? { kind: "fixed", from, to }
    : { kind: "fixed", from: clampTime(to - LEAST_SPAN), to: clampTime(to - LEAST_SPAN) + LEAST_SPAN };
}
