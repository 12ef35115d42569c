import { DAY, HOUR, MINUTE, type Nanos } from "./time.ts";

/** Experiments without a measure for so long are marked. */
const STALE = DAY;
const YEAR = 365n * DAY;

/** How long ago something was, in the greatest unit that fits: `5 min ago`. */
export function age(then: Nanos, now: Nanos): string {
  const passed = now - then;
  const units = [
    [YEAR, "y"],
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
  ] as const;
  for (const [unit, name] of units) {
    if (passed >= unit) {
      return `${passed / unit} ${name} ago`;
    }
  }
  return "just now";
}

export function isStale(last: Nanos, now: Nanos): boolean {
  return now - last > STALE;
}
