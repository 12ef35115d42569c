import { isBin, type Series } from "./reading.ts";
import { onAxis, type ValueAxis } from "./value-axis.ts";

/** A series on its axis. */
export interface Curve {
  series: Series;
  axis: ValueAxis;
}

/** `null` breaks the line; `undefined`: this series has no point at this time. */
type Value = number | null | undefined;

export interface PlotData {
  /** Times, then for each curve the minimum, the maximum and the mean or value. */
  data: [number[], ...Value[][]];
  /** For each curve: the point of its series in each row. */
  points: (number | undefined)[][];
}

/** The line continues over gaps shorter than this many usual distances of two points. */
const GAP = 6;

/** The curves as rows by time, with a break wherever a series pauses for much longer than usual. */
export function plotData(curves: readonly Curve[]): PlotData {
  const tables = curves.map(tableOf);
  const next = tables.map(() => 0);
  const times: number[] = [];
  const columns: Value[][] = curves.flatMap(() => [[], [], []]);
  const points: (number | undefined)[][] = curves.map(() => []);
  for (;;) {
    const time = Math.min(
      ...tables.map((rows, curve) => rows[next[curve] ?? 0]?.time ?? Number.POSITIVE_INFINITY),
    );
    if (time === Number.POSITIVE_INFINITY) {
      return { data: [times, ...columns], points };
    }
    times.push(time);
    tables.forEach((rows, curve) => {
      const at = next[curve] ?? 0;
      const row = rows[at];
      const isHere = row?.time === time;
      next[curve] = at + (isHere ? 1 : 0);
      // A gap is as wide as the rows that break the line, so the rows of other series in a pause
      // break it, too.
      const absent = row?.isBreak || rows[at - 1]?.isBreak ? null : undefined;
      columns[3 * curve]?.push(isHere ? row.min : absent);
      columns[3 * curve + 1]?.push(isHere ? row.max : absent);
      columns[3 * curve + 2]?.push(isHere ? row.mean : absent);
      points[curve]?.push(isHere ? row.point : undefined);
    });
  }
}

interface Row {
  time: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  point: number | undefined;
  /** Whether it represents a pause. */
  isBreak?: boolean;
}

function tableOf({ series: { times, points }, axis }: Curve): Row[] {
  const longest = GAP * usualDistance(times);
  const rows: Row[] = [];
  const on = (value: number) => (axis.isLog && value <= 0 ? null : onAxis(axis, value));
  points.forEach((point, index) => {
    const time = times[index] ?? 0;
    const before = times[index - 1];
    if (before !== undefined && longest > 0 && time - before > longest) {
      rows.push({
        time: (before + time) / 2,
        min: null,
        max: null,
        mean: null,
        point: undefined,
        isBreak: true,
      });
    }
    if (isBin(point)) {
      const max = on(point.max);
      // A band that reaches down to zero ends at the edge of a logarithmic axis.
      const min = on(point.min) ?? (max === null ? null : onAxis(axis, axis.min));
      rows.push({ time, min, max, mean: on(point.mean), point: index });
    } else {
      rows.push({ time, min: null, max: null, mean: on(point.value), point: index });
    }
  });
  return rows;
}

function usualDistance(times: readonly number[]): number {
  const distances = times.slice(1).map((time, index) => time - (times[index] ?? time));
  distances.sort((one, other) => one - other);
  return distances[Math.floor(distances.length / 2)] ?? 0;
}
