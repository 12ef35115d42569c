import { type ComponentChildren, Fragment } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { announce } from "../design/announce.ts";
import { Button } from "../design/components.tsx";
import { amount } from "../design/format-count.ts";
import { onColoursChanged } from "../frame/theme.ts";
import { overlaps, type Shade } from "./flags.ts";
import { paletteOf } from "./palette.ts";
import { type Curve, plotData } from "./plot-data.ts";
import { bindGestures, type Moves } from "./plot-gestures.ts";
import type { PlotGroup } from "./plot-group.ts";
import { HEIGHT, type Now, plotOptions } from "./plot-options.ts";
import { isBin, type Series } from "./reading.ts";
import { fromSeconds, type Nanos, parseTime, parseWindow, readableTime } from "./time.ts";
import { type ValueAxis, valueAxis, wording } from "./value-axis.ts";
import { YControl } from "./y-control.tsx";
import { AUTO, type YMode, type YRange, yRange } from "./y-range.ts";
import { type Zone, zone, zoneText } from "./zone.ts";

/** A series as a view shows it. */
export interface Shown {
  series: Series;
  /** The sensor or the type, or both if needed, and the experiment if several are shown. */
  label: string;
  /** The same among series of its type. */
  labelInType: string;
  symbol: string;
  /** The type's quantity and unit. */
  detail: string;
  /** The index of its colour. */
  colour: number;
}

/** An axis of a plot, with the series that share it. */
export interface PlotAxis {
  symbol: string;
  members: readonly Shown[];
  mode: YMode;
  range: YRange;
  axis: ValueAxis;
}

/** The axes that these series need: one for each unit. */
export function plotAxes(shown: readonly Shown[], y: Readonly<Record<string, YMode>>): PlotAxis[] {
  const symbols = [...new Set(shown.map(({ symbol }) => symbol))];
  return symbols.map((symbol) => {
    const members = shown.filter((each) => each.symbol === symbol);
    const mode = members.map(({ series }) => y[series.type]).find((each) => each !== undefined) ?? AUTO;
    const range = yRange(
      mode,
      members.map(({ series }) => series),
    );
    return { symbol, members, mode, range, axis: valueAxis(range.min, range.max, symbol, range.isLog) };
  });
}

interface PlotProps {
  name: string;
  heading: ComponentChildren;
  shown: readonly Shown[];
  y: Readonly<Record<string, YMode>>;
  onY: (types: readonly string[], mode: YMode) => void;
  /** The time from which the series count. */
  origin: Nanos;
  /** What the plot spans, in seconds since `origin`. */
  from: number;
  to: number;
  /** Flagged ranges, of which some may be out of sight. */
  shades: readonly Shade[];
  moves: Moves;
  group: PlotGroup;
  /** Whether it explains itself. */
  hint: boolean;
}

/** Series over time: their values or means as lines, from minimum to maximum a band. */
export function Plot(props: PlotProps) {
  const { name, heading, shown, y, onY, origin, from, to, shades, moves, group, hint } = props;
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const help = useId();
  const yKey = JSON.stringify(y);
  const axes = useMemo(() => plotAxes(shown, y), [shown, yKey]);
  const curves = useMemo(() => curvesOf(shown, axes), [axes]);
  const axisOf = curves.map(({ axis }) => axes.findIndex((each) => each.axis === axis));
  const colours = shown.map(({ colour }) => colour);
  const now = useRef({ points: [], isTouched: false } as unknown as Now).current;
  Object.assign(now, { moves, origin, shades, curves, axes: axes.map(({ axis }) => axis), axisOf, colours });
  const isShaded = shades.some((shade) => overlaps(shade, spanOf(origin, from, to)));

  // Another number of curves or kind of axis is another plot; other data are not.
  const structure = JSON.stringify([axes.map(({ axis }) => axis.isLog), axisOf]);
  useEffect(() => {
    const element = frame.current;
    if (!element) {
      return;
    }
    now.palette = paletteOf(element);
    const made = new uPlot(plotOptions(element, now, group, setPointed), undefined, element);
    plot.current = made;
    const repaint = () => {
      now.palette = paletteOf(element);
      made.redraw(false, true);
    };
    const stop = [
      onColoursChanged(repaint),
      zone.subscribe(repaint),
      bindGestures(
        made,
        group,
        () => now.moves,
        (isTouch) => {
          now.isTouched = isTouch;
        },
      ),
    ];
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      for (const each of stop) {
        each();
      }
      group.leave(made);
      made.destroy();
      plot.current = null;
    };
  }, [group, structure]);

  useEffect(() => {
    const { data, points } = plotData(curves);
    now.points = points;
    setPointed(null);
    plot.current?.batch(() => {
      plot.current?.setData(data as uPlot.AlignedData, false);
      plot.current?.setScale("x", { min: from, max: to });
    });
  }, [curves, from, to, structure, group]);

  const said = pointed === null ? [] : reading(now, shown, pointed, zone.value);
  return (
    <div class="plot">
      <div class="row row-between plot-head">
        {heading}
        <div class="row">
          {axes.map(({ symbol, members, mode, range }) => (
            <YControl
              key={symbol}
              label={axes.length > 1 ? `Y axis in ${symbol}` : `Y axis of ${name}`}
              caption={axes.length > 1 ? symbol : "Y"}
              symbol={symbol}
              mode={mode}
              range={range}
              onChoose={(chosen) =>
                onY(
                  members.map(({ series }) => series.type),
                  chosen,
                )
              }
            />
          ))}
        </div>
      </div>
      {axes.map((axis) => (
        <Beyond key={axis.symbol} axis={axis} onY={onY} />
      ))}
      <div class="plot-top" aria-hidden="true">
        {axes.map(({ axis }, index) => (
          <Fragment key={axis.symbol}>
            <span class="plot-unit">
              {axis.unit}
              {axis.isLog && " (logarithmic)"}
            </span>
            {index === 0 && (
              <p class="readout number">
                {said.length > 0 ? (
                  <Readout said={said} now={now} />
                ) : (
                  hint && (
                    <span class="soft">
                      <span class="for-mouse">
                        Point at the plot for exact values; drag to zoom, with Shift to move.
                      </span>
                      <span class="for-finger">
                        Touch the plot for exact values; drag to move, pinch to zoom.
                      </span>
                    </span>
                  )
                )}
              </p>
            )}
          </Fragment>
        ))}
      </div>
      <div
        class="plot-frame"
        ref={frame}
        // Without a role, screen readers use the arrow keys for themselves.
        role="application"
        aria-roledescription="plot"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it handles keys
        tabIndex={0}
        aria-label={`Plot of ${name}`}
        aria-describedby={help}
        onKeyDown={(event) => onKey(event, plot.current, now, shown)}
      />
      <p class="visually-hidden" id={help}>
        {shown.map((each, index) => summary(each, curves[index]?.axis)).join(" ")}{" "}
        {isShaded && "Flagged ranges are hatched; the list below the plots has them. "}Left and right arrow
        keys read the values one by one, Home and End the first and the last; with Shift, arrow keys move the
        range. Plus and minus zoom, zero shows everything. The table below has the same values.
      </p>
    </div>
  );
}

function spanOf(origin: Nanos, from: number, to: number): Shade {
  return { from: origin + fromSeconds(from), to: origin + fromSeconds(to) };
}

function curvesOf(shown: readonly Shown[], axes: readonly PlotAxis[]): Curve[] {
  return shown.flatMap(({ series, symbol }) => {
    const found = axes.find((axis) => axis.symbol === symbol);
    return found ? [{ series, axis: found.axis }] : [];
  });
}

/** The number of values beyond an axis, and a button that shows them. */
function Beyond({
  axis: { members, mode, range, axis, symbol },
  onY,
}: {
  axis: PlotAxis;
  onY: PlotProps["onY"];
}) {
  const { exact } = wording({ ...axis, valuePower: 0 });
  const bins = members.some(({ series }) => series.window !== null);
  const points = (count: number) => amount(count, bins ? "bin" : "measure");
  const parts: string[] = [];
  if (range.above > 0) {
    const greatest = Math.max(...members.map(({ series }) => series.max));
    parts.push(`${points(range.above)} above it (up to ${exact(greatest)})`);
  }
  if (range.below > 0) {
    const least = Math.min(...members.map(({ series }) => series.min));
    parts.push(`${points(range.below)} below it (down to ${exact(least)})`);
  }
  if (range.notPositive > 0) {
    const why = range.isLog ? "not on a logarithmic axis" : "so the axis is not logarithmic";
    parts.push(`${points(range.notPositive)} at zero or below, ${why}`);
  }
  if (parts.length === 0) {
    return null;
  }
  const types = members.map(({ series }) => series.type);
  return (
    <p class="beyond">
      <span class="badge badge-warning">
        {mode.kind === "auto" && range.isRobust ? "The axis leaves out outliers: " : "Not within the axis: "}
        {parts.join(", ")}
      </span>{" "}
      <Button small onClick={() => onY(types, { kind: "all" })}>
        Show {range.above + range.below + range.notPositive === 1 ? "it" : "them"}
      </Button>
      <span class="visually-hidden"> {symbol}</span>
    </p>
  );
}

interface Said {
  curve: number;
  label: string;
  time: string;
  values: string;
}

/** What each curve has at a row, or nearest to it. */
function reading(now: Now, shown: readonly Shown[], row: number, zone: Zone): Said[] {
  return shown.flatMap(({ series, label }, curve) => {
    const rows = now.points[curve] ?? [];
    let index = rows[row];
    for (let distance = 1; index === undefined && distance < rows.length; distance += 1) {
      index = rows[row - distance] ?? rows[row + distance];
    }
    const point = series.points[index ?? -1];
    const axis = now.curves[curve]?.axis;
    return point && axis ? [{ curve, label, ...describe(point, series.window, axis, zone) }] : [];
  });
}

function Readout({ said, now }: { said: readonly Said[]; now: Now }) {
  const [first] = said;
  if (said.length === 1 && first) {
    return (
      <>
        <span class="readout-time">{first.time}</span> {first.values}
      </>
    );
  }
  return (
    <>
      <span class="readout-time">{first?.time}</span>
      {said.map(({ curve, label, time, values }) => (
        <span key={curve} class="readout-part">
          <Swatch colour={now.colours[curve] ?? 0} /> {label} {values}
          {time !== first?.time && <span class="soft"> ({time})</span>}
        </span>
      ))}
    </>
  );
}

/** The colour of a series. */
export function Swatch({ colour }: { colour: number }) {
  return <span class={`swatch swatch-${(colour % 8) + 1}`} aria-hidden="true" />;
}

function onKey(event: KeyboardEvent, plot: uPlot | null, now: Now, shown: readonly Shown[]): void {
  if (!plot || event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) {
    return;
  }
  const count = plot.data[0].length;
  const read = (start: number, step: number) => {
    let row = start;
    while (row >= 0 && row < count && now.points.every((rows) => rows[row] === undefined)) {
      row += step;
    }
    const time = plot.data[0][row];
    if (time === undefined) {
      return;
    }
    plot.setCursor({ left: plot.valToPos(time, "x"), top: plot.over.clientHeight / 2 });
    const said = reading(now, shown, row, zone.value);
    const values = said.map(({ label, values }) => (said.length > 1 ? `${label} ${values}` : values));
    announce(`${said[0]?.time}: ${values.join("; ")}`);
  };
  const here = plot.cursor.idx;
  const actions: Record<string, () => void> = {
    ArrowLeft: () => (event.shiftKey ? now.moves.pan(-0.25) : read((here ?? count) - 1, -1)),
    ArrowRight: () => (event.shiftKey ? now.moves.pan(0.25) : read((here ?? -1) + 1, 1)),
    Home: () => read(0, 1),
    End: () => read(count - 1, -1),
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

function describe(point: Series["points"][number], window: string | null, axis: ValueAxis, zone: Zone) {
  const start: Nanos = parseTime(point.timestamp) ?? 0n;
  const { exact, near } = wording(axis);
  const at = (time: Nanos) => readableTime(time, zone);
  const name = zoneText(Number(start / 1_000_000n), zone);
  if (!isBin(point)) {
    return { time: `${at(start)} ${name}`, values: exact(point.value) };
  }
  const end = start + ((window && parseWindow(window)) || 0n);
  const { mean, min, max, count } = point;
  return {
    time: `${at(start)} to ${endText(at(start), at(end))} ${name}`,
    values: `mean ${near(mean)}, min ${near(min)}, max ${near(max)}, ${amount(count, "measure")}`,
  };
}

/** The end of a bin, without its date where that is the date of its beginning. */
function endText(begin: string, end: string): string {
  const [day, time] = end.split(" ");
  return begin.startsWith(`${day} `) ? `${time}` : end;
}

function summary({ series, label }: Shown, axis: ValueAxis | undefined): string {
  const near = axis ? wording(axis).near : String;
  const what = `${label}: ${amount(series.count, "measure")}, from ${near(series.min)} to ${near(series.max)}`;
  return series.window ? `${what}, shown as ${amount(series.points.length, "bin")}.` : `${what}.`;
}
