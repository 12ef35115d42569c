const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A value as it is, to the last digit; only the power of ten is written as in print. */
export function exact(value: number): string {
  return withPower(Object.is(value, -0) ? "-0" : String(value));
}

/** A value that was calculated, such as a mean, to as many digits as say something. */
export function rounded(value: number): string {
  return withPower(String(Number(value.toPrecision(7))));
}

/** The marks of an axis: each to as many digits as tell it from its neighbours. */
export function marks(values: readonly number[], step: number): string[] {
  const greatest = Math.max(...values.map(Math.abs));
  if (greatest !== 0 && (greatest >= 1e6 || greatest < 1e-3)) {
    const digits = decimalsOf(step / 10 ** Math.floor(Math.log10(greatest)));
    return values.map((value) => (value === 0 ? "0" : withPower(trimmed(value.toExponential(digits)))));
  }
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

/** Whole numbers with thin spaces between thousands. */
export function counted(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** `1.50e+6` without the zeros that say nothing. */
function trimmed(text: string): string {
  return text.replace(/(\.\d*?)0+e/, "$1e").replace(".e", "e");
}

function withPower(text: string): string {
  const [mantissa = "", power] = text.split("e");
  if (power === undefined) {
    return minus(mantissa);
  }
  const digits = [...power.replace(/^\+/, "")].map((digit) =>
    digit === "-" ? "⁻" : (SUPERSCRIPTS[Number(digit)] ?? digit),
  );
  return `${minus(mantissa)} × 10${digits.join("")}`;
}

function minus(text: string): string {
  return text.replace(/^-/, "−");
}
