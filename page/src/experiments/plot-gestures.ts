import type uPlot from "uplot";
import type { PlotGroup } from "./plot-group.ts";

/** The actions of gestures and keys. Times are in seconds since the beginning of the reading. */
export interface Moves {
  /** The part that was drawn over. */
  select: (from: number, to: number) => void;
  /** The part that a gesture has moved to. */
  settle: (from: number, to: number) => void;
  /** `factor` times as much, around a time that keeps its place. */
  zoom: (factor: number, around?: number) => void;
  /** By that part of what is shown. */
  pan: (part: number) => void;
  everything: () => void;
}

/** Pixels: a shorter drag is a click or a tap. */
export const MIN_DRAG_PX = 6;
/** Wheel events within this many milliseconds are one gesture. */
const WHEEL_PAUSE = 250;

interface View {
  min: number;
  max: number;
}

/**
 * Shift and drag, or a drag of the time axis: moves. Ctrl and wheel: zooms. One finger: moves
 * sideways; two: zoom. A tap reads a value.
 */
export function bindGestures(
  plot: uPlot,
  group: PlotGroup,
  moves: () => Moves,
  onPointer: (isTouch: boolean) => void,
): () => void {
  const { over } = plot;
  const axis = plot.root.querySelector<HTMLElement>(".u-axis");
  axis?.classList.add("time-axis");
  const fingers = new Map<number, number>();
  let begin: View | null = null;
  let starts: number[] = [];
  let isMoving = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const view = (): View => ({ min: plot.scales.x?.min ?? 0, max: plot.scales.x?.max ?? 1 });
  const left = (event: { clientX: number }) => event.clientX - over.getBoundingClientRect().left;
  const settle = () => {
    const { min, max } = view();
    moves().settle(min, max);
  };
  /** Keeps what was under each finger under it. */
  const follow = () => {
    const [one = 0, other] = fingers.values();
    const [startOne = 0, startOther] = starts;
    if (!begin) {
      return;
    }
    const width = over.clientWidth;
    const length = begin.max - begin.min;
    const at = (pixel: number) => (begin?.min ?? 0) + (pixel / width) * length;
    if (other === undefined || startOther === undefined) {
      const shift = at(one) - at(startOne);
      group.preview(begin.min - shift, begin.max - shift);
      return;
    }
    const apart = Math.max(Math.abs(other - one), 10) / Math.max(Math.abs(startOther - startOne), 10);
    const middle = at((startOne + startOther) / 2);
    const now = length / apart;
    const min = middle - ((one + other) / 2 / width) * now;
    group.preview(min, min + now);
  };
  const restart = () => {
    begin = view();
    starts = [...fingers.values()];
  };
  const down = (event: PointerEvent) => {
    const isTouch = event.pointerType === "touch";
    onPointer(isTouch);
    const isPan = event.button === 1 || event.shiftKey || event.currentTarget === axis;
    if (!isTouch && !isPan) {
      return;
    }
    if (!isTouch) {
      event.preventDefault();
      event.stopPropagation();
    }
    fingers.set(event.pointerId, left(event));
    restart();
    isMoving = fingers.size > 1;
    (event.currentTarget as HTMLElement).setPointerCapture?.(event.pointerId);
    if (isTouch) {
      plot.setCursor({ left: left(event), top: event.clientY - over.getBoundingClientRect().top });
    }
  };
  const move = (event: PointerEvent) => {
    if (!fingers.has(event.pointerId)) {
      return;
    }
    fingers.set(event.pointerId, left(event));
    const [one = 0] = fingers.values();
    isMoving ||= Math.abs(one - (starts[0] ?? one)) > MIN_DRAG_PX;
    if (isMoving) {
      follow();
    }
  };
  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) {
      return;
    }
    if (fingers.size > 0) {
      restart();
    } else if (isMoving) {
      isMoving = false;
      settle();
    }
  };
  const cancel = (event: PointerEvent) => {
    // The browser scrolls the page instead: nothing has moved.
    if (fingers.delete(event.pointerId) && begin && isMoving) {
      group.preview(begin.min, begin.max);
      isMoving = false;
    }
  };
  const wheel = (event: WheelEvent) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      moves().zoom(event.deltaY > 0 ? 1.25 : 0.8, plot.posToVal(left(event), "x"));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const { min, max } = view();
      const shift = (event.deltaX / over.clientWidth) * (max - min);
      group.preview(min + shift, max + shift);
      clearTimeout(timer);
      timer = setTimeout(settle, WHEEL_PAUSE);
    }
  };
  const targets = axis ? [over, axis] : [over];
  over.addEventListener("wheel", wheel, { passive: false });
  for (const target of targets) {
    // Before the plot's own listeners, which would begin to select.
    target.addEventListener("pointerdown", down, { capture: true });
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up);
    target.addEventListener("pointercancel", cancel);
  }
  return () => {
    clearTimeout(timer);
    over.removeEventListener("wheel", wheel);
    for (const target of targets) {
      target.removeEventListener("pointerdown", down, { capture: true });
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", up);
      target.removeEventListener("pointercancel", cancel);
    }
  };
}
