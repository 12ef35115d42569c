import { expect, test } from "vitest";
import { amount, formatCount } from "./format-count.ts";

test("counts are grouped", () => {
  expect([7, 1234, 1_000_000].map(formatCount)).toEqual(["7", "1\u202f234", "1\u202f000\u202f000"]);
});

test("one is no plural", () => {
  expect(amount(1, "measure")).toBe("1 measure");
  expect(amount(0, "measure")).toBe("0 measures");
  expect(amount(2_500, "measure")).toBe("2\u202f500 measures");
});
