import { expect, test } from "vitest";
import { counted, exact, marks, rounded } from "./numbers.ts";

test("values are shown to the last digit", () => {
  expect(exact(0.1 + 0.2)).toBe("0.30000000000000004");
  expect(exact(-2.5)).toBe("−2.5");
  expect(exact(-0)).toBe("−0");
  expect(exact(1.5e-9)).toBe("1.5 × 10⁻⁹");
  expect(exact(6.02214076e23)).toBe("6.02214076 × 10²³");
});

test("means are rounded", () => {
  expect(rounded(9.88736567544662)).toBe("9.887366");
  expect(rounded(100)).toBe("100");
});

test("marks differ from their neighbours and no more", () => {
  expect(marks([90, 100, 110], 10)).toEqual(["90", "100", "110"]);
  expect(marks([-0.5, 0, 0.5], 0.5)).toEqual(["−0.5", "0.0", "0.5"]);
  expect(marks([0, 1.5e6, 3e6], 1.5e6)).toEqual(["0", "1.5 × 10⁶", "3 × 10⁶"]);
  expect(marks([1e-6, 1.5e-6], 5e-7)).toEqual(["1 × 10⁻⁶", "1.5 × 10⁻⁶"]);
});

test("counts are grouped", () => {
  expect([7, 1234, 1_000_000].map(counted)).toEqual(["7", "1 234", "1 000 000"]);
});
