import { signal } from "@preact/signals";

/** The zone in which times are shown and typed: UTC, or the browser's own. */
export type Zone = "utc" | "local";

const KEY = "mymonit.zone";

function stored(): Zone {
  try {
    return localStorage.getItem(KEY) === "local" ? "local" : "utc";
  } catch {
    return "utc";
  }
}

export const zone = signal<Zone>(stored());

export function chooseZone(chosen: Zone): void {
  zone.value = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // Without storage the choice ends with the page.
  }
}

/** The offset of the zone from UTC, in milliseconds; it changes with daylight saving time. */
export function offsetOf(milliseconds: number, of: Zone): number {
  return of === "utc" ? 0 : -new Date(milliseconds).getTimezoneOffset() * 60_000;
}

/** The UTC time of a local time. One that a clock change skips moves to the next valid hour. */
export function utcOf(wall: number, of: Zone): number {
  if (of === "utc") {
    return wall;
  }
  const date = new Date(wall);
  return new Date(
    date.getUTCFullYear(),
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    date.getUTCMilliseconds(),
  ).getTime();
}

/** `UTC`, or the offset of the local zone at that time: `UTC+05:30`. */
export function zoneText(milliseconds: number, of: Zone): string {
  if (of === "utc") {
    return "UTC";
  }
  const minutes = offsetOf(milliseconds, of) / 60_000;
  const digits = (part: number) => String(Math.floor(Math.abs(part))).padStart(2, "0");
  return `UTC${minutes < 0 ? "−" : "+"}${digits(minutes / 60)}:${digits(minutes % 60)}`;
}

/** The browser's zone by its name, such as `Europe/Zurich`. */
export function localZoneName(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local";
}
