import { readFile } from "node:fs/promises";
import { loadavg } from "node:os";

import type { CDPSession, Page } from "playwright-core";
import { bodyOf } from "./harness/adapter.js";
import { makeBrowserTempFolder } from "./harness/browser-temp.js";
import { eventually } from "./harness/eventually.js";

// How an experiment of a million measures feels: `npm run measure`. MYMONIT_BINARY names the
// binary; what it is a build of belongs beside the figures.
process.env.TMPDIR = await makeBrowserTempFolder();
const { Site } = await import("./harness/site.js");
const { PAGE, signIn } = await import("./harness/people.js");
const { binary } = await import("./harness/service.js");
const { traced } = await import("./harness/trace.js");

const COUNT = 1_000_000;
/** As many as a message may hold. */
const MEASURES_PER_MESSAGE = 10_000;
const BEGINNING = 1_650_000_000;
const HOVERS = 100;
/** For a million measures to be stored or reduced, by a debug build on a busy machine too. */
const LONG_MS = 600_000;

const site = await Site.start();
try {
  const experiment = await site.newExperiment("million");
  const scientist = await site.newScientist(experiment);
  const client = await site.as(scientist);
  console.log("publishing a million measures");
  for (let first = 0; first < COUNT; first += MEASURES_PER_MESSAGE) {
    const measures = Array.from({ length: MEASURES_PER_MESSAGE }, (_, index) => ({
      experiment: experiment.name,
      measure: "hertz",
      value: Math.sin((first + index) / 50_000) * 100 + Math.sin(first * index) * 20,
      timestamp: BEGINNING + first + index,
    }));
    await site.publishAll([{ body: bodyOf(measures) }]);
  }
  const last = `/measures/${experiment.experiment_id}?from=${BEGINNING + COUNT - 1}&limit=1`;
  await eventually(
    async () => ((await client.get<unknown[]>(last)).length === 1 ? true : undefined),
    LONG_MS,
  );

  const visitor = await site.visitor(site.service, { viewport: { width: 1280, height: 800 } });
  const { page } = visitor;
  page.setDefaultTimeout(LONG_MS);
  await signIn(visitor, scientist, "#/token");
  const session = await visitor.context.newCDPSession(page);
  await session.send("Performance.enable");
  const rows: string[] = [];
  const record = async (name: string, act: () => Promise<void>, times = 1) => {
    const begun = performance.now();
    const { script, longestTask } = await traced(site.browser, page, act);
    const elapsed = performance.now() - begun;
    const heap = await heapOf(session);
    const memory = await memoryOf(visitor.page);
    rows.push(
      `| ${name} | ${(script / times).toFixed(1)} | ${longestTask.toFixed(1)} | ${(elapsed / times).toFixed(0)} | ${heap.toFixed(1)} | ${memory} |`,
    );
  };
  const view = `${PAGE}#/experiments/${experiment.experiment_id}`;

  await record("load the page at the experiment, with nothing in the cache", async () => {
    await page.goto("about:blank");
    await session.send("Network.clearBrowserCache");
    await page.goto(view);
    await settled(page, /^1.000.000 measures$/);
  });
  const painted = await page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
  );
  await page.goto(`${PAGE}#/experiments`);
  const link = page.getByRole("link", { name: experiment.name });
  await link.waitFor();
  await page.waitForLoadState("networkidle");
  await record("open the experiment", async () => {
    await link.click();
    await settled(page, /^1.000.000 measures$/);
  });
  const over = page.locator(".u-over").first();
  const box = await over.boundingBox();
  if (!box) {
    throw new Error("there is no plot");
  }
  const at = (part: number): [number, number] => [box.x + box.width * part, box.y + box.height / 2];
  await record(
    "point at it (each of 100 moves)",
    async () => {
      for (let move = 0; move < HOVERS; move += 1) {
        await page.mouse.move(...at(0.1 + (0.8 * move) / HOVERS));
      }
      await page.locator(".readout-time").waitFor();
    },
    HOVERS,
  );
  await record("zoom in by drawing over a tenth", async () => {
    await page.mouse.move(...at(0.4));
    await page.mouse.down();
    await page.mouse.move(...at(0.5), { steps: 10 });
    await page.mouse.up();
    await page.waitForURL(/from=/);
    await settled(page, /^\d+.\d{3} measures$/);
  });
  await record("move by a half", () => press(page, "Later"));
  await record("zoom out", () => press(page, "Zoom out"));
  await record("preset: 24 h", () => choose(page, "24 h"));
  await record("preset: 1 h", () => choose(page, "1 h"));
  await record("preset: all", () => choose(page, "All"));
  await record("back button", async () => {
    await page.goBack();
    await settled(page, /measures/);
  });
  await record("open the table", async () => {
    await page.getByText("Table of these values").click();
    await page.locator("details tbody tr").first().waitFor();
  });
  if (visitor.problems.length > 0) {
    throw new Error(visitor.problems.join("\n"));
  }
  await visitor.leave();

  const guest = await site.visitor(site.evaluation, { viewport: { width: 1280, height: 800 } });
  const { signInAs } = await import("./harness/people.js");
  await signInAs(guest, "Peter Higg");
  const begun = performance.now();
  await guest.page.getByRole("link", { name: "device-vibrations" }).click();
  await settled(guest.page, /10 measures/);
  const first = performance.now() - begun;
  await guest.leave();

  console.log(
    "\n| interaction | script, ms | longest task, ms | until it is shown, ms | heap, MB | process, MB |",
  );
  console.log(`|---|---:|---:|---:|---:|---:|\n${rows.join("\n")}\n`);
  console.log(`From the beginning of the load until something is shown: ${painted.toFixed(0)} ms.`);
  console.log(`From the click to the first plot of the evaluation data: ${first.toFixed(0)} ms.`);
  console.log(`Measured: ${binary}, with ${site.browser.version()}, load ${loadavg()[0]?.toFixed(1)}.`);
} finally {
  await site.remove();
}

/** Waits until the requested measures are drawn. */
async function settled(page: Page, status: RegExp): Promise<void> {
  await page.locator(".status").getByText(status).waitFor();
  await page.locator(".plots[aria-busy=false]").waitFor();
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
}

async function press(page: Page, name: string): Promise<void> {
  const before = page.url();
  await page.getByRole("button", { name, exact: true }).click();
  await page.waitForURL((url) => url.href !== before);
  await settled(page, /measures/);
}

async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name, exact: true }).click();
  await page.getByRole("button", { name, exact: true, pressed: true }).waitFor();
  await settled(page, /measures/);
}

/** The JavaScript heap in megabytes, with its garbage. */
async function heapOf(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return (metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Number.NaN) / 1e6;
}

/** The private memory of the renderer process, in megabytes. */
async function memoryOf(page: Page): Promise<string> {
  const session = await site.browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sizes = await Promise.all(
    processInfo
      .filter(({ type }) => type === "renderer")
      .map(async ({ id }) => {
        const rollup = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
        const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(rollup)?.[1] ?? 0);
        return (field("Private_Clean") + field("Private_Dirty")) / 1_000;
      }),
  );
  return page.isClosed() ? "" : Math.max(...sizes).toFixed(0);
}
