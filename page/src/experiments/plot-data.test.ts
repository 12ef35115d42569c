import { expect, test } from "vitest";
import type { Bin, Measure } from "../api/shapes.ts";
import { plotData } from "./plot-data.ts";
import { type Series, seriesOf } from "./reading.ts";
import { valueAxis } from "./value-axis.ts";

const AXIS = valueAxis(0, 100, "Hz");

function measure(second: number, value: number, measure_type = "hertz"): Measure {
  return { experiment: "x", measure_type, timestamp: new Date(second * 1_000).toISOString(), value };
}

function bin(second: number, count: number, value = 0): Bin {
  return { ...measure(second, 0), count, min: value - count, max: value + count, mean: value, std: 1 };
}

function only(points: readonly (Measure | Bin)[], window: string | null = null): Series {
  const [one] = seriesOf(1, 0n, window, points);
  if (!one) {
    throw new Error("no series");
  }
  return one;
}

const series = (seconds: number[]) => only(seconds.map((second) => measure(second, second)));
const drawn = (one: Series) => plotData([{ series: one, axis: AXIS }]);

test("points that follow each other are joined", () => {
  const { data, points } = drawn(series([1, 2, 3, 4]));
  expect(data[0]).toEqual([1, 2, 3, 4]);
  expect(data[3]).toEqual([1, 2, 3, 4]);
  expect(points).toEqual([[0, 1, 2, 3]]);
});

test("the line breaks where nothing was measured", () => {
  const { data, points } = drawn(series([1, 2, 3, 103, 104]));
  expect(data[0]).toEqual([1, 2, 3, 53, 103, 104]);
  expect(data[3]).toEqual([1, 2, 3, null, 103, 104]);
  expect(points).toEqual([[0, 1, 2, undefined, 3, 4]]);
});

test("the line breaks for the whole pause, also where another series has measures", () => {
  const { data } = plotData(
    [series([1, 2, 3, 103, 104]), series([1, 2, 40, 41, 80, 81, 103])].map((one) => ({
      series: one,
      axis: AXIS,
    })),
  );
  const times = data[0];
  const broken = times.filter((_, row) => data[3]?.[row] === null);
  expect(broken).toEqual(times.filter((time) => time > 3 && time < 103));
  expect(broken.length).toBeGreaterThan(4);
});

test("measures with equal timestamps are all drawn", () => {
  expect(drawn(series([1, 1, 1])).data[0]).toEqual([1, 1, 1]);
});

test("series with different times share the rows of equal times", () => {
  const { data, points } = plotData(
    [series([1, 2, 3]), series([2, 2, 4])].map((one) => ({ series: one, axis: AXIS })),
  );
  expect(data[0]).toEqual([1, 2, 2, 3, 4]);
  expect(points).toEqual([
    [0, 1, undefined, 2, undefined],
    [undefined, 0, 1, undefined, 2],
  ]);
  expect(data[3]).toEqual([1, 2, undefined, 3, undefined]);
  expect(data[6]).toEqual([undefined, 2, 2, undefined, 4]);
});

test("a logarithmic axis has no place for zero, and cuts bands at its edge", () => {
  const axis = valueAxis(0.1, 100, "Hz", true);
  const { data } = plotData([{ series: only([bin(0, 2, 1), bin(60, 2, 5)], "60s"), axis }]);
  expect([data[1], data[2], data[3]]).toEqual([
    [0.1, 3],
    [3, 7],
    [1, 5],
  ]);
  expect(plotData([{ series: series([0, 1]), axis }]).data[3]).toEqual([null, 1]);
});

test("bins are drawn at their middle, and counted by their measures", () => {
  expect(only([bin(0, 2), bin(60, 3)], "60s")).toMatchObject({ times: [30, 90], count: 5, min: -3, max: 3 });
});

test("mean and deviation of bins are those of their measures", () => {
  const values = [1, 2, 4, 8, 16, 32];
  const of = (some: number[]) => {
    const mean = some.reduce((sum, value) => sum + value, 0) / some.length;
    const std = Math.sqrt(some.reduce((sum, value) => sum + (value - mean) ** 2, 0) / some.length);
    return { count: some.length, min: Math.min(...some), max: Math.max(...some), mean, std };
  };
  const bins = [values.slice(0, 2), values.slice(2)].map((some, index) => ({
    ...measure(index, 0),
    ...of(some),
  }));
  const { mean, std, count } = only(bins, "1s");
  expect(count).toBe(6);
  expect(mean).toBeCloseTo(of(values).mean, 12);
  expect(std).toBeCloseTo(of(values).std, 12);
  const single = only(values.map((value, index) => measure(index, value)));
  expect(single.std).toBeCloseTo(of(values).std, 12);
  expect(only([measure(0, Number.MAX_VALUE), measure(1, -Number.MAX_VALUE)]).std).toBe(Number.MAX_VALUE);
});

test("each type has a series of its own, in the order of names", () => {
  const found = seriesOf(1, 0n, null, [measure(1, 5, "volt"), measure(2, 6, "hertz"), measure(3, 7, "volt")]);
  expect(found.map(({ type, count }) => [type, count])).toEqual([
    ["hertz", 1],
    ["volt", 2],
  ]);
});
