import { describe, expect, test } from "vitest";
import { formatTime, HOUR, MINUTE } from "./time.ts";
import { formatMoment, parseMoment, parseRelative, readTyped, resolved } from "./typed-time.ts";

const typed = (text: string, order: "day first" | "month first" = "day first") => {
  const moment = readTyped(text, "utc", order);
  return moment && "at" in moment ? formatTime(moment.at) : moment;
};

test.each([
  ["2022-04-06", "2022-04-06T00:00:00Z"],
  [" 2022-04-06 07:09 ", "2022-04-06T07:09:00Z"],
  ["2022-04-06T07:09:10.5", "2022-04-06T07:09:10.5Z"],
  ["2022-04-06 09:09+02:00", "2022-04-06T07:09:00Z"],
  ["2022-04-06 09:09 +0200", "2022-04-06T07:09:00Z"],
  ["2022-04-06 07:09:00 z", "2022-04-06T07:09:00Z"],
  ["2022-04-06 07:09 UTC", "2022-04-06T07:09:00Z"],
  ["6.4.2022", "2022-04-06T00:00:00Z"],
  ["06.04.2022, 07:09", "2022-04-06T07:09:00Z"],
  ["06.04.2022 07:09:10,25", "2022-04-06T07:09:10.25Z"],
  ["6/4/2022 07:09", "2022-04-06T07:09:00Z"],
  ["6 April 2022 07:09", "2022-04-06T07:09:00Z"],
  ["1649228940", "2022-04-06T07:09:00Z"],
  ["1649228940.000000001", "2022-04-06T07:09:00.000000001Z"],
])("%j is %s", (text, meant) => {
  expect(typed(text)).toBe(meant);
});

test("the United States write the month first", () => {
  expect(typed("4/6/2022", "month first")).toBe("2022-04-06T00:00:00Z");
});

test.each([
  "",
  "yesterday",
  "31.2.2022",
  "2022-04-06 7:9",
  "2022-02-30 25:00",
  "1960-01-01",
  "6 Foo 2022",
  "now-",
  "now-1x",
])("%j is no time", (text) => {
  expect(typed(text)).toBeNull();
});

describe("relative times", () => {
  test.each([
    ["now", 0n, "now"],
    ["now-1h", HOUR, "now-1h"],
    ["NOW - 90 min", 90n * MINUTE, "now-90m"],
    ["now-7d", 7n * 24n * HOUR, "now-7d"],
    ["now+30s", -30n * 1_000_000_000n, "now+30s"],
  ])("%j is read and written", (text, ago, written) => {
    expect(parseRelative(text)).toEqual({ ago });
    expect(formatMoment({ ago })).toBe(written);
    expect(parseMoment(written)).toEqual({ ago });
  });

  test("are counted from the clock", () => {
    expect(resolved({ ago: HOUR }, 3n * HOUR)).toBe(2n * HOUR);
    expect(resolved({ ago: HOUR }, 0n)).toBe(0n);
  });
});
