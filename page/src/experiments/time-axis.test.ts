import { describe, expect, test } from "vitest";
import { parseTime } from "./time.ts";
import { timeTicks } from "./time-axis.ts";

const at = (text: string) => parseTime(text) ?? 0n;
const labels = (from: string, to: string, width = 800) =>
  timeTicks(at(from), at(to), width, "utc").map(({ label }) => label);

test("the date is written where it begins", () => {
  expect(labels("2022-04-06T23:00:00Z", "2022-04-07T01:00:00Z", 360)).toEqual([
    "23:00\n6 Apr 2022",
    "23:30",
    "00:00\n7 Apr 2022",
    "00:30",
    "01:00",
  ]);
});

test("the first date gives way to the next where both have no room", () => {
  expect(labels("2022-04-06T17:00:00Z", "2022-04-07T08:00:00Z", 200)).toEqual([
    "18:00",
    "00:00\n7 Apr 2022",
    "06:00",
  ]);
});

test("labels are not cut off at the margins", () => {
  const [from, to] = ["2022-04-06T07:00:00Z", "2022-04-06T07:00:00.0001Z"].map(
    (text) => parseTime(text) ?? 0n,
  );
  const ticks = timeTicks(from ?? 0n, to ?? 0n, 700, "utc", { left: 20, right: 20 });
  expect(ticks.map(({ label }) => label.split("\n")[0])).toEqual([
    "07:00:00.00002",
    "07:00:00.00004",
    "07:00:00.00006",
    "07:00:00.00008",
  ]);
});

test("a narrow axis of wide labels has one", () => {
  const [from, to] = ["2022-04-06T07:00:00Z", "2022-04-06T07:00:00.0000002Z"].map((text) => at(text));
  const ticks = timeTicks(from ?? 0n, to ?? 0n, 230, "utc", { left: 40, right: 38 });
  expect(ticks.length).toBeGreaterThan(0);
});

test("parts of a second have their hours", () => {
  expect(labels("2024-03-01T23:59:59.9994Z", "2024-03-02T00:00:00.0002Z", 560)).toEqual([
    "23:59:59.9994\n1 Mar 2024",
    "23:59:59.9996",
    "23:59:59.9998",
    "00:00:00.0000\n2 Mar 2024",
    "00:00:00.0002",
  ]);
});

test("nanoseconds have ticks of their own", () => {
  expect(labels("2026-03-01T12:00:00.000000001Z", "2026-03-01T12:00:00.000000005Z", 640)).toEqual([
    "12:00:00.000000001\n1 Mar 2026",
    "12:00:00.000000002",
    "12:00:00.000000003",
    "12:00:00.000000004",
    "12:00:00.000000005",
  ]);
});

test("long ranges have days, months and years", () => {
  expect(labels("2022-12-31T00:00:00Z", "2023-01-02T00:00:00Z", 240)).toEqual([
    "31 Dec\n2022",
    "1 Jan\n2023",
    "2 Jan",
  ]);
  expect(labels("2022-11-20T00:00:00Z", "2023-02-10T00:00:00Z", 300)).toEqual([
    "Dec\n2022",
    "Jan\n2023",
    "Feb",
  ]);
  expect(labels("1970-01-01T00:00:00Z", "2260-01-01T00:00:00Z", 400)).toEqual(["2000", "2100", "2200"]);
});

describe("any range", () => {
  test.each([5n, 10n ** 3n, 10n ** 6n, 10n ** 9n, 10n ** 12n, 10n ** 15n, 10n ** 18n])(
    "of %d ns has ticks that differ and fit",
    (length) => {
      for (const from of [0n, at("2024-03-01T12:34:56.789Z"), 2n ** 63n - 1n - length]) {
        const ticks = timeTicks(from, from + length, 900, "utc");
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(16);
        expect(new Set(ticks.map((tick) => tick.at)).size).toBe(ticks.length);
        expect(ticks.every((tick) => tick.at >= from && tick.at <= from + length)).toBe(true);
      }
    },
  );
});
