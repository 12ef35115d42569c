const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A value as it is, to the last digit; only the power of ten is written as in print. */
export function exact(value: number): string {
  return withPower(Object.is(value, -0) ? "-0" : String(value));
}

/** A value that was calculated, such as a mean, to as many digits as say something. */
export function rounded(value: number): string {
  return withPower(String(Number(value.toPrecision(7))));
}

/** The least and the greatest power of ten that a double can be divided by without harm. */
const [LEAST_POWER, GREATEST_POWER] = [-300, 306];

/**
 * The power of ten in which an axis counts whose greatest value is this one: a multiple of three, as the prefixes of
 * units are, and 0 for numbers that are easily read as they are.
 */
export function powerOf(greatest: number): number {
  if (greatest === 0 || (greatest >= 1e-3 && greatest < 1e6)) {
    return 0;
  }
  const power = 3 * Math.floor(Math.log10(greatest) / 3);
  return Math.min(Math.max(power, LEAST_POWER), GREATEST_POWER);
}

/** A unit of so many powers of ten: `10⁻¹² F`. */
export function unitText(power: number, symbol: string): string {
  return power === 0 ? symbol : `10${superscript(String(power))} ${symbol}`;
}

/** The marks of an axis: each to as many digits as tell it from its neighbours. */
export function marks(values: readonly number[], step: number): string[] {
  return values.map((value) => minus((value === 0 ? 0 : value).toFixed(decimalsOf(step))));
}

/** How many digits after the point a number has, but for the noise of its last bits. */
function decimalsOf(number: number): number {
  let decimals = 0;
  while (decimals < 12 && Math.abs(number * 10 ** decimals - Math.round(number * 10 ** decimals)) > 1e-6) {
    decimals += 1;
  }
  return decimals;
}

function withPower(text: string): string {
  const [mantissa = "", power] = text.split("e");
  if (power === undefined) {
    return minus(mantissa);
  }
  return `${minus(mantissa)} × 10${superscript(power.replace(/^\+/, ""))}`;
}

function superscript(power: string): string {
  return [...power].map((digit) => (digit === "-" ? "⁻" : (SUPERSCRIPTS[Number(digit)] ?? digit))).join("");
}

function minus(text: string): string {
  return text.replace(/^-/, "−");
}
