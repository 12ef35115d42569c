import { useEffect, useId, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { announce } from "../design/announce.ts";
import { onColoursChanged } from "../frame/theme.ts";
import { FINE_STEPS, fineMarks, isFine, timeMarks } from "./axis.ts";
import type { Gutter } from "./gutter.ts";
import { exact, marks, powerOf, rounded, unitText } from "./numbers.ts";
import { type PlotData, plotData } from "./plot-data.ts";
import { isBin, type Series } from "./reading.ts";
import { type Nanos, parseTime, parseWindow, readableTime } from "./time.ts";

/** What a plot asks for when somebody wants to see another range. */
export interface Moves {
  /** Between two moments, in seconds since the epoch. */
  select: (from: number, to: number) => void;
  /** `factor` times as much as now, around a moment that stays where it is. */
  zoom: (factor: number, around?: number) => void;
  /** Moves by that part of what is shown. */
  pan: (part: number) => void;
  everything: () => void;
}

interface PlotProps {
  series: Series;
  name: string;
  symbol: string;
  window: string | null;
  /** What the plot spans, in seconds since the epoch. */
  from: number;
  to: number;
  moves: Moves;
  gutter: Gutter;
  /** Whether it says what can be done with it. */
  hint: boolean;
}

const HEIGHT = 260;
/** All plots of a view show the same moment. */
const TOGETHER = "experiment";
/** A drag of fewer pixels is a click. */
const DRAG = 5;

/** One measure type over time: the mean as a line, from the least to the greatest a band. */
export function Plot({ series, name, symbol, window, from, to, moves, gutter, hint }: PlotProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const help = useId();
  const power = powerOf(Math.max(Math.abs(series.min), Math.abs(series.max)));

  const now = useRef<Now>({ moves, indices: [], isTouched: false }).current;
  now.moves = moves;

  useEffect(() => {
    const element = frame.current;
    if (!element) {
      return;
    }
    const palette = paletteOf(element);
    const made = new uPlot(options(element, palette, gutter, now, setPointed), undefined, element);
    plot.current = made;
    const stop = onColoursChanged(() => {
      Object.assign(palette, paletteOf(element));
      made.redraw();
    });
    const unbind = bindPointers(made, now);
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      stop();
      unbind();
      gutter.leave(made);
      made.destroy();
      plot.current = null;
    };
  }, [gutter]);

  useEffect(() => {
    const { data, indices } = plotData(series, power);
    now.indices = indices;
    setPointed(null);
    plot.current?.batch(() => {
      plot.current?.setData(data as PlotData, false);
      plot.current?.setScale("x", { min: from, max: to });
    });
  }, [series, power, from, to]);

  const point = pointed === null ? undefined : series.points[pointed];
  const said = point && describe(point, symbol, window);
  return (
    <div class="plot">
      <p class="readout number" aria-hidden="true">
        {said ? (
          <>
            <span class="readout-time">{said.time} UTC</span> {said.values}
          </>
        ) : (
          <span class="soft">
            From {rounded(series.min)} to {rounded(series.max)} {symbol}.{" "}
            {hint && (
              <>
                <span class="for-mouse">
                  Point at the plot for exact values; drag over a part of it to see more.
                </span>
                <span class="for-finger">Touch the plot for exact values.</span>
              </>
            )}
          </span>
        )}
      </p>
      <p class="plot-unit" aria-hidden="true">
        {unitText(power, symbol)}
      </p>
      <div
        class="plot-frame"
        ref={frame}
        // Screen readers keep the arrow keys for themselves everywhere else.
        role="application"
        aria-roledescription="plot"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys work on it
        tabIndex={0}
        aria-label={`Plot of ${name}`}
        aria-describedby={help}
        onKeyDown={(event) => onKey(event, plot.current, now, series, symbol, window)}
      />
      <p class="visually-hidden" id={help}>
        {summary(series, symbol, window)} Left and right arrow keys read the values one by one, Home and End
        the first and the last; with Shift, arrow keys move the range. Plus and minus zoom, zero shows
        everything. The table below holds the same values.
      </p>
    </div>
  );
}

/** What holds at the moment: the plot is made once, and what happens in it later is not to look at what was then. */
interface Now {
  moves: Moves;
  /** From the plot's points to those of the series. */
  indices: readonly (number | null)[];
  /** Whether it was a finger that pointed last. */
  isTouched: boolean;
}

/** The colours of a plot, which change with the theme. */
type Palette = Record<"ink" | "surface" | "line" | "band" | "grid", string>;

function paletteOf(element: HTMLElement): Palette {
  return {
    ink: colourOf(element, "--ink-soft"),
    surface: colourOf(element, "--surface"),
    line: colourOf(element, "--plot-line"),
    band: colourOf(element, "--plot-band"),
    grid: colourOf(element, "--plot-grid"),
  };
}

/** A colour of the style sheet as it is now: one of the two that `light-dark()` holds, of which a canvas knows nothing. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function options(
  element: HTMLElement,
  palette: Palette,
  gutter: Gutter,
  now: Now,
  setPointed: (index: number | null) => void,
): Omit<uPlot.Options, "data"> {
  const line = () => palette.line;
  const surface = () => palette.surface;
  const { fontFamily } = getComputedStyle(element);
  const font = `12px ${fontFamily}`;
  const axis = {
    stroke: () => palette.ink,
    font,
    grid: { stroke: () => palette.grid, width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [12, 38, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    cursor: {
      sync: { key: TOGETHER, scales: ["x", null] },
      drag: { x: true, y: false, setScale: false, dist: DRAG },
      points: { size: 9, width: 2, fill: surface, stroke: line },
      y: false,
      bind: {
        dblclick: () => () => {
          now.moves.everything();
          return null;
        },
        // What a finger has read is to be seen when it is lifted, and browsers tell then that a mouse has left.
        mouseleave: (_plot, _target, handle) => (event: MouseEvent) => (now.isTouched ? null : handle(event)),
      },
    },
    scales: {
      x: { time: true, auto: false },
      y: { range: (_plot, min, max) => padded(min, max) },
    },
    series: [
      {},
      { points: { show: false } },
      { points: { show: false } },
      {
        stroke: line,
        width: 1.5,
        points: { size: 5, stroke: line, fill: line },
      },
    ],
    bands: [{ series: [2, 1], fill: () => palette.band }],
    axes: [
      {
        ...axis,
        space: 80,
        size: 44,
        values: (_plot, splits, _axis, _space, step) => timeMarks(splits, step),
      },
      {
        ...axis,
        size: (plot, values, index, cycle) =>
          // What was found in the first round holds, or the plot would never come to rest.
          cycle > 1 ? sizeOf(plot, index) : gutter.need(plot, widthOf(plot, values, font)),
        values: (_plot, splits, _axis, _space, step) => marks(splits, step),
      },
    ],
    hooks: {
      init: [markFinely],
      setCursor: [
        (plot) => {
          const index = plot.cursor.idx;
          setPointed(index === null || index === undefined ? null : (now.indices[index] ?? null));
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width >= DRAG) {
            now.moves.select(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          }
        },
      ],
    },
  };
}

/** Lets the axis of time have marks of less than a millisecond, where the plot by itself would have one or none. */
function markFinely(plot: uPlot): void {
  const [axis] = plot.axes;
  const { incrs, splits } = (axis ?? {}) as Partial<Filled>;
  if (axis && incrs && splits) {
    axis.incrs = (...about) => [...FINE_STEPS, ...incrs(...about)];
    axis.splits = (...about) => {
      const [, , from, to, step] = about;
      return isFine(step) ? fineMarks(from, to, step) : splits(...about);
    };
  }
}

/** An axis as the plot has made it: with functions of its own where none were given. */
interface Filled {
  incrs: Extract<uPlot.Axis.Incrs, (...about: never[]) => unknown>;
  splits: Extract<uPlot.Axis.Splits, (...about: never[]) => unknown>;
}

/** Room above and below, also for a value that never changes. */
function padded(min: number | null, max: number | null): uPlot.Range.MinMax {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) {
    return [0, 1];
  }
  const room = (max - min) * 0.08 || Math.abs(max) * 0.1 || 1;
  return [min - room, max + room];
}

function sizeOf(plot: uPlot, index: number): number {
  return (plot.axes[index] as { _size?: number })._size ?? 60;
}

/** What the marks need. */
function widthOf(plot: uPlot, values: string[] | null, font: string): number {
  const { ctx } = plot;
  ctx.save();
  ctx.font = font;
  const widths = (values ?? []).map((value) => ctx.measureText(value).width);
  ctx.restore();
  return Math.ceil(Math.max(...widths, 24)) + 14;
}

/** The wheel with Ctrl zooms; a finger reads values instead of scrolling sideways. */
function bindPointers(plot: uPlot, now: Now): () => void {
  const over = plot.over;
  const wheel = (event: WheelEvent) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const around = plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x");
      now.moves.zoom(event.deltaY > 0 ? 1.25 : 0.8, around);
    }
  };
  const finger = (event: PointerEvent) => {
    now.isTouched = event.pointerType === "touch";
    if (now.isTouched) {
      const box = over.getBoundingClientRect();
      plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
    }
  };
  over.addEventListener("wheel", wheel, { passive: false });
  over.addEventListener("pointerdown", finger);
  over.addEventListener("pointermove", finger);
  return () => {
    over.removeEventListener("wheel", wheel);
    over.removeEventListener("pointerdown", finger);
    over.removeEventListener("pointermove", finger);
  };
}

function onKey(
  event: KeyboardEvent,
  plot: uPlot | null,
  now: Now,
  series: Series,
  symbol: string,
  window: string | null,
): void {
  if (!plot || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const read = (start: number, step: number) => {
    const { indices } = now;
    let index = start;
    while (indices[index] === null) {
      index += step;
    }
    const point = series.points[indices[index] ?? -1];
    const time = plot.data[0][index];
    if (!point || time === undefined) {
      return;
    }
    plot.setCursor({ left: plot.valToPos(time, "x"), top: plot.over.clientHeight / 2 });
    const { time: when, values } = describe(point, symbol, window);
    announce(`${when}: ${values}`);
  };
  const last = now.indices.length - 1;
  const here = plot.cursor.idx;
  const actions: Record<string, () => void> = {
    ArrowLeft: () => (event.shiftKey ? now.moves.pan(-0.25) : read((here ?? last + 1) - 1, -1)),
    ArrowRight: () => (event.shiftKey ? now.moves.pan(0.25) : read((here ?? -1) + 1, 1)),
    Home: () => read(0, 1),
    End: () => read(last, -1),
    "+": () => now.moves.zoom(0.5),
    "=": () => now.moves.zoom(0.5),
    "-": () => now.moves.zoom(2),
    "0": () => now.moves.everything(),
    Escape: () => plot.setCursor({ left: -10, top: -10 }),
  };
  const act = actions[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
}

function describe(
  point: Series["points"][number],
  symbol: string,
  window: string | null,
): { time: string; values: string } {
  const start: Nanos = parseTime(point.timestamp) ?? 0n;
  if (!isBin(point)) {
    return { time: readableTime(start), values: `${exact(point.value)} ${symbol}` };
  }
  const end = start + ((window && parseWindow(window)) || 0n);
  const { mean, min, max, count } = point;
  return {
    time: `${readableTime(start)} to ${readableTime(end)}`,
    values: `mean ${rounded(mean)} ${symbol}, min ${exact(min)}, max ${exact(max)}, ${count} ${count === 1 ? "measure" : "measures"}`,
  };
}

function summary(series: Series, symbol: string, window: string | null): string {
  const what = `${series.count} ${series.count === 1 ? "measure" : "measures"}, from ${exact(series.min)} to ${exact(series.max)} ${symbol}`;
  return window ? `${what}, shown as ${series.points.length} bins.` : `${what}.`;
}
