import type { QueryInit } from "../routing/address.ts";
import { type Choice, readChoice, writeChoice } from "./choice.ts";
import { clampTime, DAY, formatTime, HOUR, MINUTE, type Nanos, SECOND } from "./time.ts";
import { formatMoment, type Moment, parseMoment } from "./typed-time.ts";
import { readYMode, writeYMode, type YMode } from "./y-range.ts";

/** The time for which measures are shown. */
export type Range =
  /** Up to the newest measure: all of them, or those of a length of time before it. */
  | { kind: "newest"; span: Span }
  /** From one time (included) to another (excluded). */
  | { kind: "fixed"; from: Nanos; to: Nanos }
  /** An end moves with the clock. */
  | { kind: "moving"; from: Moment; to: Moment };

export type Span = "all" | keyof typeof SPANS;

/** Selectable lengths of time, by their name in the address. Their end is rounded up to `grain`. */
export const SPANS = {
  "1h": { length: HOUR, text: "1 h", grain: SECOND },
  "24h": { length: DAY, text: "24 h", grain: MINUTE },
  "7d": { length: 7n * DAY, text: "7 d", grain: MINUTE },
  "30d": { length: 30n * DAY, text: "30 d", grain: MINUTE },
  "1y": { length: 365n * DAY, text: "1 y", grain: HOUR },
} as const;

/** `stacked`: a plot for each type; `together`: one plot for all, with an axis for each unit. */
export type Layout = "stacked" | "together";

/** What the address says of an experiment's view. */
export interface ViewState {
  range: Range;
  /** Which series are shown. */
  choice: Choice;
  /** Whether new measures are shown as they are stored. */
  follow: boolean;
  layout: Layout;
  /** By measure type; `auto` where there is none. */
  y: Readonly<Record<string, YMode>>;
  /** Experiments that are shown beside this one. */
  beside: readonly number[];
  /** Whether flagged measures are shown, too. */
  flagged: boolean;
}

/** Timestamps are whole nanoseconds; a shorter range has hardly any. */
export const MIN_SPAN: Nanos = 10n;
/** More experiments at once cannot be distinguished. */
export const MAX_COMPARED = 3;

/** Reads the address. Parameters that are not valid are ignored. */
export function readViewState(query: URLSearchParams): ViewState {
  const range = readRange(query);
  return {
    range,
    choice: readChoice(query),
    follow: query.get("follow") === "1" && range.kind === "newest",
    layout: query.get("layout") === "together" ? "together" : "stacked",
    y: Object.fromEntries(query.getAll("y").flatMap(readY)),
    beside: [...new Set(query.getAll("beside").filter((id) => /^[1-9]\d{0,14}$/.test(id)))]
      .map(Number)
      .slice(0, MAX_COMPARED),
    flagged: query.get("flagged") === "include",
  };
}

function readRange(query: URLSearchParams): Range {
  const from = parseMoment(query.get("from") ?? "");
  const to = parseMoment(query.get("to") ?? "");
  if (from && to) {
    if (!("at" in from && "at" in to)) {
      return { kind: "moving", from, to };
    }
    if (to.at - from.at >= MIN_SPAN) {
      return { kind: "fixed", from: from.at, to: to.at };
    }
  }
  const span = query.get("range") ?? "";
  return { kind: "newest", span: Object.hasOwn(SPANS, span) ? (span as keyof typeof SPANS) : "all" };
}

/** `hertz:robust`. A name may hold colons, a mode never does. */
function readY(text: string): [string, YMode][] {
  const colon = text.lastIndexOf(":");
  const mode = readYMode(text.slice(colon + 1));
  return colon > 0 && mode ? [[text.slice(0, colon), mode]] : [];
}

/** The parameters from which `readViewState` reads the same state. */
export function writeViewState({ range, choice, follow, layout, y, beside, flagged }: ViewState): QueryInit {
  return {
    ...writeRange(range),
    ...writeChoice(choice),
    follow: follow && range.kind === "newest" ? "1" : undefined,
    layout: layout === "together" ? layout : undefined,
    y: Object.entries(y)
      .filter(([, mode]) => mode.kind !== "auto")
      .map(([type, mode]) => `${type}:${writeYMode(mode)}`),
    beside: beside.map(String),
    flagged: flagged ? "include" : undefined,
  };
}

function writeRange(range: Range): QueryInit {
  switch (range.kind) {
    case "newest":
      return { range: range.span === "all" ? undefined : range.span };
    case "fixed":
      return { from: formatTime(range.from), to: formatTime(range.to) };
    case "moving":
      return { from: formatMoment(range.from), to: formatMoment(range.to) };
  }
}

/** A range `factor` times as long around the same middle, moved by `shift` of its length. */
export function scaled({ from, to }: { from: Nanos; to: Nanos }, factor: number, shift = 0): Range {
  const length = to - from;
  const half = (length * BigInt(Math.round(factor * 1_000))) / 2_000n;
  const middle = from + length / 2n + (length * BigInt(Math.round(shift * 1_000))) / 1_000n;
  const least = MIN_SPAN / 2n;
  const reach = half > least ? half : least;
  return factor === 1 ? fixed(middle - reach, middle + reach) : drawn(middle - reach, middle + reach);
}

/** A range drawn by hand, with ends as round as its width in pixels allows. */
export function drawn(one: Nanos, other: Nanos): Range {
  const length = one < other ? other - one : one - other;
  let grain = 1n;
  while (grain * 10n * 500n <= length) {
    grain *= 10n;
  }
  const round = (moment: Nanos) => ((moment + grain / 2n) / grain) * grain;
  return fixed(round(one), round(other));
}

/** A range with these ends in any order, within the service's limits and at least `MIN_SPAN`. */
export function fixed(one: Nanos, other: Nanos): Range {
  const from = clampTime(one < other ? one : other);
  const to = clampTime(one < other ? other : one);
  return to - from >= MIN_SPAN
    ? { kind: "fixed", from, to }
    : { kind: "fixed", from: clampTime(to - MIN_SPAN), to: clampTime(to - MIN_SPAN) + MIN_SPAN };
}
