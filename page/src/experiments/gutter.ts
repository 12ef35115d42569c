import type uPlot from "uplot";

/**
 * The room left of the plots of a view, where the marks of their axes stand: the same for all of them, so that a moment
 * stands at the same place in each.
 */
export class Gutter {
  readonly #needs = new Map<uPlot, number>();
  #width = 0;

  /** Says how much a plot needs; tells how much it gets. */
  need(plot: uPlot, width: number): number {
    this.#needs.set(plot, width);
    this.#settle(plot);
    return this.#width;
  }

  /** A plot is gone. */
  leave(plot: uPlot): void {
    this.#needs.delete(plot);
    this.#settle(plot);
  }

  #settle(cause: uPlot): void {
    const width = Math.max(...this.#needs.values(), 0);
    if (width === this.#width) {
      return;
    }
    this.#width = width;
    // The others have been laid out with another width. Not at once: several may be about to say what they need.
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
