import { parseTime, readableTime, SECOND } from "../../experiments/time.ts";

/** A moment as people read it, to the second and in UTC, as everywhere on this page. */
export function utcTime(moment: string): string {
  const nanos = parseTime(moment);
  // What is in an address may be anything.
  return nanos === null ? moment : `${readableTime((nanos / SECOND) * SECOND, "utc")} UTC`;
}

/** What a field for date and time holds, taken for UTC, in RFC 3339; empty if it holds nothing. */
export function fromField(value: string): string {
  const moment = new Date(`${value}Z`);
  return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
}

/** A moment for a field for date and time, to the minute. */
export function toField(moment: string): string {
  const time = new Date(moment);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 16);
}
