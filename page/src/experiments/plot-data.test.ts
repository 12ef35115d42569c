import { expect, test } from "vitest";
import type { Bin, Measure } from "../api/shapes.ts";
import { plotData } from "./plot-data.ts";
import { reading, type Series } from "./reading.ts";

function measure(second: number, value: number, measure_type = "hertz"): Measure {
  return { experiment: "x", measure_type, timestamp: new Date(second * 1_000).toISOString(), value };
}

function series(seconds: number[]): Series {
  const [one] = reading(
    { from: 0n, to: 1n, last: 0n },
    null,
    [],
    seconds.map((second) => measure(second, second)),
  ).series;
  if (!one) {
    throw new Error("no series");
  }
  return one;
}

test("points that follow each other are joined", () => {
  const { data, indices } = plotData(series([1, 2, 3, 4]));
  expect(data[0]).toEqual([1, 2, 3, 4]);
  expect(data[3]).toEqual([1, 2, 3, 4]);
  expect(indices).toEqual([0, 1, 2, 3]);
});

test("the line breaks where nothing was measured", () => {
  const { data, indices } = plotData(series([1, 2, 3, 103, 104]));
  expect(data[0]).toEqual([1, 2, 3, 53, 103, 104]);
  expect(data[3]).toEqual([1, 2, 3, null, 103, 104]);
  expect(indices).toEqual([0, 1, 2, null, 3, 4]);
});

test("measures of one moment break nothing", () => {
  expect(plotData(series([1, 1, 1])).data[0]).toEqual([1, 1, 1]);
});

test("bins are drawn in their middle, and counted by their measures", () => {
  const bin = (second: number, count: number): Bin => ({
    ...measure(second, 0),
    count,
    min: -count,
    max: count,
    mean: 0,
    std: 1,
  });
  const { series: found, count } = reading(
    { from: 0n, to: 1n, last: 0n },
    "60s",
    [],
    [bin(0, 2), bin(60, 3)],
  );
  expect(found[0]).toMatchObject({ times: [30, 90], count: 5, min: -3, max: 3 });
  expect(count).toBe(5);
});

test("each type has a series of its own, in the order of names", () => {
  const found = reading(
    { from: 0n, to: 1n, last: 0n },
    null,
    [],
    [measure(1, 5, "volt"), measure(2, 6, "hertz"), measure(3, 7, "volt")],
  );
  expect(found.series.map(({ type, count }) => [type, count])).toEqual([
    ["hertz", 1],
    ["volt", 2],
  ]);
});
