/** How many colours tell series apart; then they repeat, dashed. */
export const COLOURS = 8;

/** The colours of a plot in the current theme: style sheets do not apply to a canvas. */
export interface Palette {
  ink: string;
  surface: string;
  grid: string;
  mark: string;
  flag: string;
  lines: readonly string[];
}

export function paletteOf(element: HTMLElement): Palette {
  return {
    ink: colourOf(element, "--ink-soft"),
    surface: colourOf(element, "--surface"),
    grid: colourOf(element, "--plot-grid"),
    mark: colourOf(element, "--danger"),
    flag: colourOf(element, "--warning"),
    lines: Array.from({ length: COLOURS }, (_, index) => colourOf(element, `--plot-${index + 1}`)),
  };
}

/** A colour of the style sheet as it is now: one of the two that `light-dark()` holds. */
export function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** `rgb(…)` with an opacity. */
export function faded(colour: string, opacity: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}
