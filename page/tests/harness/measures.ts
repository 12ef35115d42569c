import type { Page } from "playwright-core";
import { bodyOf } from "./adapter.js";
import { eventually } from "./eventually.js";
import type { Client } from "./service.js";
import type { Experiment, Site } from "./site.js";

/** 2022-04-06T07:00:00Z, where the measures of the tests begin. */
export const BEGINNING = 1_649_228_400;

/** A measure as the API gives it, as far as it matters here. */
export interface Measure {
  measure_type: string;
  timestamp: string;
  value: number;
}

/** Measures of hertz, by default one a second, with values that count up from zero. */
export function series(
  { name }: Experiment,
  count: number,
  {
    from = BEGINNING,
    every = 1,
    measure = "hertz",
  }: { from?: number; every?: number; measure?: string } = {},
) {
  return Array.from({ length: count }, (_, index) => ({
    experiment: name,
    measure,
    value: index,
    timestamp: from + index * every,
  }));
}

/** Publishes measures, and waits until a scientist of the experiment can read all of them. */
export async function measured(
  site: Site,
  experiment: Experiment,
  count: number,
  options: { every?: number } = {},
) {
  const all = series(experiment, count, options);
  const chunks = Array.from({ length: Math.ceil(count / 10_000) }, (_, index) =>
    all.slice(index * 10_000, (index + 1) * 10_000),
  );
  await site.publishAll(chunks.map((chunk) => ({ body: bodyOf(chunk) })));
  const account = await site.newScientist(experiment);
  const client = Object.assign(await site.as(account), { account });
  await stored(client, experiment, count);
  return client;
}

export async function stored(client: Client, { experiment_id }: Experiment, count: number): Promise<void> {
  await eventually(async () => {
    const bins = await client.get<{ count: number }[]>(`/measures/${experiment_id}?window=3650d`);
    return bins.reduce((sum, bin) => sum + bin.count, 0) === count ? true : undefined;
  });
}

/** Waits until something is drawn in the colour of a line, and its unit is known. */
export async function drawn(page: Page): Promise<void> {
  await page.locator(".plots[aria-busy=false] canvas").first().waitFor();
  await page.locator(".plot-unit").filter({ hasText: /\S/ }).first().waitFor({ state: "attached" });
  await page.waitForFunction(() => {
    const canvas = document.querySelector<HTMLCanvasElement>(".plot-frame canvas");
    const context = canvas?.getContext("2d");
    if (!canvas || !context || canvas.width === 0) {
      return false;
    }
    const probe = document.createElement("i");
    document.body.append(probe);
    const lines = [1, 2, 3, 4, 5, 6, 7, 8].map((line) => {
      probe.style.color = `var(--plot-${line})`;
      return (getComputedStyle(probe).color.match(/\d+/g) ?? []).map(Number);
    });
    probe.remove();
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      // A function with a name would need a helper of the compiler that the browser has not.
      if (
        data[at + 3] === 255 &&
        lines.some((line) => line.every((part, index) => Math.abs(part - (data[at + index] ?? 0)) < 8))
      ) {
        return true;
      }
    }
    return false;
  });
}
