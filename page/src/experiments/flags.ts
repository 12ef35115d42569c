import { listFlags } from "../api/resources.ts";
import type { Flag } from "../api/shapes.ts";
import type { SeriesName } from "./choice.ts";
import { type Nanos, parseTime } from "./time.ts";

/** A flag of one of the experiments of a view. */
export interface ShownFlag extends Omit<Flag, "from" | "to"> {
  experimentId: number;
  from: Nanos;
  /** Excluded. */
  to: Nanos;
}

type OfExperiment = SeriesName & { experimentId: number };

/** The flags of these experiments, newest first. */
export async function readFlags(experimentIds: readonly number[], signal: AbortSignal): Promise<ShownFlag[]> {
  const all = await Promise.all(
    experimentIds.map(async (id) => (await listFlags(id, signal)).map((flag) => shownFlag(id, flag))),
  );
  return newestFirst(all.flat());
}

export function shownFlag(experimentId: number, { from, to, ...flag }: Flag): ShownFlag {
  return { ...flag, experimentId, from: parseTime(from) ?? 0n, to: parseTime(to) ?? 0n };
}

export function newestFirst(flags: readonly ShownFlag[]): ShownFlag[] {
  return [...flags].sort((one, other) => other.flag_id - one.flag_id);
}

/** Whether a flag is about measures of this series. */
export function isAbout(flag: ShownFlag, { experimentId, type, sensor }: OfExperiment): boolean {
  return (
    flag.experimentId === experimentId &&
    (flag.measure_type === null || flag.measure_type === type) &&
    (flag.sensor === null || flag.sensor === (sensor ?? ""))
  );
}

export function isFlagged(flags: readonly ShownFlag[], series: OfExperiment, at: Nanos): boolean {
  return flags.some((flag) => at >= flag.from && at < flag.to && isAbout(flag, series));
}

/** A range of time that a plot shades. */
export interface Shade {
  from: Nanos;
  to: Nanos;
}

/** When measures of any of these series are flagged, by time; flags that overlap are one range. */
export function shadesOf(flags: readonly ShownFlag[], series: readonly OfExperiment[]): Shade[] {
  const shades: Shade[] = [];
  const about = flags.filter((flag) => series.some((each) => isAbout(flag, each)));
  for (const { from, to } of about.sort((one, other) => (one.from < other.from ? -1 : 1))) {
    const last = shades.at(-1);
    if (last && from <= last.to) {
      last.to = to > last.to ? to : last.to;
    } else {
      shades.push({ from, to });
    }
  }
  return shades;
}

export function overlaps(one: Shade, other: Shade): boolean {
  return one.from < other.to && other.from < one.to;
}

/** Whose measures a flag is about. */
export function aboutText({ sensor, measure_type }: Pick<Flag, "sensor" | "measure_type">): string {
  if (sensor === null) {
    return measure_type ?? "all measures";
  }
  const source = sensor === "" ? "without a sensor" : sensor;
  return measure_type === null ? source : `${source}, ${measure_type}`;
}
