import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { BEGINNING, drawn } from "../harness/measures.js";
import { everySecond, forgetTicks, open, ticksOf } from "../harness/plots.js";

const NUMBER = /^[+−]?\d+(\.\d+)?$/;
const calm = (index: number) => 21 + 4 * Math.sin(index / 40);

/** The labels of the y axis as numbers. */
const numbers = (labels: readonly string[]) => labels.map((label) => Number(label.replace("−", "-")));

for (const { name, count } of [
  { name: "shown one by one", count: 1_500 },
  { name: "reduced to bins", count: 12_000 },
]) {
  browserTest(
    `three spikes leave the others readable, ${name}, and are one click away`,
    async (visitor, site) => {
      const ticks = await ticksOf(visitor.page);
      const spikes = [0.2, 0.5, 0.8].map((part) => Math.round(part * count));
      const values = Array.from({ length: count }, (_, index) =>
        spikes.includes(index) ? 850 : calm(index),
      );
      const { page } = await open(visitor, site, everySecond({ "degree Celsius": values }));
      const point = count > 2_000 ? "bins" : "measures";
      await page.getByText(`The axis leaves out outliers: 3 ${point} above it (up to 850 °C)`).waitFor();
      const labels = numbers(await ticks(NUMBER));
      assert.ok(Math.max(...labels) < 30 && Math.min(...labels) > 10, labels.join(" "));
      assert.equal(await marks(page), 3);

      await forgetTicks(page);
      await page.getByRole("button", { name: "Show them" }).click();
      await page.waitForURL(/y=degree(\+|%20)Celsius:all/);
      await page.getByText("The axis leaves out outliers").waitFor({ state: "detached" });
      await page.waitForFunction(() => (window as unknown as { written: string[] }).written.includes("800"));
      assert.equal(await marks(page), 0);
      await page.getByLabel("Y axis of degree Celsius").selectOption("robust");
      await page.getByText(`3 ${point} above it`).waitFor();
    },
  );
}

/** How many marks there are at the upper edge of the plot: runs of pixels in their colour. */
function marks(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>(".plot-frame canvas");
    const context = canvas?.getContext("2d");
    const probe = document.createElement("i");
    probe.style.color = "var(--danger)";
    document.body.append(probe);
    const wanted = (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
    probe.remove();
    if (!canvas || !context) {
      return Number.NaN;
    }
    const columns = new Set<number>();
    const { data } = context.getImageData(0, 0, canvas.width, 40 * devicePixelRatio);
    for (let at = 0; at < data.length; at += 4) {
      if (wanted.every((part, index) => Math.abs(part - (data[at + index] ?? 0)) < 12)) {
        columns.add((at / 4) % canvas.width);
      }
    }
    return [...columns].filter((column) => !columns.has(column - 1)).length;
  });
}

browserTest(
  "a logarithmic axis has decades with prefixes, and tells what it cannot show",
  async (visitor, site) => {
    const ticks = await ticksOf(visitor.page);
    const values = [0, ...Array.from({ length: 60 }, (_, index) => 10 ** (index / 10 - 6))];
    const { page } = await open(visitor, site, everySecond({ volt: values }));
    await forgetTicks(page);
    await page.getByLabel("Y axis of volt").selectOption("log");
    await page.getByText("1 measure at zero or below, not on a logarithmic axis").waitFor();
    await page.locator(".plot-unit").getByText("V (logarithmic)").waitFor();
    assert.match(page.url(), /y=volt:log/);
    await drawn(page);
    const labels = await ticks(/^\d+ .?V$/);
    assert.deepEqual(labels, ["1 µV", "10 µV", "100 µV", "1 mV", "10 mV", "100 mV", "1 V"].sort());
  },
);

browserTest(
  "a range is fixed by numbers, kept in the address, and refused where it is none",
  async (visitor, site) => {
    const { page } = visitor;
    const ticks = await ticksOf(page);
    const values = Array.from({ length: 300 }, (_, index) => calm(index));
    await open(visitor, site, everySecond({ "degree Celsius": values }));
    const control = page.getByLabel("Y axis of degree Celsius");
    await control.selectOption("fixed");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Minimum (°C)").fill("22");
    await dialog.getByLabel("Maximum (°C)").fill("2o");
    await dialog.getByRole("button", { name: "Show" }).click();
    await dialog.getByText("Not a number, such as 0.5").waitFor();
    await dialog.getByLabel("Maximum (°C)").fill("20");
    await dialog.getByRole("button", { name: "Show" }).click();
    await dialog.getByText("The maximum must be greater than the minimum.").waitFor();
    await dialog.getByLabel("Maximum (°C)").fill("24");
    await dialog.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/y=degree(\+|%20)Celsius:22\.\.24/);
    await page
      .getByText(/^Not within the axis: \d+ measures above it \(up to 2\d\.\d+ °C\), \d+ measures below it/)
      .waitFor();
    await page.reload();
    await drawn(page);
    const labels = numbers(await ticks(NUMBER));
    assert.ok(Math.min(...labels) >= 22 && Math.max(...labels) <= 24, labels.join(" "));
    assert.equal(await control.inputValue(), "fixed");
  },
);

browserTest("bands from minimum to maximum can be seen in both themes", async (visitor, site) => {
  const { page } = visitor;
  const measures = Array.from({ length: 6_000 }, (_, index) => ({
    measure: "hertz",
    value: (index % 7) + 10 * Math.sin(index / 300),
    timestamp: BEGINNING + index,
  }));
  await open(visitor, site, measures);
  await page.getByText("min to max as a band").waitFor();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await drawn(page);
    // The commonest half-transparent colour of the plot, and the colour of the card behind it.
    const { band, ground } = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".plot-frame canvas") as HTMLCanvasElement;
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const shades = new Map<string, number>();
      for (let at = 0; at < data.length; at += 4) {
        const alpha = data[at + 3] ?? 0;
        if (alpha > 40 && alpha < 200) {
          const shade = [...data.slice(at, at + 4)].join();
          shades.set(shade, (shades.get(shade) ?? 0) + 1);
        }
      }
      const [commonest] = [...shades].sort(([, one], [, other]) => other - one);
      const card = getComputedStyle(document.querySelector(".plot-card") as Element).backgroundColor;
      return {
        band: (commonest?.[0] ?? "").split(",").map(Number),
        ground: (card.match(/\d+/g) ?? []).map(Number),
      };
    });
    const alpha = (band[3] ?? 0) / 255;
    const mixed = ground.map((part, index) => (band[index] ?? 0) * alpha + part * (1 - alpha));
    const [lighter = 0, darker = 0] = [luminance(mixed), luminance(ground)].sort((one, other) => other - one);
    const contrast = (lighter + 0.05) / (darker + 0.05);
    assert.ok(contrast > 1.4, `${contrast} in ${colorScheme}`);
  }
});

/** As WCAG 2.2 defines it. */
function luminance(colour: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = colour
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
