import { describe, expect, test } from "vitest";
import {
  formatTime,
  fromSeconds,
  parseTime,
  parseWindow,
  readableLength,
  readableTime,
  toSeconds,
} from "./time.ts";

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

  test("convert to seconds and back to the nanosecond", () => {
    const nanos = 86_400_123_456_789n;
    expect(fromSeconds(toSeconds(nanos))).toBe(nanos);
    expect(toSeconds(-1n)).toBe(-1e-9);
  });

  test("are displayed in UTC or the local zone", () => {
    const nanos = 1_649_228_940_500_000_000n;
    expect(readableTime(nanos, "utc")).toBe("2022-04-06 07:09:00.5");
    const offset = -new Date(1_649_228_940_000).getTimezoneOffset() * 60_000;
    const local = new Date(1_649_228_940_000 + offset).toISOString().slice(0, 19).replace("T", " ");
    expect(readableTime(nanos, "local")).toBe(`${local}.5`);
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
