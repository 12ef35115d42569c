import { decimalsOf, fixed, rounded, scientific, shifted } from "./numbers.ts";
import { powerOf, unitText } from "./units.ts";

/** An offset is used if labels would share this many leading digits. */
const SHARED = 2e4;
/** Values are rounded to about this part of what the axis spans. */
const RESOLUTION = 500;
/** Values this far apart are written as `m × 10ⁿ`, all of a column alike. */
const MAX_RATIO = 1e9;

/** How the values of an axis are divided, shifted and written. */
export interface ValueAxis {
  isLog: boolean;
  /** Subtracted from each value first: ticks of 1 MΩ ± 1 mΩ would share their first ten digits. */
  offset: number;
  /** The difference is divided by ten to this power. */
  power: number;
  /** What is written above the axis: `kΩ`, or `1 MΩ + … mΩ`. */
  unit: string;
  symbol: string;
  /** The power of ten of the values themselves. */
  valuePower: number;
  /** The least and the greatest value of the axis. */
  min: number;
  max: number;
}

/** The axis for values from `min` to `max`. */
export function valueAxis(min: number, max: number, symbol: string, isLog = false): ValueAxis {
  const greatest = Math.max(Math.abs(min), Math.abs(max));
  const valuePower = powerOf(greatest, symbol);
  const axis = { isLog, offset: 0, power: 0, unit: symbol, symbol, valuePower, min, max };
  if (isLog) {
    return axis;
  }
  const span = max - min;
  if (span > 0 && greatest / span >= SHARED) {
    const offset = roundNear(min / 2 + max / 2, Math.ceil(Math.log10(span)));
    const power = powerOf(Math.max(Math.abs(min - offset), Math.abs(max - offset)), symbol);
    const shown = `${shifted(offset, valuePower)} ${unitText(valuePower, symbol)}`.trim();
    return { ...axis, offset, power, unit: `${shown} + … ${unitText(power, symbol)}`.trim() };
  }
  return { ...axis, power: valuePower, unit: unitText(valuePower, symbol) };
}

/** A multiple of ten to that power, with no more digits than it needs. */
function roundNear(value: number, power: number): number {
  const digits = Math.floor(Math.log10(Math.abs(value))) - power + 1;
  return Number(value.toPrecision(Math.min(Math.max(digits, 1), 17)));
}

/** A value as the plot takes it. */
export function onAxis({ isLog, offset, power }: ValueAxis, value: number): number {
  return isLog ? value : (value - offset) / 10 ** power;
}

/** The labels of ticks, with enough digits to differ; signed if an offset is added. */
export function tickLabels(
  { offset, isLog, symbol }: ValueAxis,
  ticks: readonly number[],
  step: number,
): string[] {
  if (isLog) {
    return ticks.map((tick) => logLabel(tick, symbol));
  }
  const decimals = decimalsOf(step);
  return ticks.map((tick) => (offset !== 0 && tick > 0 ? "+" : "") + fixed(tick, decimals));
}

/** Powers of ten have labels; between them are grid lines only. */
function logLabel(tick: number, symbol: string): string {
  if (Math.abs(Math.log10(tick) % 1) > 1e-9 && Math.abs(Math.log10(tick) % 1) < 1 - 1e-9) {
    return "";
  }
  const power = powerOf(tick, symbol);
  return `${rounded(tick / 10 ** power, 3)} ${unitText(power, symbol)}`.trim();
}

/** Writes values of an axis, all with the same prefix and the same digits. */
export interface Wording {
  unit: string;
  /** Rounded, all values of the axis to the same digits. */
  near: (value: number) => string;
  /** To the last digit. */
  exact: (value: number) => string;
  /** A deviation, with its own prefix. */
  deviation: (value: number) => string;
}

export function wording(axis: ValueAxis): Wording {
  const { symbol, valuePower, min, max, isLog } = axis;
  const unit = unitText(valuePower, symbol);
  // A power of ten is a factor, not a unit.
  const withUnit = (text: string, of = unit) => `${text} ${of.startsWith("10") ? `× ${of}` : of}`.trim();
  const several = (value: number, digits: number) => {
    const power = powerOf(Math.abs(value), symbol);
    return withUnit(rounded(value / 10 ** power, digits), unitText(power, symbol));
  };
  const span = max - min;
  const digits = Math.ceil(valuePower - Math.log10(span / RESOLUTION) - 1e-9);
  const decimals = Number.isFinite(digits) ? Math.min(Math.max(digits, 0), 15) : 3;
  return {
    unit,
    near: (value) =>
      isLog ? several(value, 5) : withUnit(grouped(fixed(value / 10 ** valuePower, decimals))),
    exact: (value) =>
      unit.startsWith("10") ? withUnit(scientific(value), symbol) : withUnit(shifted(value, valuePower)),
    deviation: (value) => several(value, 4),
  };
}

/** Thin spaces after three digits, where more than four follow the point. */
function grouped(text: string): string {
  const [whole = "", part = ""] = text.split(".");
  if (part.length <= 4) {
    return text;
  }
  return `${whole}.${part.replace(/(\d{3})(?=\d)/g, "$1\u202f")}`;
}

/** How a column of values is written: all in one power of ten, or all as `m × 10ⁿ`. */
export interface ColumnFormat {
  unit: string;
  text: (value: number) => string;
}

export function columnFormat(values: readonly number[], symbol: string): ColumnFormat {
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  const [least, greatest] = [Math.min(...sizes), Math.max(...sizes)];
  if (sizes.length > 0 && greatest / least > MAX_RATIO) {
    return { unit: symbol, text: scientific };
  }
  // Numbers that are easily read stay as they are: they may be copied into other programs.
  const isEasy = sizes.length === 0 || (greatest >= 1e-3 && greatest < 1e9);
  const power = isEasy ? 0 : powerOf(greatest, symbol);
  return { unit: unitText(power, symbol), text: (value) => shifted(value, power) };
}
