/** The marks of the axis of time, in UTC: the time of day, and under it the day where it begins to hold. */

const DAY_SECONDS = 86_400;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const MILLISECOND = 1e-3;

/**
 * Distances of marks, in seconds, that are less than the plot knows by itself. No finer ones: a millisecond is the least
 * that is shown, and doubles of today tell moments apart to a quarter of a microsecond.
 */
export const FINE_STEPS = [1e-4, 2e-4, 5e-4] as const;

/** The marks between two moments, in seconds, at one of the `FINE_STEPS`; for greater ones the plot knows its own. */
export function fineMarks(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step);
  const last = Math.floor(to / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
}

/** Whether marks of this distance are `fineMarks`. */
export function isFine(step: number): boolean {
  return step > 0 && step < MILLISECOND;
}

/** `seconds` are the marks, `step` their distance: both as the plot has them. */
export function timeMarks(seconds: readonly number[], step: number): string[] {
  return seconds.map((second, index) => {
    const date = dateOf(second, step);
    const before = seconds[index - 1];
    const previous = before === undefined ? null : dateOf(before, step);
    if (step >= DAY_SECONDS) {
      return days(date, previous, step);
    }
    const isNewDay =
      !previous || previous.getUTCDate() !== date.getUTCDate() || second - (before ?? 0) > DAY_SECONDS;
    const time = isFine(step)
      ? `${timeOfDay(date, step)}${tenThousandths(second) % 10}`
      : timeOfDay(date, step);
    return isNewDay ? `${time}\n${day(date)} ${date.getUTCFullYear()}` : time;
  });
}

/** The millisecond of a mark: the nearest one, or the one in which a fine mark lies. */
function dateOf(second: number, step: number): Date {
  return new Date(isFine(step) ? Math.floor(tenThousandths(second) / 10) : Math.round(second * 1_000));
}

function tenThousandths(second: number): number {
  return Math.round(second * 10_000);
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
