import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { Visitor } from "../harness/browser.js";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { drawn, series, stored } from "../harness/measures.js";
import { PAGE, prepared, signIn } from "../harness/people.js";
import { everySecond, open, ticksOf } from "../harness/plots.js";
import type { Site } from "../harness/site.js";

/** Opens an experiment with measures of some types, one a second. */
async function openWith(
  visitor: Visitor,
  site: Site,
  values: Record<string, readonly number[]>,
): Promise<Page> {
  return (await open(visitor, site, everySecond(values))).page;
}

browserTest("values of any size are drawn, and the axis says in which unit", async (visitor, site) => {
  const { MAX_VALUE } = Number;
  const page = await openWith(visitor, site, {
    ohm: [MAX_VALUE, -MAX_VALUE, 0, 1],
    farad: [2e-12, 3e-12],
    volt: [230, 231],
  });
  const units = await page.locator(".plot-unit").allInnerTexts();
  assert.deepEqual(units, ["pF", "10³⁰⁶ Ω", "V"]);
  // The shown value stays exact.
  await page.getByRole("application", { name: "Plot of ohm" }).press("Home");
  await page.locator(".readout").getByText("1.7976931348623157 × 10³⁰⁸ Ω").waitFor();
});

browserTest("a moment stands at the same place in all plots of a view", async (visitor, site) => {
  const page = await openWith(visitor, site, { volt: [1, 2, 3], watt: [123_000, 123_000.25], lux: [5, 6] });
  const lefts = () =>
    page.locator(".u-over").evaluateAll((all) => all.map((each) => each.getBoundingClientRect().left));
  const first = await eventually(async () => {
    const [first = 0, ...others] = await lefts();
    return first > 0 && others.length === 2 && others.every((left) => left === first) ? first : undefined;
  });
  // Without the one that needs the most room, the others need less.
  await page.getByRole("button", { name: "watt", pressed: true }).click();
  await page.locator(".plots[aria-busy=false] .u-over").nth(2).waitFor({ state: "detached" });
  await page.waitForFunction(
    (before) =>
      [...document.querySelectorAll(".u-over")].every((each) => each.getBoundingClientRect().left < before),
    first,
  );
});

for (const timezoneId of ["Europe/Zurich", "America/Los_Angeles"]) {
  browserTest(
    `the axis tells UTC while the clocks of ${timezoneId} are changed`,
    async (visitor, site) => {
      const ticks = await ticksOf(visitor.page);
      const experiment = await site.newExperiment();
      // Clocks go forward at 01:00Z in Zurich on the 30th, and at 10:00Z in Los Angeles on the 9th.
      const [day, hours] =
        timezoneId === "Europe/Zurich" ? ["2025-03-30", [0, 1, 2, 3]] : ["2025-03-09", [9, 10, 11, 12]];
      const at = (hour: number) => `${day}T${String(hour).padStart(2, "0")}:00:00Z`;
      await site.publish(
        series(experiment, 181, { from: Date.parse(at(hours[0] as number)) / 1_000, every: 60 }),
      );
      const scientist = await site.newScientist(experiment);
      await stored(await site.as(scientist), experiment, 181);
      const range = `?from=${at(hours[0] as number)}&to=${at(hours[3] as number)}`;
      await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}${range}`);
      await drawn(visitor.page);
      const times = await ticks(/^\d\d:\d\d$/);
      const expected = (hours as number[]).map((hour) => at(hour).slice(11, 16));
      assert.deepEqual(
        times.filter((time) => time.endsWith(":00")),
        expected,
      );
      assert.equal(distances(times, 1).size, 1, times.join(" "));
    },
    { timezoneId },
  );
}

/** The distances of times such as `minutes:seconds`, in `parts` of the smaller unit. */
function distances(times: readonly string[], parts: number): Set<number> {
  const counts = times.map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)));
  return new Set(counts.slice(1).map((count, index) => Math.round((count - (counts[index] ?? 0)) * parts)));
}

browserTest("a plot acts on what is shown now, not on what was when it was made", async (visitor, site) => {
  const { page } = visitor;
  const values = Array.from({ length: 100 }, (_, index) => index);
  await openWith(visitor, site, { hertz: values, watt: values });
  await page.goto(`${page.url()}?from=2022-04-06T07:00:00Z&to=2022-04-06T07:00:10Z`);
  await page.reload();
  await page.getByText("20 measures, each of them shown").waitFor();
  await drawn(page);
  // There are more of them than there were.
  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.getByText("200 measures, each of them shown").waitFor();
  await drawn(page);
  const box = await page.locator(".u-over").first().boundingBox();
  assert.ok(box);
  const at = (part: number): [number, number] => [box.x + box.width * part, box.y + box.height / 2];
  await page.mouse.move(...at(0.99));
  await page.locator(".readout").getByText("99 Hz").waitFor();
  // The selection is kept.
  await page.getByRole("button", { name: "watt", pressed: true }).click();
  await page.getByText("100 measures, each of them shown").waitFor();
  await drawn(page);
  await page.mouse.move(...at(0.25));
  await page.mouse.down();
  await page.mouse.move(...at(0.75), { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=.*&to=.*type=hertz/);
  const lengthOf = (url: string) => {
    const query = new URLSearchParams(url.split("?")[1]);
    return Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "");
  };
  const before = lengthOf(page.url());
  await page.keyboard.down("Control");
  for (const turns of [1, 2]) {
    await page.mouse.wheel(0, -100);
    await page.waitForURL((url) => Math.abs(lengthOf(url.href) / before - 0.8 ** turns) < 0.01);
    await page.locator(".plots[aria-busy=false]").waitFor();
  }
  await page.keyboard.up("Control");
});

browserTest(
  "what a finger has read stays to be seen when it is lifted",
  async (visitor, site) => {
    const page = await openWith(visitor, site, { hertz: [7, 7, 7] });
    await page.getByText("Touch the plot for exact values").waitFor();
    const plot = page.locator(".u-over");
    await plot.scrollIntoViewIfNeeded();
    await plot.tap();
    await page.locator(".readout").getByText("7 Hz").waitFor();
    // What browsers tell when a finger is lifted, some sooner and some later.
    await plot.dispatchEvent("mouseleave");
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    assert.match(await page.locator(".readout").innerText(), /7 Hz$/);
  },
  { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
);

browserTest("a plot takes the colours of the theme that is chosen, and of paper", async (visitor, site) => {
  const { page } = visitor;
  await page.emulateMedia({ colorScheme: "dark" });
  await openWith(visitor, site, { hertz: [1, 2, 3] });
  await page.getByRole("button", { name: "Theme: system. Change to light" }).click();
  await drawn(page);
  await page.getByRole("button", { name: "Theme: light. Change to dark" }).click();
  await drawn(page);
  await page.emulateMedia({ media: "print" });
  assert.equal(
    await page.evaluate(() => getComputedStyle(document.querySelector("h1") as Element).color),
    "rgb(20, 32, 30)",
  );
  await drawn(page);
  const { width = 0, height = 0 } = (await page.locator(".plot-frame canvas").boundingBox()) ?? {};
  assert.ok(width > 100 && height > 50, `${width} by ${height} pixels`);
  assert.equal(await page.getByRole("navigation", { name: "Main" }).isVisible(), false);
});

browserTest("a scientist's plots are prepared while nothing else is to be done", async (visitor, site) => {
  const { page } = visitor;
  await signIn(visitor, await site.newScientist(), "#/token");
  await prepared(page);
});

browserTest(
  "measures within a millisecond are distinguishable, and the axis has ticks",
  async (visitor, site) => {
    const { page } = visitor;
    const ticks = await ticksOf(page);
    const experiment = await site.newExperiment();
    const timestamps = ["2024-03-01T12:00:30.0001Z", "2024-03-01T12:00:30.0004Z"];
    await site.publish(
      timestamps.map((timestamp, value) => ({
        experiment: experiment.name,
        measure: "hertz",
        value,
        timestamp,
      })),
    );
    const scientist = await site.newScientist(experiment);
    await stored(await site.as(scientist), experiment, 2);
    await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}`);
    await drawn(page);
    const times = (await ticks(/^\d\d:\d\d:\d\d\.\d{5}$/)).map((time) => time.slice(3));
    assert.ok(times.length >= 5, times.join(" "));
    assert.equal(distances(times, 100_000).size, 1, times.join(" "));
    const plot = page.getByRole("application", { name: "Plot of hertz" });
    const places: number[] = [];
    for (const key of ["Home", "End"]) {
      await plot.press(key);
      places.push((await page.locator(".u-cursor-x").boundingBox())?.x ?? Number.NaN);
    }
    assert.ok((places[1] ?? 0) - (places[0] ?? 0) > 100, places.join(" "));
  },
);

browserTest("a page that is still to be loaded says so, and no more once it is there", async ({ page }) => {
  let letIn = () => {};
  const gate = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  await page.route(/\/assets\/index-.*\.js$/, async (route) => {
    await gate;
    await route.continue();
  });
  await page.goto(PAGE, { waitUntil: "commit" });
  await page.getByText("Loading MyMONIT …").waitFor();
  letIn();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByText("Loading MyMONIT").count(), 0);
});
