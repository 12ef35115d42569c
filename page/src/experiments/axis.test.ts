import { expect, test } from "vitest";
import { FINE_STEPS, fineMarks, timeMarks } from "./axis.ts";

// `Date.parse` drops what is less than a millisecond.
const at = (text: string) =>
  Date.parse(text) / 1_000 + Number(`0.000${/\.\d{3}(\d+)/.exec(text)?.[1] ?? "0"}`);

test("the day stands where it begins", () => {
  const marks = timeMarks([at("2022-04-06T23:30Z"), at("2022-04-07T00:00Z"), at("2022-04-07T00:30Z")], 1_800);
  expect(marks).toEqual(["23:30\n6 Apr 2022", "00:00\n7 Apr 2022", "00:30"]);
});

test("seconds and their parts are shown where they tell marks apart", () => {
  expect(timeMarks([at("2022-04-06T07:00:05Z")], 5)).toEqual(["07:00:05\n6 Apr 2022"]);
  expect(timeMarks([at("2022-04-06T07:00:05.25Z")], 0.25)).toEqual(["00:05.250\n6 Apr 2022"]);
});

test("long ranges are marked by days, months and years", () => {
  expect(timeMarks([at("2022-12-31Z"), at("2023-01-01Z")], 86_400)).toEqual(["31 Dec\n2022", "1 Jan\n2023"]);
  expect(timeMarks([at("2022-04-01Z"), at("2022-05-01Z")], 30 * 86_400)).toEqual(["Apr\n2022", "May"]);
  expect(timeMarks([at("2022-01-01Z")], 365 * 86_400)).toEqual(["2022"]);
});

test("marks of less than a millisecond are told apart", () => {
  const from = at("2024-03-01T23:59:59.9994Z");
  const marks = fineMarks(from - 1e-5, from + 8.1e-4, 2e-4);
  expect(timeMarks(marks, 2e-4)).toEqual([
    "59:59.9994\n1 Mar 2024",
    "59:59.9996",
    "59:59.9998",
    "00:00.0000\n2 Mar 2024",
    "00:00.0002",
  ]);
});

test("a millisecond of any time from 1970 to 2262 has a mark at each step", () => {
  for (const from of [0, at("2024-03-01T12:00Z"), at("2262-04-11T23:47Z")]) {
    for (const step of FINE_STEPS) {
      const marks = timeMarks(fineMarks(from, from + 1.05e-3, step), step);
      expect(marks).toHaveLength(Math.round(1e-3 / step) + 1);
      expect(new Set(marks).size).toBe(marks.length);
    }
  }
});
