import { clampTime, DAY, formatTime, HOUR, MINUTE, type Nanos, parseTime, SECOND } from "./time.ts";
import { utcOf, type Zone } from "./zone.ts";

/** An end of a range: a time, or one that moves with the clock: `now`, or so long before it. */
export type Moment = { at: Nanos } | { ago: Nanos };

const UNITS: Record<string, Nanos> = {
  s: SECOND,
  m: MINUTE,
  min: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7n * DAY,
  y: 365n * DAY,
};
/** Longer ago than that is before 1970. */
const LONGEST = 10_000n * DAY * 10n;

/** Reads `now`, `now-90m` or `now + 1 h`; `null` for anything else. */
export function parseRelative(text: string): { ago: Nanos } | null {
  const parts = /^now(?:\s*([+-])\s*(\d{1,9})\s*(s|min|m|h|d|w|y))?$/i.exec(text.trim());
  if (!parts) {
    return null;
  }
  const length = BigInt(parts[2] ?? 0) * (UNITS[parts[3]?.toLowerCase() ?? "s"] ?? SECOND);
  return length > LONGEST ? null : { ago: parts[1] === "+" ? -length : length };
}

/** Writes a moment so that it can be read again: RFC 3339, or `now-1h`. */
export function formatMoment(moment: Moment): string {
  if ("at" in moment) {
    return formatTime(moment.at);
  }
  const { ago } = moment;
  if (ago === 0n) {
    return "now";
  }
  const length = ago < 0n ? -ago : ago;
  const [name, unit] = (["d", "h", "m"] as const)
    .map((each) => [each, UNITS[each] ?? SECOND] as const)
    .find(([, each]) => length % each === 0n) ?? ["s", SECOND];
  return `now${ago < 0n ? "+" : "-"}${length / unit}${name}`;
}

export function parseMoment(text: string): Moment | null {
  const at = parseTime(text);
  return at === null ? parseRelative(text) : { at };
}

/** The time of a moment when the clock reads `now`. */
export function resolved(moment: Moment, now: Nanos): Nanos {
  return "at" in moment ? moment.at : clampTime(now - moment.ago);
}

/** How dates with slashes are read: the United States write the month first. */
export type DayOrder = "day first" | "month first";

export function dayOrder(language: string): DayOrder {
  return /^en(-US)?$/i.test(language) ? "month first" : "day first";
}

/**
 * Parses a typed time: ISO 8601 with or without seconds and offset, `6.4.2022 07:00`, `4/6/2022`,
 * `6 Apr 2022`, Unix seconds, `now-1h`. A time without an offset is in `zone`.
 */
export function readTyped(text: string, zone: Zone, order: DayOrder): Moment | null {
  const typed = text.trim();
  const relative = parseRelative(typed);
  if (relative) {
    return relative;
  }
  if (/^\d{9,10}(\.\d{1,9})?$/.test(typed)) {
    const [whole = "", fraction = ""] = typed.split(".");
    return { at: clampTime(BigInt(whole) * SECOND + BigInt(fraction.padEnd(9, "0"))) };
  }
  const parts = /^(.+?)(?:(?:[T ]|, ?)(\d\d:\d\d)(:\d\d(?:[.,]\d{1,9})?)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?$/i.exec(
    typed,
  );
  const day = parts && readDay(parts[1] ?? "", order);
  if (!parts || !day) {
    return null;
  }
  const [, , time = "00:00", seconds = ":00", offset] = parts;
  const written = `${day}T${time}${seconds.replace(",", ".")}`;
  if (offset) {
    const at = parseTime(
      written +
        offset
          .toUpperCase()
          .replace("UTC", "Z")
          .replace(/^(...)(\d\d)$/, "$1:$2"),
    );
    return at === null ? null : { at };
  }
  const wall = parseTime(`${written}Z`);
  if (wall === null) {
    return null;
  }
  const at = BigInt(utcOf(Number(wall / 1_000_000n), zone)) * 1_000_000n + (wall % 1_000_000n);
  return at === clampTime(at) ? { at } : null;
}

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");

/** A day as `YYYY-MM-DD`. */
function readDay(text: string, order: DayOrder): string | null {
  const iso = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (iso) {
    return text;
  }
  const dots = /^(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})$/.exec(text);
  if (dots) {
    return written(dots[3], dots[2], dots[1]);
  }
  const slashes = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text);
  if (slashes) {
    return order === "day first"
      ? written(slashes[3], slashes[2], slashes[1])
      : written(slashes[3], slashes[1], slashes[2]);
  }
  const named = /^(\d{1,2})\.? ([a-z]{3})[a-z]*\.? (\d{4})$/i.exec(text);
  const month = named && MONTHS.indexOf((named[2] ?? "").toLowerCase()) + 1;
  return named && month ? written(named[3], String(month), named[1]) : null;
}

function written(year = "", month = "", day = ""): string {
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}
