import uPlot from "uplot";
import type { Shade } from "./flags.ts";
import { faded, type Palette } from "./palette.ts";
import type { Curve } from "./plot-data.ts";
import { MIN_DRAG_PX, type Moves } from "./plot-gestures.ts";
import type { PlotGroup } from "./plot-group.ts";
import { isBin } from "./reading.ts";
import { fromSeconds, type Nanos, toSeconds } from "./time.ts";
import { timeTicks } from "./time-axis.ts";
import { onAxis, tickLabels, type ValueAxis } from "./value-axis.ts";
import { zone } from "./zone.ts";

export const HEIGHT = 260;
/** The plots of a view share their cursor. */
const SYNC = "experiment";
const BAND_OPACITY = 0.25;
const BAND_EDGE_OPACITY = 0.6;
/** Pixels of a mark for a value beyond the axis. */
const MARK = 5;
const TICK_ROOM = 30;
/** Of a flagged range: opacity of shade and lines, pixels between lines, and the least width. */
const [SHADE_OPACITY, HATCH_OPACITY, HATCH_STEP, SHADE_LEAST] = [0.1, 0.35, 9, 3];

/** What holds at the moment. A plot is made once and updated; its callbacks read this. */
export interface Now {
  moves: Moves;
  /** The time that is 0 on the plot's time axis. */
  origin: Nanos;
  curves: readonly Curve[];
  axes: readonly ValueAxis[];
  /** For each curve, the index of its axis. */
  axisOf: readonly number[];
  /** For each curve, the index of its colour. */
  colours: readonly number[];
  palette: Palette;
  /** Flagged ranges of time. */
  shades: readonly Shade[];
  /** For each curve: the point of its series in each row of the plot. */
  points: (number | undefined)[][];
  isTouched: boolean;
}

/** Colour and dash of a curve: colours repeat after the palette's end. */
export function strokeOf({ palette, colours }: Now, curve: number): { colour: string; dash: number[] } {
  const index = colours[curve] ?? 0;
  const round = Math.floor(index / palette.lines.length);
  return {
    colour: palette.lines[index % palette.lines.length] ?? palette.ink,
    dash: round === 0 ? [] : [2 + 4 * round, 3],
  };
}

export function plotOptions(
  element: HTMLElement,
  now: Now,
  group: PlotGroup,
  setPointed: (row: number | null) => void,
): Omit<uPlot.Options, "data"> {
  const font = `12px ${getComputedStyle(element).fontFamily}`;
  const surface = () => now.palette.surface;
  const common = { font, ticks: { show: false }, grid: { stroke: () => now.palette.grid, width: 1 } };
  const scales: uPlot.Scales = { x: { time: false, auto: false, range: (_plot, min, max) => [min, max] } };
  now.axes.forEach((axis, index) => {
    scales[scaleKey(index)] = {
      distr: axis.isLog ? 3 : 1,
      range: () => {
        const { min, max } = now.axes[index] ?? axis;
        return [onAxis(now.axes[index] ?? axis, min), onAxis(now.axes[index] ?? axis, max)];
      },
    };
  });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [12, now.axes.length > 1 ? 8 : 38, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: SYNC, scales: ["x", null] },
      drag: { x: true, y: false, setScale: false, dist: MIN_DRAG_PX },
      points: {
        size: 9,
        width: 2,
        fill: surface,
        stroke: (_plot, series) => strokeOf(now, curveOf(series)).colour,
      },
      y: false,
      dataIdx: (plot, series, row) => nearestRow(plot.data[series] ?? [], row),
      bind: {
        mousedown: (_plot, _target, handle) => (event: MouseEvent) => (event.shiftKey ? null : handle(event)),
        dblclick: () => () => {
          now.moves.everything();
          return null;
        },
        // A value read by a finger stays: browsers send this event when the finger is lifted.
        mouseleave: (_plot, _target, handle) => (event: MouseEvent) => (now.isTouched ? null : handle(event)),
      },
    },
    scales,
    series: [{}, ...now.curves.flatMap((_, curve) => seriesOptions(now, curve))],
    bands: now.curves.map((_, curve) => ({
      series: [3 * curve + 2, 3 * curve + 1],
      fill: () => faded(strokeOf(now, curve).colour, BAND_OPACITY),
    })),
    axes: [
      {
        ...common,
        stroke: () => now.palette.ink,
        size: 44,
        splits: (plot) => ticksOf(plot, now).map(({ at }) => toSeconds(at - now.origin)),
        values: (plot) => ticksOf(plot, now).map(({ label }) => label),
      },
      ...now.axes.map((_, index) => valueAxisOptions(common, now, group, index)),
    ],
    hooks: {
      setCursor: [(plot) => setPointed(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width >= MIN_DRAG_PX) {
            now.moves.select(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          }
        },
      ],
      drawAxes: [(plot) => shadeFlags(plot, now)],
      draw: [(plot) => markOutliers(plot, now)],
    },
  };
}

function scaleKey(axis: number): string {
  return `y${axis}`;
}

/** The curve of a series of the plot: each has three. */
function curveOf(series: number): number {
  return Math.floor((series - 1) / 3);
}

function seriesOptions(now: Now, curve: number): uPlot.Series[] {
  const scale = scaleKey(now.axisOf[curve] ?? 0);
  const colour = () => strokeOf(now, curve).colour;
  const edge = () => faded(colour(), BAND_EDGE_OPACITY);
  const { dash } = strokeOf(now, curve);
  const ofBand = { scale, stroke: edge, width: 0.75, points: { show: false } };
  return [
    ofBand,
    ofBand,
    { scale, stroke: colour, dash, width: 1.5, points: { size: 5, stroke: colour, fill: colour } },
  ];
}

function valueAxisOptions(common: uPlot.Axis, now: Now, group: PlotGroup, index: number): uPlot.Axis {
  const isFirst = index === 0;
  const curves = now.axisOf.flatMap((axis, curve) => (axis === index ? [curve] : []));
  // With several axes, one that belongs to a single curve has its colour.
  const isCurves = now.axes.length > 1 && curves.length === 1;
  return {
    ...common,
    scale: scaleKey(index),
    side: isFirst ? 3 : 1,
    stroke: () => (isCurves ? strokeOf(now, curves[0] ?? 0).colour : now.palette.ink),
    grid: { ...common.grid, show: isFirst },
    size: (plot, values, axis, cycle) => {
      // The width of the first cycle is kept, or the layout would never settle.
      if (cycle > 1) {
        return (plot.axes[axis] as { _size?: number })._size ?? 60;
      }
      const width = widthOf(plot, values, common.font as string);
      return isFirst ? group.need(plot, width) : width;
    },
    ...(now.axes[index]?.isLog && {
      splits: (_plot, _axis, min, max) => logTicks(min, max),
      // The plot's own filter drops some powers of ten.
      filter: (_plot, ticks) => [...ticks],
    }),
    values: (_plot, ticks, _axis, _space, step) => tickLabels(now.axes[index] as ValueAxis, ticks, step),
  };
}

/** Each power of ten that has space, and values between them if only few are shown. */
function logTicks(min: number, max: number): number[] {
  const [first, last] = [Math.round(Math.log10(min)), Math.round(Math.log10(max))];
  const step = Math.max(1, Math.ceil((last - first) / ((HEIGHT - 60) / TICK_ROOM)));
  const ticks: number[] = [];
  for (let power = first; power <= last; power += step) {
    for (const digit of step === 1 && last - first <= 4 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [1]) {
      const tick = Number(`${digit}e${power}`);
      if (tick <= max) {
        ticks.push(tick);
      }
    }
  }
  return ticks;
}

function ticksOf(plot: uPlot, now: Now) {
  const { min = 0, max = 1 } = plot.scales.x ?? {};
  const [from, to] = [now.origin + fromSeconds(min ?? 0), now.origin + fromSeconds(max ?? 1)];
  const { left, width } = plot.bbox;
  const margins = { left: left / uPlot.pxRatio, right: plot.width - (left + width) / uPlot.pxRatio };
  return timeTicks(from, to, width / uPlot.pxRatio, zone.value, margins);
}

/** The nearest row in which a series has a value. */
function nearestRow(values: ArrayLike<number | null | undefined>, row: number): number | null {
  for (let distance = 0; distance < values.length; distance += 1) {
    for (const each of [row - distance, row + distance]) {
      if (typeof values[each] === "number") {
        return each;
      }
    }
  }
  return null;
}

/** Tints and hatches the flagged ranges, below the lines. */
function shadeFlags(plot: uPlot, now: Now): void {
  const { ctx, bbox } = plot;
  const { left, top, width, height } = bbox;
  const [right, bottom] = [left + width, top + height];
  const x = (time: Nanos) => plot.valToPos(toSeconds(time - now.origin), "x", true);
  ctx.save();
  ctx.beginPath();
  for (const { from, to } of now.shades) {
    const begin = Math.max(x(from), left);
    const end = Math.min(Math.max(x(to), x(from) + SHADE_LEAST * uPlot.pxRatio), right);
    if (end > begin) {
      ctx.rect(begin, top, end - begin, height);
    }
  }
  ctx.clip();
  ctx.fillStyle = faded(now.palette.flag, SHADE_OPACITY);
  ctx.fillRect(left, top, width, height);
  ctx.strokeStyle = faded(now.palette.flag, HATCH_OPACITY);
  ctx.lineWidth = uPlot.pxRatio;
  ctx.beginPath();
  for (let start = left - height; start < right; start += HATCH_STEP * uPlot.pxRatio) {
    ctx.moveTo(start, bottom);
    ctx.lineTo(start + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

/** A triangle at the edge for each point that reaches beyond the axis. */
function markOutliers(plot: uPlot, now: Now): void {
  const { ctx, bbox } = plot;
  const size = MARK * uPlot.pxRatio;
  ctx.save();
  ctx.fillStyle = now.palette.mark;
  now.curves.forEach(({ series, axis }) => {
    series.points.forEach((point, index) => {
      const x = plot.valToPos(series.times[index] ?? 0, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) {
        return;
      }
      const [low, high] = isBin(point) ? [point.min, point.max] : [point.value, point.value];
      if (high > axis.max) {
        triangle(ctx, x, bbox.top, size);
      }
      if (low < axis.min) {
        triangle(ctx, x, bbox.top + bbox.height, -size);
      }
    });
  });
  ctx.restore();
}

/** With its tip at the edge: a negative size points down. */
function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x - size, y + 1.6 * size);
  ctx.lineTo(x + size, y + 1.6 * size);
  ctx.closePath();
  ctx.fill();
}

function widthOf(plot: uPlot, values: string[] | null, font: string): number {
  const { ctx } = plot;
  ctx.save();
  ctx.font = font;
  const widths = (values ?? []).map((value) => ctx.measureText(value).width);
  ctx.restore();
  return Math.ceil(Math.max(...widths, 24)) + 14;
}
