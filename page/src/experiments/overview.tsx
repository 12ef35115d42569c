import { useEffect, useRef, useState } from "preact/hooks";
import { MIN_DRAG_PX } from "./plot-gestures.ts";
import { isBin, type Reading } from "./reading.ts";
import { type Nanos, readableTime, toSeconds } from "./time.ts";
import { AUTO, yRange } from "./y-range.ts";
import { zone, zoneText } from "./zone.ts";

interface OverviewProps {
  /** All measures of the series that are shown. */
  whole: Reading;
  /** The index of the colour of each series by its key. */
  colours: ReadonlyMap<string, number>;
  from: Nanos;
  to: Nanos;
  /** Shows the part between two times, in seconds since `whole.from`. */
  onMove: (from: number, to: number) => void;
  onPan: (part: number) => void;
}

/** The height of the strip in its own units; its width is 1,000. */
const HEIGHT = 40;
const WIDTH = 1_000;
/** A window narrower than this could not be seen or held. */
const MIN_WINDOW_WIDTH = 6;

/** All measures in a strip, with the range that is shown as a window to be moved and resized. */
export function Overview({ whole, colours, from, to, onMove, onPan }: OverviewProps) {
  const strip = useRef<HTMLDivElement>(null);
  const [dragged, setDragged] = useState<[number, number] | null>(null);
  const begin = whole.from < from ? whole.from : from;
  const end = whole.last > to ? whole.last : to;
  const length = Math.max(toSeconds(end - begin), 1e-9);
  const start = toSeconds(begin - whole.from);
  const x = (seconds: number) => ((seconds - start) / length) * WIDTH;
  const window: [number, number] = dragged ?? [toSeconds(from - whole.from), toSeconds(to - whole.from)];
  const seconds = (event: PointerEvent) => {
    const box = strip.current?.getBoundingClientRect();
    return box ? start + ((event.clientX - box.left) / box.width) * length : start;
  };
  useEffect(() => setDragged(null), [from, to]);
  const press = (event: PointerEvent) => {
    const [low, high] = window;
    const at = seconds(event);
    const pixel = length / (strip.current?.clientWidth ?? WIDTH);
    const near = (edge: number) => Math.abs(at - edge) < 8 * pixel;
    // A window that is hardly wider than its handles is moved only.
    const isWide = high - low > 40 * pixel;
    const edge = isWide && near(low) ? "low" : isWide && near(high) ? "high" : null;
    const inside = at >= low - 8 * pixel && at <= high + 8 * pixel;
    // Pressed beside the window, its middle jumps there.
    const shift = inside ? 0 : at - (low + high) / 2;
    const target = event.currentTarget as Element;
    target.setPointerCapture(event.pointerId);
    let moved: [number, number] = [low + shift, high + shift];
    setDragged(moved);
    const move = (next: Event) => {
      const by = seconds(next as PointerEvent) - at;
      moved =
        edge === "low"
          ? [Math.min(low + by, high - MIN_DRAG_PX * pixel), high]
          : edge === "high"
            ? [low, Math.max(high + by, low + MIN_DRAG_PX * pixel)]
            : [low + shift + by, high + shift + by];
      setDragged(moved);
    };
    const stop = () => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", release);
      target.removeEventListener("pointercancel", cancel);
    };
    const release = () => {
      stop();
      onMove(...moved);
    };
    const cancel = () => {
      stop();
      setDragged(null);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", release);
    target.addEventListener("pointercancel", cancel);
  };
  const left = Math.min(Math.max(x(window[0]), 0), WIDTH - MIN_WINDOW_WIDTH);
  const width = Math.min(Math.max(x(window[1]) - left, MIN_WINDOW_WIDTH), WIDTH - left);
  const inZone = zone.value;
  const text = `${readableTime(from, inZone)} to ${readableTime(to, inZone)} ${zoneText(Number(from / 1_000_000n), inZone)}`;
  return (
    <div
      ref={strip}
      class="overview"
      role="slider"
      tabIndex={0}
      aria-label="The range shown, within all measures"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(((left + width / 2) / WIDTH) * 100)}
      aria-valuetext={text}
      onPointerDown={press}
      onKeyDown={(event) => {
        const part = { ArrowLeft: -0.5, ArrowRight: 0.5, PageDown: -1, PageUp: 1 }[event.key];
        if (part !== undefined) {
          event.preventDefault();
          onPan(part);
        }
      }}
    >
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {whole.series.map((series, index) => (
          <path
            key={series.key}
            class={`overview-line overview-${((colours.get(series.key) ?? index) % 8) + 1}`}
            d={pathOf(series, x)}
          />
        ))}
        <rect class="overview-shade" x={0} y={0} width={left} height={HEIGHT} />
        <rect class="overview-shade" x={left + width} y={0} width={WIDTH - left - width} height={HEIGHT} />
        <rect class="overview-window" x={left} y={0.5} width={width} height={HEIGHT - 1} />
      </svg>
    </div>
  );
}

/** The means or values of a series over the height of the strip; outliers leave it. */
function pathOf(series: Reading["series"][number], x: (seconds: number) => number): string {
  const { min, max } = yRange(AUTO, [series]);
  const span = max / 2 - min / 2;
  const y = (value: number) => 1 + (HEIGHT - 2) * (1 - (value / 2 - min / 2) / span);
  return series.points
    .map((point, index) => {
      const value = isBin(point) ? point.mean : point.value;
      return `${index === 0 ? "M" : "L"}${x(series.times[index] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`;
    })
    .join("");
}
