import type uPlot from "uplot";

/** The plots of a view: their time axes start at the same pixel, and gestures move all of them. */
export class PlotGroup {
  readonly #needs = new Map<uPlot, number>();
  #width = 0;

  /** Reports the width that a plot's left axis needs; returns the width of all. */
  need(plot: uPlot, width: number): number {
    this.#needs.set(plot, width);
    this.#settle(plot);
    return this.#width;
  }

  /** Removes a plot. */
  leave(plot: uPlot): void {
    this.#needs.delete(plot);
    this.#settle(plot);
  }

  /** Shows another time in all plots, before its measures are read. */
  preview(min: number, max: number): void {
    for (const plot of this.#needs.keys()) {
      plot.setScale("x", { min, max });
    }
  }

  #settle(cause: uPlot): void {
    const width = Math.max(...this.#needs.values(), 0);
    if (width === this.#width) {
      return;
    }
    this.#width = width;
    // Later, since several plots may report in the same turn.
    queueMicrotask(() => {
      if (this.#width === width) {
        for (const plot of this.#needs.keys()) {
          if (plot !== cause) {
            plot.redraw(false, true);
          }
        }
      }
    });
  }
}
