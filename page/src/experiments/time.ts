/**
 * Moments as whole nanoseconds since the Unix epoch, as the service keeps them: a `Date` knows milliseconds only, and a
 * number cannot hold today's nanoseconds.
 */
export type Nanos = bigint;

export const SECOND: Nanos = 1_000_000_000n;
export const MINUTE = 60n * SECOND;
export const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;

/** The first and the last moment that the service takes. */
export const EARLIEST: Nanos = 0n;
export const LATEST: Nanos = 2n ** 63n - 1n;

const RFC3339 = /^(\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Reads RFC 3339; `null` for anything else, and for what the service would not take. */
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

/** RFC 3339 in UTC with as many digits of a second as it takes: what the service writes. */
export function formatTime(nanos: Nanos): string {
  const fraction = (nanos % SECOND).toString().padStart(9, "0").replace(/0+$/, "");
  const whole = new Date(Number(nanos / SECOND) * 1_000).toISOString().slice(0, 19);
  return `${whole}${fraction && `.${fraction}`}Z`;
}

/** For people: a space instead of the `T`, and no `Z`, since all times of the page are UTC. */
export function readableTime(nanos: Nanos): string {
  return formatTime(nanos).replace("T", " ").replace("Z", "");
}

/** Seconds since the epoch, for the plot: exact to a quarter of a microsecond. */
export function toSeconds(nanos: Nanos): number {
  return Number(nanos / SECOND) + Number(nanos % SECOND) / 1e9;
}

export function fromSeconds(seconds: number): Nanos {
  const whole = Math.floor(seconds);
  return BigInt(whole) * SECOND + BigInt(Math.round((seconds - whole) * 1e9));
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

/** A length of time in the greatest unit of which it is a multiple. */
export function readableLength(nanos: Nanos): string {
  const [name, unit] = UNITS.find(([, each]) => nanos % each === 0n && nanos >= each) ?? ["ns", 1n];
  return `${nanos / unit} ${name}`;
}
