const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** A value to the last digit; `× 10ⁿ` where that is shorter. */
export function exact(value: number): string {
  return shifted(value, 0, 6);
}

/** `value ÷ 10^power` to the last digit: the digits stay, only the point moves. */
export function shifted(value: number, power: number, mostZeros = 15): string {
  if (value === 0) {
    return Object.is(value, -0) ? "−0" : "0";
  }
  const { sign, digits, point } = decimal(value);
  const at = point - power;
  if (at > 21 || at < -mostZeros) {
    return sign + mantissa(digits) + timesTenTo(at - 1);
  }
  if (at <= 0) {
    return `${sign}0.${"0".repeat(-at)}${digits}`;
  }
  return digits.length <= at
    ? sign + digits.padEnd(at, "0")
    : `${sign}${digits.slice(0, at)}.${digits.slice(at)}`;
}

/** `1.5 × 10⁻⁹`: for columns whose values are too far apart for one power. */
export function scientific(value: number): string {
  if (value === 0) {
    return exact(value);
  }
  const { sign, digits, point } = decimal(value);
  return sign + mantissa(digits) + timesTenTo(point - 1);
}

/** With this many digits after the point. */
export function fixed(value: number, decimals: number): string {
  const text = value.toFixed(Math.min(decimals, 20));
  return minus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** With this many significant digits. */
export function rounded(value: number, digits: number): string {
  return exact(Number(value.toPrecision(digits)));
}

export function powerOfTen(power: number): string {
  return `10${[...String(power)].map((digit) => (digit === "-" ? "⁻" : SUPERSCRIPTS[Number(digit)])).join("")}`;
}

/** How many digits after the point a number has, except for the noise of its last bits. */
export function decimalsOf(number: number): number {
  let decimals = 0;
  while (decimals < 12 && Math.abs(number * 10 ** decimals - Math.round(number * 10 ** decimals)) > 1e-6) {
    decimals += 1;
  }
  return decimals;
}

/** The shortest digits that identify this number; the point is after the first `point` of them. */
function decimal(value: number): { sign: string; digits: string; point: number } {
  const [mantissa = "", power = "0"] = Math.abs(value).toExponential().split("e");
  return { sign: value < 0 ? "−" : "", digits: mantissa.replace(".", ""), point: Number(power) + 1 };
}

function mantissa(digits: string): string {
  return digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`;
}

function timesTenTo(power: number): string {
  return power === 0 ? "" : ` × ${powerOfTen(power)}`;
}

function minus(text: string): string {
  return text.replace(/^-/, "−");
}
