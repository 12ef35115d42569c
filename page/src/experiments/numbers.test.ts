import { expect, test } from "vitest";
import { exact, rounded, scientific, shifted } from "./numbers.ts";

test("values are written to the last digit", () => {
  expect(exact(0.1 + 0.2)).toBe("0.30000000000000004");
  expect(exact(-2.5)).toBe("−2.5");
  expect(exact(-0)).toBe("−0");
  expect(exact(1.5e-9)).toBe("1.5 × 10⁻⁹");
  expect(exact(6.02214076e23)).toBe("6.02214076 × 10²³");
  expect(exact(1e20)).toBe("100000000000000000000");
});

test("a power of ten moves the point and no digit", () => {
  expect(shifted(4.7e-12, -12)).toBe("4.7");
  expect(shifted(101_325, 3)).toBe("101.325");
  expect(shifted(0.1 + 0.2, -3)).toBe("300.00000000000004");
  expect(shifted(-1234, 6)).toBe("−0.001234");
  expect(shifted(Number.MAX_VALUE, 306)).toBe("179.76931348623157");
});

test("the scientific form has one digit before the point", () => {
  expect(scientific(12)).toBe("1.2 × 10¹");
  expect(scientific(-3e-10)).toBe("−3 × 10⁻¹⁰");
  expect(scientific(0)).toBe("0");
});

test("calculated values are rounded to the digits asked for", () => {
  expect(rounded(9.88736567544662, 7)).toBe("9.887366");
  expect(rounded(100, 7)).toBe("100");
});
