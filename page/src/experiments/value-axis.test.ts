import { describe, expect, test } from "vitest";
import { powerOf, unitText } from "./units.ts";
import { columnFormat, onAxis, tickLabels, valueAxis, wording } from "./value-axis.ts";

describe("units", () => {
  test.each([
    [4.7e-12, "F", "pF"],
    [0.5, "V", "mV"],
    [230, "V", "V"],
    [101_325, "Pa", "kPa"],
    [2.5e6, "V/m", "MV/m"],
    [1e-31, "F", "10⁻³³ F"],
    [Number.MAX_VALUE, "Ω", "10³⁰⁶ Ω"],
    [90_000, "s", "s"],
    [0.002, "s", "ms"],
  ])("%d %s is read in %s", (greatest, symbol, unit) => {
    expect(unitText(powerOf(greatest, symbol), symbol)).toBe(unit);
  });

  test.each(["°C", "%", "dB", "min", "h", "kg", "m²"])("%s takes no prefix", (symbol) => {
    expect(unitText(powerOf(85_000, symbol), symbol)).toBe(symbol);
    expect(unitText(powerOf(0.005, symbol), symbol)).toBe(symbol);
    expect(unitText(powerOf(2e9, symbol), symbol)).toBe(`10⁹ ${symbol}`);
  });
});

describe("the axis of values", () => {
  test("of 1 MΩ ± 1 mΩ has an offset, and ticks that differ", () => {
    const axis = valueAxis(999_999.999, 1_000_000.001, "Ω");
    expect(axis.unit).toBe("1 MΩ + … mΩ");
    expect(onAxis(axis, 1_000_000.0005)).toBeCloseTo(0.5, 6);
    expect(tickLabels(axis, [-1, -0.5, 0, 0.5, 1], 0.5)).toEqual(["−1.0", "−0.5", "0.0", "+0.5", "+1.0"]);
  });

  test("of neighbouring doubles still tells them apart", () => {
    const [one, other] = [1e6, 1e6 + 2 ** -33];
    const axis = valueAxis(one, other, "Ω");
    expect(onAxis(axis, other) - onAxis(axis, one)).toBeGreaterThan(1);
    expect(axis.unit).toBe("1 MΩ + … pΩ");
  });

  test("of an offset below zero says so", () => {
    expect(valueAxis(-273.150_01, -273.149_99, "°C").unit).toMatch(/^−273.15 °C \+ … 10⁻⁶ °C$/);
  });

  test("needs no offset where the labels are short", () => {
    expect(valueAxis(99.9, 100.1, "Hz")).toMatchObject({ offset: 0, unit: "Hz" });
    expect(valueAxis(101_000, 102_000, "Pa")).toMatchObject({ offset: 0, power: 3, unit: "kPa" });
    expect(valueAxis(-Number.MAX_VALUE, Number.MAX_VALUE, "Ω")).toMatchObject({ offset: 0, power: 306 });
  });

  test("counts decades where it is logarithmic", () => {
    const axis = valueAxis(1e-9, 10, "V", true);
    expect(tickLabels(axis, [1e-9, 2e-9, 1e-6, 0.001, 1, 10], 1)).toEqual([
      "1 nV",
      "",
      "1 µV",
      "1 mV",
      "1 V",
      "10 V",
    ]);
  });
});

test("values beside each other have one prefix and as many digits", () => {
  const { near, exact, deviation } = wording(valueAxis(999_999.999, 1_000_000.001, "Ω"));
  expect(near(1_000_000.000_25)).toBe("1.000 000 000 250 MΩ".replaceAll(/(?<=\d) (?=\d)/g, "\u202f"));
  expect(exact(1_000_000.000_25)).toBe("1.00000000025 MΩ");
  expect(deviation(0.000_25)).toBe("250 µΩ");
});

describe("a column", () => {
  test("keeps numbers that are easily read", () => {
    const { unit, text } = columnFormat([0, 10_250, 3.5], "Hz");
    expect([unit, text(10_250), text(0)]).toEqual(["Hz", "10250", "0"]);
  });

  test("has one power of ten for all its values", () => {
    const { unit, text } = columnFormat([1.5e-9, 0.000_001_234_567_890_123], "F");
    expect([unit, text(1.5e-9), text(0.000_001_234_567_890_123)]).toEqual(["µF", "0.0015", "1.234567890123"]);
  });

  test("is scientific throughout where values are too far apart", () => {
    const { unit, text } = columnFormat([1e-9, 12, 5e6], "Pa");
    expect([unit, text(12), text(1e-9)]).toEqual(["Pa", "1.2 × 10¹", "1 × 10⁻⁹"]);
  });
});
