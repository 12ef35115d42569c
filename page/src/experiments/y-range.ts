import { isBin, type Series } from "./reading.ts";

/** The values that a plot spans. `auto` is `all`, or `robust` if few outliers would flatten it. */
export type YMode = { kind: "auto" | "all" | "robust" | "log" } | { kind: "fixed"; min: number; max: number };

export const AUTO: YMode = { kind: "auto" };

/** Reads what `writeYMode` writes: `robust`, or `0..100`. */
export function readYMode(text: string): YMode | null {
  if (text === "auto" || text === "all" || text === "robust" || text === "log") {
    return { kind: text };
  }
  const [min, max, ...others] = text
    .split("..")
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  return min !== undefined && max !== undefined && others.length === 0 && isRange(min, max)
    ? { kind: "fixed", min, max }
    : null;
}

export function writeYMode(mode: YMode): string {
  return mode.kind === "fixed" ? `${mode.min}..${mode.max}` : mode.kind;
}

export function isRange(min: number, max: number): boolean {
  return Number.isFinite(min) && Number.isFinite(max) && min < max;
}

/** What a plot spans, and how many of its points lie beyond. */
export interface YRange {
  min: number;
  max: number;
  isLog: boolean;
  /** Whether outliers were left out by the page, not by the reader's numbers. */
  isRobust: boolean;
  /** Points that reach beyond the range. */
  above: number;
  below: number;
  /** Zero or less, which a logarithmic axis cannot show. */
  notPositive: number;
}

/** Room above and below, as a part of the range. */
const PADDING = 0.08;
/** Fewer points say nothing about outliers. */
const MIN_POINTS = 20;
/** The maximum share of outliers; more frequent values are not outliers. */
const MAX_OUTLIER_SHARE = 0.02;
/** `auto` excludes outliers if they would squeeze the rest into less than this part of the plot. */
const MIN_SHARE_OF_REST = 1 / 6;

/** The range for series that share an axis. */
export function yRange(mode: YMode, series: readonly Series[]): YRange {
  const points = series.flatMap((each) => each.points);
  const lows = points.map((point) => (isBin(point) ? point.min : point.value));
  const highs = points.map((point) => (isBin(point) ? point.max : point.value));
  const [least, greatest] = [minOf(lows), maxOf(highs)];
  const linearRange = (min: number, max: number, isRobust = false): YRange => ({
    min,
    max,
    isLog: false,
    isRobust,
    above: highs.filter((high) => high > max).length,
    below: lows.filter((low) => low < min).length,
    notPositive: 0,
  });
  if (mode.kind === "fixed") {
    return linearRange(mode.min, mode.max);
  }
  if (points.length === 0) {
    return linearRange(0, 1);
  }
  if (mode.kind === "log") {
    const positive = lows.concat(highs).filter((value) => value > 0);
    const notPositive = lows.filter((low) => low <= 0).length;
    if (positive.length > 0) {
      return {
        ...linearRange(0, Number.POSITIVE_INFINITY),
        ...decades(positive),
        isLog: true,
        below: 0,
        notPositive,
      };
    }
    return { ...linearRange(...roomy(least, greatest)), notPositive };
  }
  const inner = mode.kind === "all" ? null : withoutOutliers(lows, highs);
  const isSqueezed = inner !== null && inner.max - inner.min < (greatest - least) * MIN_SHARE_OF_REST;
  if (inner && (mode.kind === "robust" || (isSqueezed && inner.isRare && inner.max > inner.min))) {
    return linearRange(...roomy(inner.min, inner.max), true);
  }
  return linearRange(...roomy(least, greatest));
}

/**
 * The least and the greatest value without outliers: those within twice the distance between the
 * 5th and 95th percentiles from these. `null` if no value is an outlier, or too few are known.
 */
function withoutOutliers(lows: readonly number[], highs: readonly number[]) {
  if (lows.length < MIN_POINTS) {
    return null;
  }
  const [low, high] = [percentile(lows, 0.05), percentile(highs, 0.95)];
  const reach = 2 * (high - low);
  const inside = (value: number) => value >= low - reach && value <= high + reach;
  const outliers = lows.filter((value, index) => !inside(value) || !inside(highs[index] ?? value)).length;
  if (outliers === 0 || outliers === lows.length) {
    return null;
  }
  return {
    min: minOf(lows.filter(inside)),
    max: maxOf(highs.filter(inside)),
    isRare: outliers <= Math.max(3, lows.length * MAX_OUTLIER_SHARE),
  };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.round(part * (sorted.length - 1))] ?? 0;
}

/** From below the least to above the greatest; also for a value that never changes. */
function roomy(min: number, max: number): [number, number] {
  const span = max - min;
  if (!Number.isFinite(span)) {
    return [min, max];
  }
  const room = span * PADDING || Math.abs(max) * 0.1 || 1;
  return [min - room, max + room];
}

/** Whole powers of ten around positive values. */
function decades(positive: readonly number[]): { min: number; max: number } {
  const [low, high] = [Math.floor(Math.log10(minOf(positive))), Math.ceil(Math.log10(maxOf(positive)))];
  const bounded = (power: number) => 10 ** Math.min(Math.max(power, -307), 308);
  return { min: bounded(low), max: bounded(high > low ? high : low + 1) };
}

function minOf(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function maxOf(values: readonly number[]): number {
  return values.reduce((greatest, value) => Math.max(greatest, value), Number.NEGATIVE_INFINITY);
}
