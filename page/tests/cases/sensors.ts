import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { browserTest } from "../harness/browser-test.js";
import { makeFolder } from "../harness/folders.js";
import { BEGINNING, drawn, stored } from "../harness/measures.js";
import { copy, signIn } from "../harness/people.js";
import { download, everySecond, experimentWith, open, queryOf } from "../harness/plots.js";

const two = everySecond({
  "degree Celsius@t-1": [20, 21, 22],
  "degree Celsius@t-2": [30, 31, 32],
  "volt@t-1": [1, 2, 3],
  hertz: [50],
});

browserTest("each sensor is a line of its own, named in plot, legend and table", async (visitor, site) => {
  const { page } = await open(visitor, site, two);
  await page.getByText("10 measures, each of them shown").waitFor();
  assert.equal(await page.locator(".plot-card").count(), 3);
  const legend = page.getByRole("region", { name: "Legend" });
  assert.deepEqual(
    (await legend.getByRole("rowheader").allInnerTexts()).map((text) => text.trim()),
    ["t-1, degree Celsius", "t-2, degree Celsius", "hertz", "t-1, volt"],
  );
  const row = legend.getByRole("row").filter({ hasText: "t-2" });
  assert.deepEqual((await row.getByRole("cell").allInnerTexts()).slice(0, 6), [
    "32.00 °C",
    "30.00 °C",
    "32.00 °C",
    "31.00 °C",
    "0.8165 °C",
    "3",
  ]);
  const card = page.locator(".plot-card").first();
  assert.deepEqual(
    (await card.locator(".plot-series").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " ").trim()),
    ["t-1 °C", "t-2 °C"],
  );
  const colours = await card
    .locator(".plot-keys .swatch")
    .evaluateAll((all) => all.map((each) => getComputedStyle(each).backgroundColor));
  assert.equal(new Set(colours).size, 2);
  await page.getByRole("application", { name: "Plot of degree Celsius" }).press("Home");
  await page.locator("[aria-live=polite]").getByText("t-1 20 °C; t-2 30 °C").waitFor();
  await card.getByText("Table of these values").click();
  await card.getByRole("rowheader").first().waitFor();
  assert.equal(await card.getByRole("cell").first().innerText(), "20");
  await card.getByLabel("Series").selectOption("t-2");
  await card.getByRole("cell", { name: "30", exact: true }).waitFor();
});

browserTest("a single series is hidden, and the others keep their colours", async (visitor, site) => {
  const { page } = await open(visitor, site, two);
  const legend = page.getByRole("region", { name: "Legend" });
  const swatch = (name: string) =>
    legend
      .getByRole("row")
      .filter({ hasText: name })
      .locator(".swatch")
      .evaluate((each) => getComputedStyle(each).backgroundColor);
  const before = await swatch("t-2, degree Celsius");
  await legend.getByRole("button", { name: "t-1, degree Celsius", exact: true, pressed: true }).click();
  await page.getByText("7 measures, each of them shown").waitFor();
  assert.deepEqual(queryOf(page.url()).getAll("hide"), ["degree Celsius\tt-1"]);
  assert.equal(await swatch("t-2, degree Celsius"), before);
  await page.reload();
  await page.getByText("7 measures, each of them shown").waitFor();
  await legend.getByRole("button", { name: "t-1, degree Celsius", exact: true, pressed: false }).click();
  await page.getByText("10 measures, each of them shown").waitFor();
  await legend.getByRole("button", { name: "Show t-2, degree Celsius alone" }).click();
  await page.getByText("3 measures, each of them shown").waitFor();
  assert.deepEqual(
    ["type", "sensor", "hide"].map((name) => queryOf(page.url()).getAll(name)),
    [["degree Celsius"], ["t-2"], []],
  );
});

browserTest("series are filtered by sensor, also for measures without one", async (visitor, site) => {
  const { page } = await open(visitor, site, two);
  await page.getByRole("button", { name: "Series: all 4 …" }).click();
  const dialog = page.getByRole("dialog", { name: "Series" });
  await dialog.getByLabel("Find").fill("t-1");
  await dialog.getByRole("button", { name: "Choose only the 2 found" }).click();
  await dialog.getByText("2 series chosen").waitFor();
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("6 measures, each of them shown").waitFor();
  assert.deepEqual(queryOf(page.url()).getAll("sensor"), ["t-1"]);
  await page.getByRole("button", { name: "Series: 2 of 4 …" }).click();
  await dialog.getByRole("button", { name: "Choose none" }).click();
  assert.ok(await dialog.getByRole("button", { name: "Show", exact: true }).isDisabled());
  await dialog.getByLabel("without a sensor").check();
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("1 measure", { exact: true }).waitFor();
  assert.deepEqual(queryOf(page.url()).getAll("sensor"), [""]);
  await page.reload();
  await page.getByText("1 measure", { exact: true }).waitFor();
});

browserTest("a sensor that one of two experiments has is asked of that one alone", async (visitor, site) => {
  const { page } = visitor;
  const one = await experimentWith(site, everySecond({ "hertz@t-1": [1, 2], "hertz@t-2": [3] }), "left");
  const other = await experimentWith(site, everySecond({ "hertz@t-2": [4, 5, 6] }), "right");
  const scientist = await site.newScientist(one, other);
  const client = await site.as(scientist);
  await stored(client, one, 3);
  await stored(client, other, 3);
  await signIn(
    visitor,
    scientist,
    `#/experiments/${one.experiment_id}?beside=${other.experiment_id}&sensor=t-1`,
  );
  await page.getByText("2 measures, each of them shown").waitFor();
});

browserTest("of many sensors the first twenty are drawn, and others can be chosen", async (visitor, site) => {
  const many = Object.fromEntries(
    Array.from({ length: 25 }, (_, index) => [`hertz@s-${index + 1}`, [index]]),
  );
  const { page } = await open(visitor, site, everySecond(many));
  await page.getByText("The first 20 of 25 series are shown").waitFor();
  await page.getByText("20 measures, each of them shown").waitFor();
  const legend = page.getByRole("region", { name: "Legend" });
  await legend.getByRole("button", { name: "s-20", exact: true }).waitFor();
  assert.equal(await legend.getByRole("button", { name: "s-21", exact: true }).count(), 0);
  await page.getByRole("button", { name: "Choose series …" }).click();
  const dialog = page.getByRole("dialog", { name: "Series" });
  await dialog.getByRole("button", { name: "Choose none" }).click();
  await dialog.getByLabel("s-25").check();
  await dialog.getByLabel("s-2 hertz").check();
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("2 measures, each of them shown").waitFor();
  assert.deepEqual(queryOf(page.url()).getAll("sensor"), ["s-2", "s-25"]);
});

browserTest("a sensor that begins to measure is shown as it comes", async (visitor, site) => {
  const { page, experiment } = await open(visitor, site, everySecond({ "hertz@t-1": [1, 2] }), "?follow=1");
  await page.getByText("2 measures, each of them shown").waitFor();
  await site.publish({
    experiment: experiment.name,
    measure: "hertz",
    sensor: "t-2",
    value: 9,
    timestamp: BEGINNING + 5,
  });
  await page.getByText("3 measures, each of them shown").waitFor();
  await page
    .getByRole("region", { name: "Legend" })
    .getByRole("button", { name: "t-2", exact: true })
    .waitFor();
});

browserTest("the last value of a reduced series is that of its sensor", async (visitor, site) => {
  const values = (last: number) =>
    Array.from({ length: 2_000 }, (_, index) => (index < 1_999 ? last + (index % 10) : last));
  const { page } = await open(
    visitor,
    site,
    everySecond({ "hertz@t-1": values(-7), "hertz@t-2": values(-8) }),
  );
  await page.getByText("Reduced to bins of").waitFor();
  const legend = page.getByRole("region", { name: "Legend" });
  const last = (sensor: string) =>
    legend.getByRole("row").filter({ hasText: sensor }).getByRole("cell").first();
  await last("t-1").getByText("−7.00 Hz").waitFor();
  await last("t-2").getByText("−8.00 Hz").waitFor();
});

browserTest("what is taken along is what is shown, and says of which sensors", async (visitor, site) => {
  const { page, experiment } = await open(visitor, site, two, "?hide=degree+Celsius%09t-1&hide=hertz%09");
  await page.getByText("6 measures, each of them shown").waitFor();
  await page.getByRole("button", { name: "Download …" }).click();
  await page.getByRole("dialog").getByText("t-2, degree Celsius; t-1, volt. 2 files.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Share …" }).click();
  await copy(page, "Copy curl");
  const folder = await makeFolder();
  const scientist = await site.newScientist(experiment);
  await promisify(execFile)("bash", ["-euc", await visitor.clipboard()], {
    cwd: folder,
    env: { PATH: process.env.PATH, TOKEN: await site.firebase.idToken(scientist) },
  });
  const range = "20220406T070000Z-20220406T070002Z";
  const names = (await readdir(folder)).sort();
  assert.deepEqual(names, [
    `${experiment.name}_degree-Celsius_t-2_${range}.csv`,
    `${experiment.name}_volt_t-1_${range}.csv`,
  ]);
  const client = await site.as(scientist);
  const path = `/measures/${experiment.experiment_id}?order=asc&format=csv`;
  assert.equal(
    await readFile(`${folder}/${names[0]}`, "utf8"),
    await client.text("GET", `${path}&type=degree%20Celsius&sensor=t-2`),
  );
});

browserTest("the view is saved as Arrow, raw or as bins", async (visitor, site) => {
  const values = Array.from({ length: 3_000 }, (_, index) => index);
  const { page, experiment } = await open(visitor, site, everySecond({ "hertz@t-1": values }));
  await page.getByText("Reduced to bins of").waitFor();
  const bins = await download(page, "Arrow");
  assert.match(bins.name, new RegExp(`^${experiment.name}_hertz_t-1_.*_bins-\\d+s\\.arrows$`));
  const raw = await download(page, "Arrow", /^All/);
  assert.match(raw.name, /T074959Z\.arrows$/);
  // An Arrow stream begins with a continuation mark; three columns of eight bytes fill at least
  // this.
  assert.equal(raw.bytes.readUInt32LE(0), 0xffffffff);
  assert.ok(raw.bytes.length > 16 * 3_000, `${raw.bytes.length} bytes`);
  assert.ok(bins.bytes.length < raw.bytes.length);
});

browserTest("the PNG names the sensors", async (visitor, site) => {
  const { page, experiment } = await open(visitor, site, two, "?type=degree+Celsius");
  await drawn(page);
  const { name } = await download(page, "PNG");
  assert.equal(name, `${experiment.name}_degree-Celsius_t-1+t-2_20220406T070000Z-20220406T070002Z.png`);
});
