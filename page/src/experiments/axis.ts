/** The marks of the axis of time, in UTC: the time of day, and under it the day where it begins to hold. */

const DAY_SECONDS = 86_400;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `seconds` are the marks, `step` their distance: both as the plot has them. */
export function timeMarks(seconds: readonly number[], step: number): string[] {
  return seconds.map((second, index) => {
    const date = new Date(Math.round(second * 1_000));
    const before = seconds[index - 1];
    const previous = before === undefined ? null : new Date(Math.round(before * 1_000));
    if (step >= DAY_SECONDS) {
      return days(date, previous, step);
    }
    const isNewDay =
      !previous || previous.getUTCDate() !== date.getUTCDate() || second - (before ?? 0) > DAY_SECONDS;
    return isNewDay
      ? `${timeOfDay(date, step)}\n${day(date)} ${date.getUTCFullYear()}`
      : timeOfDay(date, step);
  });
}

function days(date: Date, previous: Date | null, step: number): string {
  const isNewYear = !previous || previous.getUTCFullYear() !== date.getUTCFullYear();
  if (step >= 365 * DAY_SECONDS) {
    return String(date.getUTCFullYear());
  }
  const name = step >= 28 * DAY_SECONDS ? (MONTHS[date.getUTCMonth()] ?? "") : day(date);
  return isNewYear ? `${name}\n${date.getUTCFullYear()}` : name;
}

function day(date: Date): string {
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

function timeOfDay(date: Date, step: number): string {
  const text = date.toISOString().slice(11, 23);
  return step >= 60 ? text.slice(0, 5) : step >= 1 ? text.slice(0, 8) : text.slice(3);
}
