import { isBin, type Series } from "./reading.ts";

/**
 * What the plot is handed: times, and at each the least, the greatest and the mean, divided by the power of ten in which the
 * axis counts; `null` where the line breaks.
 */
export type PlotData = [number[], (number | null)[], (number | null)[], (number | null)[]];

/** A line goes on over a gap of less than so many times the usual distance of two points. */
const GAP = 6;

/**
 * The points of a series with a break wherever nothing was measured for much longer than usual, so that no line claims
 * what nobody knows. `indices` leads from the plot's points back to those of the series.
 */
export function plotData(
  { times, points }: Series,
  power = 0,
): { data: PlotData; indices: (number | null)[] } {
  const unit = 10 ** power;
  const longest = GAP * usualDistance(times);
  const data: PlotData = [[], [], [], []];
  const indices: (number | null)[] = [];
  const add = (
    time: number,
    min: number | null,
    max: number | null,
    mean: number | null,
    index: number | null,
  ) => {
    data[0].push(time);
    data[1].push(min);
    data[2].push(max);
    data[3].push(mean);
    indices.push(index);
  };
  points.forEach((point, index) => {
    const time = times[index] ?? 0;
    const before = times[index - 1];
    if (before !== undefined && longest > 0 && time - before > longest) {
      add((before + time) / 2, null, null, null, null);
    }
    if (isBin(point)) {
      add(time, point.min / unit, point.max / unit, point.mean / unit, index);
    } else {
      add(time, null, null, point.value / unit, index);
    }
  });
  return { data, indices };
}

function usualDistance(times: readonly number[]): number {
  const distances = times.slice(1).map((time, index) => time - (times[index] ?? time));
  distances.sort((one, other) => one - other);
  return distances[Math.floor(distances.length / 2)] ?? 0;
}
