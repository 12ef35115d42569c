import { path, request, requestJson } from "../api/client.ts";
import type { Bin, Measure } from "../api/shapes.ts";
import { formatTime, type Nanos, parseTime, parseWindow, toSeconds } from "./time.ts";
import { type Range, SPANS } from "./view-state.ts";

/** The measures of one type, or what stands for them, in the order of time. */
export interface Series {
  type: string;
  /** One for each point: seconds since the epoch, as the plot takes them. */
  times: number[];
  points: readonly (Measure | Bin)[];
  /** How many measures the points stand for. */
  count: number;
  min: number;
  max: number;
}

/** What is shown: read from the service for exactly this range. */
export interface Reading {
  from: Nanos;
  /** Excluded. */
  to: Nanos;
  /** The end as people are told: the newest measure, where everything up to it is shown. */
  last: Nanos;
  /** The width of the bins, as the service wrote it; `null` where each point is a measure. */
  window: string | null;
  types: readonly string[];
  series: readonly Series[];
  count: number;
}

/** An experiment that has no measures, of these types at least. */
export const NO_MEASURES = "no measures";

/** Up to so many measures are shown one by one, whatever the width of the plot. */
const SHOWN_SINGLY = 2_000;

export interface Question {
  experimentId: number;
  range: Range;
  types: readonly string[];
  /** How many points the plot has room for. */
  maxPoints: number;
}

/** Reads what the plots show: each measure where there are few, and bins where there are many. */
export async function read(question: Question, signal: AbortSignal): Promise<Reading | typeof NO_MEASURES> {
  const ends = await resolve(question, signal);
  if (ends === NO_MEASURES) {
    return NO_MEASURES;
  }
  const { types } = question;
  const whole = { from: ends.from, to: ends.to, types };
  const few = await request(measuresPath(question.experimentId, { ...whole, limit: SHOWN_SINGLY }), {
    signal,
  });
  if (!few.headers.has("Link")) {
    return reading(ends, null, types, (await few.json()) as Measure[]);
  }
  // Read to its end beside the other one: an answer that is broken off counts as a client that went away.
  few.arrayBuffer().catch(() => {});
  const maxPoints = question.maxPoints;
  const many = await request(measuresPath(question.experimentId, { ...whole, maxPoints }), { signal });
  return reading(ends, many.headers.get("MyMONIT-Window"), types, (await many.json()) as Bin[]);
}

/** When the newest measure was made: what tells whether there is something new. */
export async function newest(
  experimentId: number,
  types: readonly string[],
  signal?: AbortSignal,
): Promise<Nanos | null> {
  const [measure] = await edge(experimentId, types, "desc", signal);
  return measure ? parseTime(measure.timestamp) : null;
}

type Ends = Pick<Reading, "from" | "to" | "last">;

/** The range as two moments, so that what is read now can be read once more and be the same. */
async function resolve(
  { experimentId, range, types }: Question,
  signal: AbortSignal,
): Promise<Ends | typeof NO_MEASURES> {
  if (range.kind === "fixed") {
    return { from: range.from, to: range.to, last: range.to };
  }
  // Both at once: on a slow network it is the questions one after the other that people wait for.
  const [last, [first]] = await Promise.all([
    newest(experimentId, types, signal),
    range.span === "all" ? edge(experimentId, types, "asc", signal) : [],
  ]);
  if (last === null) {
    return NO_MEASURES;
  }
  const to = last + 1n;
  if (range.span !== "all") {
    const from = to - SPANS[range.span].length;
    return { from: from > 0n ? from : 0n, to, last };
  }
  return { from: (first && parseTime(first.timestamp)) ?? last, to, last };
}

function edge(experimentId: number, types: readonly string[], order: "asc" | "desc", signal?: AbortSignal) {
  return requestJson<Measure[]>(measuresPath(experimentId, { types, limit: 1, order }), { signal });
}

export interface MeasuresQuery {
  from?: Nanos;
  to?: Nanos;
  types: readonly string[];
  order?: "asc" | "desc";
  limit?: number;
  maxPoints?: number;
  window?: string | null;
  format?: Format;
}

export type Format = "csv" | "ndjson";

export function measuresPath(experimentId: number, query: MeasuresQuery): string {
  const parameters = new URLSearchParams();
  const set = (name: string, value: string | number | null | undefined) => {
    if (value !== undefined && value !== null) {
      parameters.append(name, String(value));
    }
  };
  set("from", query.from === undefined ? undefined : formatTime(query.from));
  set("to", query.to === undefined ? undefined : formatTime(query.to));
  for (const type of query.types) {
    set("type", type);
  }
  set("order", query.order ?? "asc");
  set("limit", query.limit);
  set("max_points", query.maxPoints);
  set("window", query.window);
  set("format", query.format);
  return `${path`/measures/${experimentId}`}?${parameters}`;
}

export function reading(
  ends: Ends,
  window: string | null,
  types: readonly string[],
  points: readonly (Measure | Bin)[],
): Reading {
  // A bin is drawn where its middle is.
  const middle = toSeconds((window ? (parseWindow(window) ?? 0n) : 0n) / 2n);
  const byType = new Map<string, (Measure | Bin)[]>();
  for (const point of points) {
    const of = byType.get(point.measure_type);
    if (of) {
      of.push(point);
    } else {
      byType.set(point.measure_type, [point]);
    }
  }
  const series = [...byType].map(([type, of]) => summarised(type, of, middle));
  series.sort((one, other) => (one.type < other.type ? -1 : 1));
  return { ...ends, window, types, series, count: series.reduce((sum, each) => sum + each.count, 0) };
}

function summarised(type: string, points: (Measure | Bin)[], middle: number): Series {
  const summary: Series = {
    type,
    times: points.map((point) => toSeconds(parseTime(point.timestamp) ?? 0n) + middle),
    points,
    count: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
  };
  for (const point of points) {
    summary.count += isBin(point) ? point.count : 1;
    summary.min = Math.min(summary.min, isBin(point) ? point.min : point.value);
    summary.max = Math.max(summary.max, isBin(point) ? point.max : point.value);
  }
  return summary;
}

export function isBin(point: Measure | Bin): point is Bin {
  return "count" in point;
}
