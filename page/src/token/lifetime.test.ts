import { expect, test } from "vitest";
import { lifetime } from "./lifetime.ts";

test.each([
  [0, "0 s"],
  [59, "59 s"],
  [61, "1 min 1 s"],
  [3599, "59 min"],
  [3600, "1 h"],
  [43_140, "11 h 59 min"],
])("%i seconds are %s", (seconds, said) => {
  expect(lifetime(seconds)).toBe(said);
});
