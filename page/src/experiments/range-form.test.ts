import { expect, test } from "vitest";
import { readTyped } from "./range-form.tsx";
import { formatTime } from "./time.ts";

test.each([
  ["2022-04-06", "2022-04-06T00:00:00Z"],
  [" 2022-04-06 07:09 ", "2022-04-06T07:09:00Z"],
  ["2022-04-06T07:09:10.5", "2022-04-06T07:09:10.5Z"],
  ["2022-04-06 09:09+02:00", "2022-04-06T07:09:00Z"],
  ["2022-04-06 07:09:00 z", "2022-04-06T07:09:00Z"],
])("%j is %s", (typed, meant) => {
  const read = readTyped(typed);
  expect(read !== null && formatTime(read)).toBe(meant);
});

test.each(["", "yesterday", "06.04.2022", "2022-04-06 7:9", "2022-02-30 25:00", "1960-01-01"])(
  "%j is no time",
  (typed) => {
    expect(readTyped(typed)).toBeNull();
  },
);
