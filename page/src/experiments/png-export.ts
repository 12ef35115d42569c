import { paletteOf } from "./palette.ts";

/** What a picture says besides the plots. */
export interface Caption {
  title: string;
  /** Range, zone and bins. */
  lines: readonly string[];
}

const MARGIN = 20;
const LINE = 20;

/**
 * The plots within `element` as a PNG, stacked, each with its heading and units, in the colours and
 * the resolution of the screen.
 */
export async function pictureOf(element: HTMLElement, { title, lines }: Caption): Promise<Blob> {
  const scale = devicePixelRatio;
  const palette = paletteOf(element);
  const { fontFamily, color } = getComputedStyle(element);
  const plots = [...element.querySelectorAll<HTMLElement>(".plot-card")].flatMap((card) => {
    const canvas = card.querySelector("canvas");
    return canvas ? [{ card, canvas }] : [];
  });
  const width = Math.max(...plots.map(({ canvas }) => canvas.width / scale), 400) + 2 * MARGIN;
  const heads = (lines.length + 1) * LINE + 2 * MARGIN;
  const height = plots.reduce(
    (sum, { canvas, card }) => sum + textsOf(card).length * LINE + canvas.height / scale,
    heads,
  );

  const target = document.createElement("canvas");
  [target.width, target.height] = [Math.round(width * scale), Math.round((height + MARGIN) * scale)];
  const context = target.getContext("2d");
  if (!context) {
    throw new Error("the browser has no memory for a picture of this size");
  }
  context.scale(scale, scale);
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height + MARGIN);
  let y = MARGIN;
  const write = (text: string, font: string, colour: string, x = MARGIN) => {
    context.font = `${font} ${fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y + 14, width - x - MARGIN);
  };
  write(title, "600 17px", color);
  y += LINE + 4;
  for (const line of lines) {
    write(line, "13px", palette.ink);
    y += LINE;
  }
  for (const { card, canvas } of plots) {
    y += 8;
    for (const { text, colour } of textsOf(card)) {
      write(text, "600 13px", colour ?? color);
      y += LINE;
    }
    context.drawImage(canvas, MARGIN, y, canvas.width / scale, canvas.height / scale);
    y += canvas.height / scale;
  }
  return new Promise((resolve, reject) => {
    target.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture cannot be encoded"))));
  });
}

/** Heading, series and units of a plot. */
function textsOf(card: HTMLElement): { text: string; colour?: string }[] {
  const text = (each: Element | null) => (each?.textContent ?? "").trim();
  const heading = text(card.querySelector("h2"));
  const units = [...card.querySelectorAll(".plot-unit")].map(text);
  const series = [...card.querySelectorAll<HTMLElement>(".plot-series")].map((each) => ({
    text: `— ${text(each)}`,
    colour: getComputedStyle(each.querySelector(".swatch") ?? each).backgroundColor,
  }));
  return [{ text: heading }, ...series, { text: units.join("   |   ") }];
}
