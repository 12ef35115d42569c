import { DAY, type Nanos } from "./time.ts";

/** The number of measures that are checked at each end. */
export const EDGE = 20;
/** A measure is a stray if the gap to the next is this many times as long as the rest. */
const GAP_FACTOR = 5n;

/** Measures so far from all others in time that they would squeeze these into a line. */
export interface Strays {
  count: number;
  from: Nanos;
  to: Nanos;
}

/** When the measures of an experiment begin and end, without strays. */
export interface Ends {
  first: Nanos;
  last: Nanos;
  strays: readonly Strays[];
}

/** `oldest` ascends, `newest` descends; each has up to `EDGE` measures, possibly the same. */
export function endsOf(oldest: readonly Nanos[], newest: readonly Nanos[]): Ends | null {
  const [first, last] = [oldest[0], newest[0]];
  if (first === undefined || last === undefined) {
    return null;
  }
  // At most a quarter of what is known can be strays: of two measures neither is one.
  const most = Math.floor(Math.min(oldest.length, newest.length) / 4);
  for (let sum = 2 * most; sum > 0; sum -= 1) {
    for (let early = Math.max(0, sum - most); early <= Math.min(sum, most); early += 1) {
      const late = sum - early;
      const [begin, end] = [oldest[early] ?? first, newest[late] ?? last];
      const isFar = (gap: Nanos) => end >= begin && gap >= DAY && gap > GAP_FACTOR * (end - begin);
      if (
        (early === 0 || isFar(begin - (oldest[early - 1] ?? begin))) &&
        (late === 0 || isFar((newest[late - 1] ?? end) - end))
      ) {
        const strays: Strays[] = [];
        if (early > 0) {
          strays.push({ count: early, from: first, to: oldest[early - 1] ?? first });
        }
        if (late > 0) {
          strays.push({ count: late, from: newest[late - 1] ?? last, to: last });
        }
        return { first: begin, last: end, strays };
      }
    }
  }
  return { first, last, strays: [] };
}
