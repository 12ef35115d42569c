import { powerOfTen } from "./numbers.ts";

const PREFIXES: Record<number, string> = {
  [-30]: "q",
  [-27]: "r",
  [-24]: "y",
  [-21]: "z",
  [-18]: "a",
  [-15]: "f",
  [-12]: "p",
  [-9]: "n",
  [-6]: "µ",
  [-3]: "m",
  3: "k",
  6: "M",
  9: "G",
  12: "T",
  15: "P",
  18: "E",
  21: "Z",
  24: "Y",
  27: "R",
  30: "Q",
};

/** Units with SI prefixes. The others never have one (°C, %, dB, min, h) or have it (`kg`). */
const PREFIXED = new Set(
  "m g s A K mol cd rad sr Hz N Pa J W C V F Ω S Wb T H lm lx Bq Gy Sv kat eV L l bar Da t B bit var VA Ci G".split(
    " ",
  ),
);
/** Units that take prefixes for parts only: kiloseconds are not in use. */
const SMALL_PREFIXES_ONLY = new Set(["s", "rad", "sr"]);

/** The least and greatest power of ten by which a double can be divided without losing digits. */
const [LEAST_POWER, GREATEST_POWER] = [-300, 306];

/** The power of ten, a multiple of three, that suits values up to `greatest` with this unit. */
export function powerOf(greatest: number, symbol: string): number {
  if (greatest === 0 || !Number.isFinite(greatest)) {
    return 0;
  }
  const power = 3 * Math.floor(Math.log10(greatest) / 3 + 1e-12);
  if (takes(symbol, power) && PREFIXES[power] !== undefined) {
    return power;
  }
  return greatest >= 1e-3 && greatest < 1e6 ? 0 : Math.min(Math.max(power, LEAST_POWER), GREATEST_POWER);
}

/** The unit for values divided by that power of ten: `pF`, or `10⁻³⁶ F` if no prefix exists. */
export function unitText(power: number, symbol: string): string {
  if (power === 0) {
    return symbol;
  }
  const prefix = PREFIXES[power];
  return prefix !== undefined && takes(symbol, power)
    ? prefix + symbol
    : `${powerOfTen(power)} ${symbol}`.trim();
}

/** A prefix applies to the first unit: `V/m` becomes `kV/m`; the `k` of `km²` would be squared. */
function takes(symbol: string, power: number): boolean {
  const first = symbol.replace("\u2126", "Ω").split(/[/·⋅* ]/, 1)[0] ?? "";
  return PREFIXED.has(first) && !(power > 0 && SMALL_PREFIXES_ONLY.has(first));
}
