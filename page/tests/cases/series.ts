import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { drawn, stored } from "../harness/measures.js";
import { signIn } from "../harness/people.js";
import { everySecond, experimentWith, open, plotBox, queryOf } from "../harness/plots.js";

const three = everySecond({ hertz: [1, 2, 3, 6], volt: [0.5, 0.25, 0.75], ohm: [100, 200] });

browserTest("the legend tells last, min, max, mean, std and count of each series", async (visitor, site) => {
  const { page } = await open(visitor, site, three);
  const legend = page.getByRole("region", { name: "Legend" });
  assert.deepEqual(await legend.getByRole("columnheader").allInnerTexts(), [
    "Series",
    "Last",
    "Min",
    "Max",
    "Mean",
    "Std",
    "Count",
    "Alone",
  ]);
  const row = legend.getByRole("row").filter({ hasText: "hertz" });
  assert.deepEqual((await row.getByRole("cell").allInnerTexts()).slice(0, 6), [
    "6.00 Hz",
    "1.00 Hz",
    "6.00 Hz",
    "3.00 Hz",
    "1.871 Hz",
    "4",
  ]);
});

browserTest("the last value of a reduced series is the last measure", async (visitor, site) => {
  const values = Array.from({ length: 5_000 }, (_, index) => (index === 4_999 ? -7 : index % 10));
  const { page } = await open(visitor, site, everySecond({ hertz: values }));
  await page.getByText("Reduced to bins of").waitFor();
  const cell = page.getByRole("region", { name: "Legend" }).getByRole("cell").first();
  await cell.getByText("−7.00 Hz").waitFor();
});

browserTest("series are hidden, shown alone and brought back, by the address too", async (visitor, site) => {
  const { page } = await open(visitor, site, three);
  const legend = page.getByRole("region", { name: "Legend" });
  await legend.getByRole("button", { name: "volt", pressed: true }).click();
  await page.getByText("6 measures, each of them shown").waitFor();
  await legend.getByRole("button", { name: "volt", pressed: false }).waitFor();
  await legend.getByRole("button", { name: "Show ohm alone" }).click();
  await page.getByText("2 measures, each of them shown").waitFor();
  assert.deepEqual(queryOf(page.url()).getAll("type"), ["ohm"]);
  assert.equal(await page.locator(".plot-card").count(), 1);
  await legend.getByRole("button", { name: "All series" }).click();
  await page.getByText("9 measures, each of them shown").waitFor();
  await page.goBack();
  await page.getByText("2 measures, each of them shown").waitFor();
});

browserTest("all types are drawn in one plot with an axis for each unit", async (visitor, site) => {
  const { page } = await open(visitor, site, three);
  await page.getByLabel("Plots", { exact: true }).selectOption("together");
  const plot = page.getByRole("application", { name: "Plot of All series" });
  await plot.waitFor();
  await drawn(page);
  assert.equal(await page.locator(".plot-card").count(), 1);
  assert.deepEqual(await page.locator(".plot-unit").allInnerTexts(), ["Hz", "Ω", "mV"]);
  const colours = await page
    .locator(".plot-keys .swatch")
    .evaluateAll((all) => all.map((each) => getComputedStyle(each).backgroundColor));
  assert.equal(new Set(colours).size, 3);
  await plot.press("Home");
  const said = page.locator("[aria-live=polite]");
  await said.getByText("hertz 1 Hz; ohm 100 Ω; volt 500 mV").waitFor();
  const box = await plotBox(page);
  await page.mouse.move(box.right - 4, box.middle);
  await page.locator(".readout").getByText("hertz 6 Hz").waitFor();
  // One axis is changed without the others.
  await page.getByLabel("Y axis in Ω").selectOption("log");
  await page.locator(".plot-unit").getByText("Ω (logarithmic)").waitFor();
  assert.equal(await page.locator(".plot-unit").getByText("logarithmic").count(), 1);
  await page.reload();
  await plot.waitFor();
  await page.locator(".plot-unit").getByText("Ω (logarithmic)").waitFor();
});

browserTest("two experiments are compared on the same axes", async (visitor, site) => {
  const { page } = visitor;
  const [one, other] = [
    await experimentWith(site, everySecond({ hertz: [1, 2, 3] }), "left"),
    await experimentWith(site, everySecond({ hertz: [4, 5], volt: [1] }), "right"),
  ];
  const scientist = await site.newScientist(one, other);
  const client = await site.as(scientist);
  await stored(client, one, 3);
  await stored(client, other, 3);
  await signIn(visitor, scientist, `#/experiments/${one.experiment_id}`);
  await drawn(page);
  await page.getByLabel("Compare with").selectOption(other.name);
  await page.waitForURL(new RegExp(`beside=${other.experiment_id}`));
  await page.getByText("6 measures, each of them shown").waitFor();
  await drawn(page);
  assert.equal(await page.locator(".plot-card").count(), 2);
  const keys = page.locator(".plot-card").first().locator(".plot-series");
  assert.deepEqual(
    (await keys.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " ").trim()),
    [`hertz of ${one.name} Hz`, `hertz of ${other.name} Hz`],
  );
  await page.getByRole("button", { name: `Remove ${other.name} from the comparison` }).click();
  await page.getByText("3 measures, each of them shown").waitFor();
});

browserTest("an experiment of other scientists is not offered for comparison", async (visitor, site) => {
  const foreign = await experimentWith(site, everySecond({ hertz: [1, 2] }), "foreign");
  const { page } = await open(
    visitor,
    site,
    everySecond({ hertz: [1, 2, 3] }),
    `?beside=${foreign.experiment_id}`,
  );
  await page.getByText("3 measures, each of them shown").waitFor();
  assert.equal(await page.getByText(foreign.name).count(), 0);
});
