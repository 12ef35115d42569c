import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Download, Page } from "playwright-core";
import type { Message } from "./adapter.js";
import { bodyOf } from "./adapter.js";
import type { Visitor } from "./browser.js";
import { BEGINNING, drawn, stored } from "./measures.js";
import { signIn } from "./people.js";
import type { Experiment, Site } from "./site.js";

/** Measures of each series, one a second from the start; `hertz@t-1` are those of a sensor. */
export function everySecond(values: Record<string, readonly number[]>): Omit<Message, "experiment">[] {
  return Object.entries(values).flatMap(([name, of]) => {
    const [measure = "", sensor] = name.split("@");
    return of.map((value, index) => ({
      measure,
      value,
      timestamp: BEGINNING + index,
      ...(sensor !== undefined && { sensor }),
    }));
  });
}

/** Publishes measures of a new experiment. */
export async function experimentWith(
  site: Site,
  measures: readonly Omit<Message, "experiment">[],
  kind?: string,
): Promise<Experiment> {
  const experiment = await site.newExperiment(kind);
  const all = measures.map((measure) => ({ experiment: experiment.name, ...measure }));
  for (let first = 0; first < all.length; first += 10_000) {
    await site.publishAll([{ body: bodyOf(all.slice(first, first + 10_000)) }]);
  }
  return experiment;
}

/** Opens a new experiment with these measures as a scientist who may read them. */
export async function open(
  visitor: Visitor,
  site: Site,
  measures: readonly Omit<Message, "experiment">[],
  query = "",
): Promise<{ page: Page; experiment: Experiment }> {
  const experiment = await experimentWith(site, measures);
  const scientist = await site.newScientist(experiment);
  await stored(await site.as(scientist), experiment, measures.length);
  await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}${query}`);
  await drawn(visitor.page);
  return { page: visitor.page, experiment };
}

/** Collects the texts that are drawn on plots from now on; call it before the page is opened. */
export async function ticksOf(page: Page): Promise<(form: RegExp) => Promise<string[]>> {
  await page.addInitScript(() => {
    const { prototype } = CanvasRenderingContext2D;
    const fillText = prototype.fillText;
    const written: string[] = [];
    Object.assign(window, { written });
    prototype.fillText = function (text, ...place) {
      written.push(text);
      fillText.call(this, text, ...place);
    };
  });
  return async (form) => {
    const written = await page.evaluate(() => (window as unknown as { written: string[] }).written);
    return [...new Set(written.filter((text) => form.test(text)))].sort();
  };
}

/** Forgets what was written on the plots. */
export function forgetTicks(page: Page): Promise<void> {
  return page.evaluate(() => {
    (window as unknown as { written: string[] }).written.length = 0;
  });
}

/** The plotting area on the screen, without its axes. */
export async function plotBox(page: Page, index = 0) {
  const box = await page.locator(".plot-frame .u-over").nth(index).boundingBox();
  assert.ok(box);
  return { ...box, left: box.x, right: box.x + box.width, middle: box.y + box.height / 2 };
}

/** Draws over a part of the first plot. */
export async function dragOver(page: Page, from: number, to: number): Promise<void> {
  const box = await plotBox(page);
  await page.mouse.move(box.left + box.width * from, box.middle);
  await page.mouse.down();
  await page.mouse.move(box.left + box.width * to, box.middle, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=.*&to=/);
}

/** The parameters of the view's address. */
export function queryOf(url: string): URLSearchParams {
  return new URLSearchParams(url.split("?")[1] ?? "");
}

/** The ends of the range in the address, in milliseconds. */
export function rangeOf(url: string): { from: number; to: number; length: number } {
  const query = queryOf(url);
  const [from, to] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  return { from, to, length: to - from };
}

/** Waits until the range in the address is another one. */
export async function moved(
  page: Page,
  act: () => Promise<unknown>,
): Promise<{ from: number; to: number; length: number }> {
  const before = page.url();
  await act();
  await page.waitForURL((url) => url.href !== before);
  await page.locator(".plots[aria-busy=false]").waitFor();
  return rangeOf(page.url());
}

/** Chooses a format in the download dialog, and gives the file. */
export async function download(
  page: Page,
  format: string,
  content?: RegExp,
): Promise<{ name: string; bytes: Buffer }> {
  await page.getByRole("button", { name: "Download …" }).click();
  const dialog = page.getByRole("dialog", { name: "Download" });
  if (content) {
    await dialog.getByLabel(content).check();
  }
  await dialog.getByLabel(new RegExp(`^${format}`)).check();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Download" }).click(),
  ]);
  await dialog.waitFor({ state: "detached" });
  return kept(file);
}

async function kept(file: Download): Promise<{ name: string; bytes: Buffer }> {
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}
