import { path, request, requestJson } from "../api/client.ts";
import { listSeries } from "../api/resources.ts";
import type { Bin, Measure } from "../api/shapes.ts";
import {
  bySeries,
  type Choice,
  chosenOf,
  distinct,
  type Filter,
  filtersOf,
  keyOf,
  MOST_SERIES,
  type SeriesName,
} from "./choice.ts";
import { isFlagged, type ShownFlag } from "./flags.ts";
import { EDGE, type Ends, endsOf, type Strays } from "./stray-measures.ts";
import { formatTime, type Nanos, parseTime, parseWindow, toSeconds } from "./time.ts";
import { resolved } from "./typed-time.ts";
import { type Range, SPANS } from "./view-state.ts";

/** The measures of one series of an experiment, or bins of them, by time. */
export interface Series extends SeriesName {
  /** Unique within a reading. */
  key: string;
  experimentId: number;
  /** The width of the bins, as the service wrote it; `null`: each point is a measure. */
  window: string | null;
  /** Of each point, in seconds since the start of the reading, so that a double has nanoseconds. */
  times: number[];
  points: readonly (Measure | Bin)[];
  /** Of the measures, not of the points. */
  count: number;
  min: number;
  max: number;
  mean: number;
  /** Of the population, as the service calculates it. */
  std: number;
}

/** A series of an experiment, whether it is shown or not. */
export interface KnownSeries extends SeriesName {
  /** As in `Series`. */
  key: string;
  experimentId: number;
  symbol: string;
  /** Of all its measures. */
  last: Nanos;
  latestValue: number;
}

/** What one request asked for. */
export interface Part extends Filter {
  experimentId: number;
  series: readonly Series[];
}

/** What is shown: read from the service for exactly this range. */
export interface Reading {
  from: Nanos;
  /** Excluded. */
  to: Nanos;
  /** The end as it is displayed: the newest measure, where everything up to it is shown. */
  last: Nanos;
  parts: readonly Part[];
  /** Those of all parts, sorted. */
  series: readonly Series[];
  count: number;
  /** The series that the experiments have. */
  known: readonly KnownSeries[];
  /** Their names, sorted. */
  names: readonly SeriesName[];
  /** The newest measure that is no stray, where the range goes up to it. */
  newest: Nanos | null;
  /** Measures that the range leaves out because they are far from all others. */
  strays: readonly Strays[];
  /** Whether it holds flagged measures, too. */
  flagged: boolean;
}

/** None of the chosen series in the whole experiment. */
export const NO_MEASURES = "no measures";

/** Up to this many measures are shown individually, at any width of the plot. */
const MAX_UNBINNED = 2_000;

export interface Question {
  experimentIds: readonly number[];
  range: Range;
  choice: Choice;
  /** The series as they were listed before, if they were. */
  known?: readonly KnownSeries[] | undefined;
  /** How many points a plot has room for. */
  maxPoints: number;
  /** Whether flagged measures are read, too. */
  flagged: boolean;
}

/** Reads what the plots show: each measure where there are few, and bins where there are many. */
export async function read(question: Question, signal: AbortSignal): Promise<Reading | typeof NO_MEASURES> {
  const { experimentIds, choice } = question;
  // In parallel: on a slow network each request in turn adds a round trip.
  const listing = Promise.all(experimentIds.map((id) => readKnown(id, signal))).then((all) => all.flat());
  listing.catch(() => {});
  const before = question.known ? Promise.resolve(question.known) : listing;
  const limits = await resolve(question, before, signal);
  if (limits === NO_MEASURES) {
    return NO_MEASURES;
  }
  const known = await before;
  const asked = experimentIds.flatMap((experimentId) =>
    requestsOf(ofExperiment(known, experimentId), choice).map((filter) => ({ experimentId, ...filter })),
  );
  const parts = await Promise.all(
    asked.map(async (filter) => ({ ...filter, series: await readSeries(filter, question, limits, signal) })),
  );
  const after = await listing;
  const series = experimentIds.flatMap((id) =>
    parts.flatMap((part) => (part.experimentId === id ? part.series : [])).sort(bySeries),
  );
  return {
    ...limits,
    flagged: question.flagged,
    parts,
    series,
    count: series.reduce((sum, each) => sum + each.count, 0),
    known: after,
    names: distinct(after),
  };
}

async function readKnown(experimentId: number, signal: AbortSignal): Promise<KnownSeries[]> {
  const listed = await listSeries(experimentId, signal);
  return listed
    .map(({ sensor, measure_type: type, symbol, last, latest_value: latestValue }) => ({
      key: `${experimentId} ${keyOf({ type, sensor })}`,
      experimentId,
      type,
      sensor,
      symbol,
      last: parseTime(last) ?? 0n,
      latestValue,
    }))
    .sort(bySeries);
}

const ofExperiment = (known: readonly KnownSeries[], id: number) =>
  known.filter(({ experimentId }) => experimentId === id);

/** The requests for the chosen series of an experiment, up to the number that is drawn. */
export function requestsOf(known: readonly SeriesName[], choice: Choice): Filter[] {
  const chosen = chosenOf(known, choice);
  const drawn = chosen.slice(0, MOST_SERIES);
  const filter = knownFilter(known, choice);
  // Without names if possible: a series created later is then read, too.
  return filter && chosenOf(known, { ...choice, hidden: [] }).length === drawn.length
    ? [filter]
    : filtersOf(drawn);
}

/** The types and sensors of the choice that the experiment has; `null` if it has no such sensor. */
function knownFilter(known: readonly SeriesName[], { types, sensors }: Choice): Filter | null {
  // The service refuses unknown names of sensors.
  const found = sensors.filter((each) => known.some(({ sensor }) => (sensor ?? "") === each));
  return sensors.length > 0 && found.length === 0 ? null : { types, sensors: found };
}

async function readSeries(
  { experimentId, types, sensors }: Omit<Part, "series">,
  { maxPoints, flagged }: Question,
  { from, to }: Limits,
  signal: AbortSignal,
): Promise<Series[]> {
  const whole = { from, to, types, sensors, flagged };
  const few = await request(measuresPath(experimentId, { ...whole, limit: MAX_UNBINNED }), { signal });
  if (!few.headers.has("Link")) {
    return seriesOf(experimentId, from, null, (await few.json()) as Measure[]);
  }
  // Read to its end in parallel: the service counts an aborted answer as a disconnected client.
  few.arrayBuffer().catch(() => {});
  const many = await request(measuresPath(experimentId, { ...whole, maxPoints }), { signal });
  return seriesOf(experimentId, from, many.headers.get("MyMONIT-Window"), (await many.json()) as Bin[]);
}

type Limits = Pick<Reading, "from" | "to" | "last" | "newest" | "strays">;

/** The range as two times: read again, it gives the same measures. */
async function resolve(
  { experimentIds, range, choice, flagged }: Question,
  known: Promise<readonly KnownSeries[]>,
  signal: AbortSignal,
): Promise<Limits | typeof NO_MEASURES> {
  if (range.kind === "fixed") {
    return { from: range.from, to: range.to, last: range.to, newest: null, strays: [] };
  }
  if (range.kind === "moving") {
    // Whole seconds: the nanoseconds of a clock are noise here.
    const now = BigInt(Math.floor(Date.now() / 1_000)) * 1_000_000_000n;
    const [one, other] = [resolved(range.from, now), resolved(range.to, now)];
    const [from, to] = one < other ? [one, other] : [other, one + 1n];
    return { from, to, last: to, newest: null, strays: [] };
  }
  const filters = await filtersOfEach(experimentIds, choice, known);
  const found = await Promise.all(
    filters.map(([id, filter]) => readEnds(id, { ...filter, flagged }, signal)),
  );
  const ends = found.filter((each) => each !== null);
  if (ends.length === 0) {
    return NO_MEASURES;
  }
  const first = ends.map((each) => each.first).reduce((one, other) => (one < other ? one : other));
  const last = ends.map((each) => each.last).reduce((one, other) => (one > other ? one : other));
  const strays = ends.flatMap((each) => each.strays);
  if (range.span === "all") {
    return { from: first, to: last + 1n, last, newest: last, strays };
  }
  const { length, grain } = SPANS[range.span];
  const to = (last / grain + 1n) * grain;
  return { from: to > length ? to - length : 0n, to, last: to, newest: last, strays };
}

/** The filters that find the first and last times of the chosen series, hidden ones included. */
export async function filtersOfEach(
  experimentIds: readonly number[],
  choice: Choice,
  known: Promise<readonly KnownSeries[]> | readonly KnownSeries[],
): Promise<[number, Filter][]> {
  const { types, sensors } = choice;
  if (sensors.length === 0) {
    return experimentIds.map((id) => [id, { types, sensors }]);
  }
  const all = await known;
  return experimentIds.flatMap((id): [number, Filter][] => {
    const filter = knownFilter(ofExperiment(all, id), choice);
    return filter ? [[id, filter]] : [];
  });
}

type EdgeFilter = Filter & Pick<MeasuresQuery, "flagged">;

/** When an experiment begins and ends; `null` without measures. */
export async function readEnds(
  experimentId: number,
  filter: EdgeFilter,
  signal?: AbortSignal,
): Promise<Ends | null> {
  const [oldest, newest] = await Promise.all(
    (["asc", "desc"] as const).map((order) => edge(experimentId, filter, order, signal)),
  );
  return endsOf(oldest ?? [], newest ?? []);
}

/** The timestamps at one end. */
export async function edge(
  experimentId: number,
  filter: EdgeFilter,
  order: "asc" | "desc",
  signal?: AbortSignal,
): Promise<Nanos[]> {
  const query = { ...filter, limit: EDGE, order };
  const measures = await requestJson<Measure[]>(measuresPath(experimentId, query), { signal });
  return measures.map(({ timestamp }) => parseTime(timestamp) ?? 0n);
}

/** The last value of each series by its key: a bin does not tell it. */
export async function readLast(
  reading: Reading,
  flags: readonly ShownFlag[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const { flagged } = reading;
  const found = await Promise.all(
    reading.series.map(async ({ key, experimentId, type, sensor, points }) => {
      const point = points.at(-1);
      if (!point || !isBin(point)) {
        return [key, point?.value] as const;
      }
      const start = parseTime(point.timestamp) ?? reading.from;
      const from = start > reading.from ? start : reading.from;
      const listed = reading.known.find((each) => each.key === key);
      // The list of series ignores flags.
      const isLeftOut = listed && !flagged && isFlagged(flags, listed, listed.last);
      if (listed && !isLeftOut && listed.last >= from && listed.last < reading.to) {
        return [key, listed.latestValue] as const;
      }
      const query = { from, to: reading.to, types: [type], sensors: [sensor ?? ""], flagged };
      const [last] = await requestJson<Measure[]>(
        measuresPath(experimentId, { ...query, order: "desc", limit: 1 }),
        { signal },
      );
      return [key, last?.value] as const;
    }),
  );
  return new Map(found.filter((each): each is [string, number] => each[1] !== undefined));
}

export interface MeasuresQuery {
  from?: Nanos;
  to?: Nanos;
  types: readonly string[];
  sensors: readonly string[];
  order?: "asc" | "desc";
  limit?: number;
  maxPoints?: number;
  window?: string | null;
  format?: Format;
  /** Whether flagged measures are read, too. */
  flagged?: boolean;
}

export type Format = "csv" | "ndjson" | "arrow";

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
  for (const sensor of query.sensors) {
    set("sensor", sensor);
  }
  set("order", query.order ?? "asc");
  set("limit", query.limit);
  set("max_points", query.maxPoints);
  set("window", query.window);
  set("format", query.format);
  set("flagged", query.flagged ? "include" : undefined);
  return `${path`/measures/${experimentId}`}?${parameters}`;
}

/** The series in `points`, sorted; times are seconds since `origin`. */
export function seriesOf(
  experimentId: number,
  origin: Nanos,
  window: string | null,
  points: readonly (Measure | Bin)[],
): Series[] {
  const byKey = new Map<string, SeriesName & { of: (Measure | Bin)[] }>();
  for (const point of points) {
    const name = { type: point.measure_type, sensor: point.sensor ?? null };
    const key = keyOf(name);
    const found = byKey.get(key);
    if (found) {
      found.of.push(point);
    } else {
      byKey.set(key, { ...name, of: [point] });
    }
  }
  // A bin is drawn at its middle.
  const middle = Number((window && parseWindow(window)) || 0n) / 2e9;
  return [...byKey]
    .map(([key, { type, sensor, of }]) => ({
      key: `${experimentId} ${key}`,
      experimentId,
      type,
      sensor,
      window,
      times: of.map(({ timestamp }) => toSeconds((parseTime(timestamp) ?? 0n) - origin) + middle),
      points: of,
      ...statistics(of),
    }))
    .sort(bySeries);
}

function statistics(
  points: readonly (Measure | Bin)[],
): Pick<Series, "count" | "min" | "max" | "mean" | "std"> {
  let [count, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const point of points) {
    count += isBin(point) ? point.count : 1;
    min = Math.min(min, isBin(point) ? point.min : point.value);
    max = Math.max(max, isBin(point) ? point.max : point.value);
  }
  // Divided by a power of two, which costs no digit: squares of large doubles overflow.
  const unit =
    2 ** Math.min(Math.max(Math.ceil(Math.log2(Math.max(Math.abs(min), Math.abs(max)))), -1_000), 1_000);
  let [seen, mean, squares] = [0, 0, 0];
  for (const point of points) {
    const [n, x, std] = isBin(point) ? [point.count, point.mean, point.std] : [1, point.value, 0];
    const difference = x / unit - mean;
    seen += n;
    mean += (difference * n) / seen;
    squares += n * (std / unit) ** 2 + (difference ** 2 * n * (seen - n)) / seen;
  }
  return { count, min, max, mean: mean * unit, std: Math.sqrt(squares / count) * unit };
}

export function isBin(point: Measure | Bin): point is Bin {
  return "count" in point;
}
