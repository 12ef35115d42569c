import { expect, test } from "vitest";
import { exact, marks, powerOf, rounded, unitText } from "./numbers.ts";

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
});

test("an axis counts in powers that units have prefixes for", () => {
  expect([0, 0.001, 230, 999_999].map(powerOf)).toEqual([0, 0, 0, 0]);
  expect([1e6, 5e9, 4e-12, 0.000_999].map(powerOf)).toEqual([6, 9, -12, -6]);
  expect([Number.MAX_VALUE, Number.MIN_VALUE].map(powerOf)).toEqual([306, -300]);
  expect(unitText(-12, "F")).toBe("10⁻¹² F");
  expect(unitText(0, "Hz")).toBe("Hz");
});
