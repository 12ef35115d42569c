import { expect, test } from "vitest";
import { age, isStale } from "./age.ts";
import { DAY, HOUR, MINUTE, SECOND } from "./time.ts";

const NOW = 20_000n * DAY;

test.each([
  [0n, "just now"],
  [MINUTE - 1n, "just now"],
  [MINUTE, "1 min ago"],
  [HOUR - SECOND, "59 min ago"],
  [HOUR, "1 h ago"],
  [DAY, "1 d ago"],
  [364n * DAY, "364 d ago"],
  [4n * 365n * DAY, "4 y ago"],
])("%d ns are %s", (passed, text) => {
  expect(age(NOW - passed, NOW)).toBe(text);
});

test("a day without a measure is stale", () => {
  expect(isStale(NOW - DAY, NOW)).toBe(false);
  expect(isStale(NOW - DAY - 1n, NOW)).toBe(true);
});
