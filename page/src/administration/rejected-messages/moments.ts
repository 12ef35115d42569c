/** A moment as people read it where they are, to the second. */
export function localTime(moment: string): string {
  return FORMAT.format(new Date(moment));
}

const FORMAT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** What a field for date and time holds (local time), as RFC 3339; empty if it holds nothing. */
export function fromField(value: string): string {
  const moment = new Date(value);
  return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
}

/** A moment for a field for date and time, to the minute. */
export function toField(moment: string): string {
  const time = new Date(moment);
  if (Number.isNaN(time.getTime())) {
    return "";
  }
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
