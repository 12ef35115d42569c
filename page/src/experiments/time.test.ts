import { describe, expect, test } from "vitest";
import { formatTime, fromSeconds, parseTime, parseWindow, readableLength, toSeconds } from "./time.ts";

describe("moments", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0n],
    ["2024-02-29T00:00:00Z", 1_709_164_800_000_000_000n],
    ["2022-04-06T07:09:00Z", 1_649_228_940_000_000_000n],
    ["2022-04-06T09:09:00.5+02:00", 1_649_228_940_500_000_000n],
    ["2262-04-11T23:47:16.854775807Z", 2n ** 63n - 1n],
    ["2022-04-06T07:09:00.000000001Z", 1_649_228_940_000_000_001n],
  ])("%s is read to the nanosecond", (text, nanos) => {
    expect(parseTime(text)).toBe(nanos);
    expect(parseTime(formatTime(nanos))).toBe(nanos);
  });

  test.each([
    "",
    "2022",
    "2022-04-06",
    "2022-04-06T07:09:00",
    "2022-13-06T07:09:00Z",
    "2022-02-29T07:09:00Z",
    "1969-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
  ])("%j is none", (text) => {
    expect(parseTime(text)).toBeNull();
  });

  test("are written as the service writes them", () => {
    expect(formatTime(1_649_228_940_000_000_000n)).toBe("2022-04-06T07:09:00Z");
    expect(formatTime(1_649_228_940_120_000_000n)).toBe("2022-04-06T07:09:00.12Z");
  });

  test("become seconds and come back to less than a microsecond", () => {
    const nanos = 1_750_000_000_123_456_789n;
    const off = fromSeconds(toSeconds(nanos)) - nanos;
    expect(off > -1_000n && off < 1_000n).toBe(true);
  });
});

describe("lengths of time", () => {
  test.each([
    ["60s", "1 min"],
    ["90s", "90 s"],
    ["86400s", "1 d"],
    ["43200s", "12 h"],
    ["250ms", "250 ms"],
    ["5us", "5 µs"],
    ["1ns", "1 ns"],
  ])("%s is %s", (written, said) => {
    const length = parseWindow(written);
    expect(length && readableLength(length)).toBe(said);
  });

  test("what is no width is none", () => {
    expect(parseWindow("60")).toBeNull();
    expect(parseWindow("1w")).toBeNull();
  });
});
