import { describe, expect, test } from "vitest";
import { seriesOf } from "./reading.ts";
import { readYMode, writeYMode, type YMode, yRange } from "./y-range.ts";

function series(values: readonly number[]) {
  const points = values.map((value, index) => ({
    experiment: "x",
    measure_type: "degree Celsius",
    timestamp: new Date(index * 1_000).toISOString(),
    value,
  }));
  return seriesOf(1, 0n, null, points);
}

const calm = Array.from({ length: 1_000 }, (_, index) => 21 + 4 * Math.sin(index / 20));
const spiky = calm.map((value, index) => (index % 300 === 150 ? 850 : value));

describe("the range of values", () => {
  test("has room for all of them", () => {
    const { min, max, above, below } = yRange({ kind: "auto" }, series(calm));
    expect([min, max].map(Math.round)).toEqual([16, 26]);
    expect([above, below]).toEqual([0, 0]);
  });

  test.each(["auto", "robust"] as const)(
    "leaves three spikes out where it is %s, and counts them",
    (kind) => {
      const { min, max, above, below, isRobust } = yRange({ kind }, series(spiky));
      expect([min, max].map(Math.round)).toEqual([16, 26]);
      expect([above, below, isRobust]).toEqual([3, 0, true]);
    },
  );

  test("holds the spikes where all values are asked for", () => {
    expect(yRange({ kind: "all" }, series(spiky))).toMatchObject({ above: 0, below: 0 });
  });

  test("of a constant with pulses holds the pulses", () => {
    const pulses = calm.map((_, index) => (index % 300 === 150 ? 1 : 0));
    expect(yRange({ kind: "auto" }, series(pulses))).toMatchObject({ above: 0, isRobust: false });
  });

  test("is two levels where these are frequent", () => {
    const levels = calm.map((value, index) => (index % 10 === 0 ? value + 800 : value));
    expect(yRange({ kind: "auto" }, series(levels))).toMatchObject({ above: 0 });
  });

  test("is what was typed", () => {
    expect(yRange({ kind: "fixed", min: 20, max: 22 }, series(calm))).toMatchObject({ min: 20, max: 22 });
    expect(yRange({ kind: "fixed", min: 20, max: 22 }, series(calm)).above).toBeGreaterThan(100);
  });

  test("is whole decades where it is logarithmic, and counts what cannot be shown", () => {
    expect(yRange({ kind: "log" }, series([0, 2e-9, 5, -1]))).toMatchObject({
      min: 1e-9,
      max: 10,
      isLog: true,
      notPositive: 2,
    });
    expect(yRange({ kind: "log" }, series([-1, -2]))).toMatchObject({ isLog: false, notPositive: 2 });
  });

  test("of one value, of none, and of the greatest doubles is one", () => {
    for (const values of [[5], [0], [], [Number.MAX_VALUE, -Number.MAX_VALUE]]) {
      const { min, max } = yRange({ kind: "auto" }, series(values));
      expect(min).toBeLessThan(max);
    }
  });
});

test.each<YMode>([{ kind: "robust" }, { kind: "log" }, { kind: "fixed", min: -0.5, max: 1e-6 }])(
  "%j is written and read again",
  (mode) => {
    expect(readYMode(writeYMode(mode))).toEqual(mode);
  },
);

test.each(["", "1..1", "2..1", "..", "1..", "a..b", "1..2..3"])("%j is no range", (text) => {
  expect(readYMode(text)).toBeNull();
});
