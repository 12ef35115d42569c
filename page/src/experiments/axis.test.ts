import { expect, test } from "vitest";
import { timeMarks } from "./axis.ts";

const at = (text: string) => Date.parse(text) / 1_000;

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
