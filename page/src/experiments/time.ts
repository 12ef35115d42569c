import { offsetOf, type Zone } from "./zone.ts";

/** Nanoseconds since the Unix epoch, as in the service; no `Date` or double can hold them. */
export type Nanos = bigint;

export const SECOND: Nanos = 1_000_000_000n;
export const MINUTE = 60n * SECOND;
export const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;

/** The first and the last time that the service accepts. */
export const EARLIEST: Nanos = 0n;
export const LATEST: Nanos = 2n ** 63n - 1n;

const RFC3339 = /^(\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Reads RFC 3339; `null` for anything else, and for times that the service does not accept. */
export function parseTime(text: string): Nanos | null {
  const parts = RFC3339.exec(text);
  if (!parts) {
    return null;
  }
  const [, whole, fraction = "", offset] = parts;
  const milliseconds = Date.parse(`${whole}${offset}`);
  if (Number.isNaN(milliseconds) || !isDay(whole ?? "")) {
    return null;
  }
  const nanos = BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
  return nanos >= EARLIEST && nanos <= LATEST ? nanos : null;
}

/** Browsers take the 30th of February for the 2nd of March. */
function isDay(time: string): boolean {
  const [year, month, day] = time.slice(0, time.indexOf("T")).split("-").map(Number);
  return (day ?? 0) <= new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate();
}

/** RFC 3339 in UTC with as many fractional digits as needed, as the service writes it. */
export function formatTime(nanos: Nanos): string {
  return `${clockText(nanos, 0)}Z`;
}

/** For display: a space instead of the `T`, in the zone, without its name. */
export function readableTime(nanos: Nanos, zone: Zone): string {
  return clockText(nanos, offsetOf(Number(nanos / 1_000_000n), zone)).replace("T", " ");
}

function clockText(nanos: Nanos, offset: number): string {
  const fraction = (nanos % SECOND).toString().padStart(9, "0").replace(/0+$/, "");
  const whole = new Date(Number(nanos / SECOND) * 1_000 + offset).toISOString().slice(0, 19);
  return whole + (fraction && `.${fraction}`);
}

/** A length of time for the plot: a double holds nanoseconds up to some months. */
export function toSeconds(nanos: Nanos): number {
  return Number(nanos) / 1e9;
}

export function fromSeconds(seconds: number): Nanos {
  return BigInt(Math.round(seconds * 1e9));
}

export function clampTime(nanos: Nanos): Nanos {
  return nanos < EARLIEST ? EARLIEST : nanos > LATEST ? LATEST : nanos;
}

const UNITS: readonly (readonly [string, Nanos])[] = [
  ["d", DAY],
  ["h", HOUR],
  ["min", MINUTE],
  ["s", SECOND],
  ["ms", 1_000_000n],
  ["µs", 1_000n],
  ["ns", 1n],
];

const OF_SERVICE: Record<string, Nanos> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
};

/** Reads a width as the service writes it: `60s`, `250ms`. */
export function parseWindow(text: string): Nanos | null {
  const parts = /^(\d+)(ns|us|ms|s|m|h|d)$/.exec(text);
  const unit = OF_SERVICE[parts?.[2] ?? ""];
  return parts?.[1] && unit ? BigInt(parts[1]) * unit : null;
}

/** A length of time in the largest unit that divides it. */
export function readableLength(nanos: Nanos): string {
  const [name, unit] = UNITS.find(([, each]) => nanos % each === 0n && nanos >= each) ?? ["ns", 1n];
  return `${nanos / unit} ${name}`;
}
