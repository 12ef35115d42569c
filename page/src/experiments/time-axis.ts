import { DAY, EARLIEST, HOUR, MINUTE, type Nanos, SECOND } from "./time.ts";
import { offsetOf, utcOf, type Zone } from "./zone.ts";

/** A tick of the time axis: a time of day, and below it the date at the start of a day or axis. */
export interface Tick {
  at: Nanos;
  label: string;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DIGIT_WIDTH = 7;
const LABEL_GAP = 28;
const DATE_WIDTH = 90;
const MONTH = 30n * DAY;
const YEAR = 365n * DAY;

const FRACTIONS: readonly Nanos[] = Array.from({ length: 9 }, (_, power) =>
  [1n, 2n, 5n].map((digit) => digit * 10n ** BigInt(power)),
).flat();

const STEPS: readonly Nanos[] = [
  ...FRACTIONS,
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((count) => count * SECOND),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((count) => count * MINUTE),
  ...[1n, 2n, 3n, 6n, 12n].map((count) => count * HOUR),
  ...[1n, 2n, 5n, 10n].map((count) => count * DAY),
  ...[1n, 2n, 3n, 6n].map((count) => count * MONTH),
  ...[1n, 2n, 5n, 10n, 20n, 50n, 100n].map((count) => count * YEAR),
];

/** Pixels beside the axis into which a label may reach. */
export interface Margins {
  left: number;
  right: number;
}

/** Ticks at round times of the zone, as many as fit `width` pixels. Margins do not cut labels. */
export function timeTicks(from: Nanos, to: Nanos, width: number, zone: Zone, margins?: Margins): Tick[] {
  if (to <= from) {
    return [];
  }
  const fits = (step: Nanos) => Number(to - from) / Number(step) <= Math.max(1, width / labelWidth(step));
  const x = (at: Nanos) => (Number(at - from) / Number(to - from)) * width;
  const wholeLabels = (step: Nanos) => {
    const half = (labelWidth(step) - LABEL_GAP) / 2;
    return timesOf(from > EARLIEST ? from : EARLIEST, to, step, zone).filter(
      (at) => !margins || (x(at) + margins.left >= half && width - x(at) + margins.right >= half),
    );
  };
  let index = STEPS.findIndex(fits);
  index = index < 0 ? STEPS.length - 1 : index;
  let times = wholeLabels(STEPS[index] ?? YEAR);
  // On a narrow plot, no wide label may fit at these steps: one in between is better than none.
  while (times.length === 0 && index > 0) {
    index -= 1;
    times = wholeLabels(STEPS[index] ?? YEAR).slice(0, 1);
  }
  const step = STEPS[index] ?? YEAR;
  const isClose = step < DAY && width / (times.length + 1) < DATE_WIDTH;
  let before: Date | null = null;
  return times.map((at, index) => {
    const wall = wallOf(at, zone);
    const next = times[index + 1];
    // The date of the first tick gives way to that of the next day, if there is room for one only.
    const isCrowded =
      index === 0 && isClose && next !== undefined && wallOf(next, zone).getUTCDate() !== wall.getUTCDate();
    const label = labelOf(at, wall, isCrowded ? wall : before, step);
    before = wall;
    return { at, label };
  });
}

function labelWidth(step: Nanos): number {
  const digits = digitsOf(step);
  return LABEL_GAP + DIGIT_WIDTH * (step >= MINUTE ? 6 : 8 + (digits && digits + 1));
}

/** How many digits of a second tell ticks of this distance apart. */
function digitsOf(step: Nanos): number {
  return step >= SECOND ? 0 : 9 - (String(step).length - 1);
}

/** The clock reading of the zone, as a `Date` whose UTC fields hold it. */
function wallOf(at: Nanos, zone: Zone): Date {
  const milliseconds = Number(at / 1_000_000n);
  return new Date(milliseconds + offsetOf(milliseconds, zone));
}

function timesOf(from: Nanos, to: Nanos, step: Nanos, zone: Zone): Nanos[] {
  const times: Nanos[] = [];
  const add = (at: Nanos) => {
    if (at >= from && at <= to && at !== times.at(-1)) {
      times.push(at);
    }
  };
  if (step <= HOUR) {
    const offset = (at: Nanos) => BigInt(offsetOf(Number(at / 1_000_000n), zone)) * 1_000_000n;
    // Aligned again at each tick: the offset of a zone may change by a part of the step.
    for (let at = from - ((from + offset(from)) % step); at <= to; at += step) {
      add(at - ((at + offset(at)) % step));
    }
    return times;
  }
  const first = wallOf(from, zone);
  const [year, month, day] = [first.getUTCFullYear(), first.getUTCMonth(), first.getUTCDate()];
  const walls = (index: number) => {
    if (step >= YEAR) {
      const years = Number(step / YEAR);
      return Date.UTC(Math.floor(year / years) * years + index * years, 0);
    }
    if (step >= MONTH) {
      const months = Number(step / MONTH);
      return Date.UTC(year, Math.floor(month / months) * months + index * months);
    }
    const milliseconds = Number(step / 1_000_000n);
    // Days are counted from the epoch, so that a tick stays where it is while the range moves.
    const start =
      step < DAY ? Date.UTC(year, month, day) : Math.floor(first.getTime() / milliseconds) * milliseconds;
    return start + index * milliseconds;
  };
  for (let index = 0; ; index += 1) {
    const at = BigInt(utcOf(walls(index), zone)) * 1_000_000n;
    if (at > to) {
      return times;
    }
    add(at);
  }
}

function labelOf(at: Nanos, wall: Date, before: Date | null, step: Nanos): string {
  const year = wall.getUTCFullYear();
  const isNewYear = before?.getUTCFullYear() !== year;
  if (step >= YEAR) {
    return String(year);
  }
  const day = `${wall.getUTCDate()} ${MONTHS[wall.getUTCMonth()]}`;
  if (step >= DAY) {
    const name = step >= MONTH ? MONTHS[wall.getUTCMonth()] : day;
    return isNewYear ? `${name}\n${year}` : `${name}`;
  }
  const isNewDay =
    isNewYear || before?.getUTCMonth() !== wall.getUTCMonth() || before.getUTCDate() !== wall.getUTCDate();
  const time = timeOfDay(at, wall, step);
  return isNewDay ? `${time}\n${day} ${year}` : time;
}

function timeOfDay(at: Nanos, wall: Date, step: Nanos): string {
  const seconds = wall.toISOString().slice(11, step >= MINUTE ? 16 : 19);
  const digits = digitsOf(step);
  return digits === 0
    ? seconds
    : `${seconds}.${String(at % SECOND)
        .padStart(9, "0")
        .slice(0, digits)}`;
}
