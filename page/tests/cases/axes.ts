import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { drawn } from "../harness/measures.js";
import { everySecond, forgetTicks, moved, open, queryOf, rangeOf, ticksOf } from "../harness/plots.js";

browserTest("an axis of 1 MΩ ± 1 mΩ has an offset, and ticks that differ", async (visitor, site) => {
  const ticks = await ticksOf(visitor.page);
  const values = Array.from({ length: 200 }, (_, index) => 1e6 + 1e-3 * Math.sin(index / 10));
  const { page } = await open(visitor, site, everySecond({ ohm: values }));
  assert.deepEqual(await page.locator(".plot-unit").allInnerTexts(), ["1 MΩ + … mΩ"]);
  const labels = await ticks(/^[+−]?\d+(\.\d+)?$/);
  assert.deepEqual(labels, ["+0.5", "+1.0", "0.0", "−0.5", "−1.0"].sort());
  // The value under the pointer has all its digits.
  await page.getByRole("application", { name: "Plot of ohm" }).press("Home");
  await page.locator(".readout").getByText("1 MΩ", { exact: false }).waitFor();
});

browserTest("units take prefixes, and those that take none have none", async (visitor, site) => {
  const { page } = await open(
    visitor,
    site,
    everySecond({
      pascal: [101_300, 101_400],
      farad: [4.7e-12, 4.8e-12],
      volt: [0.0041, 0.0043],
      "degree Celsius": [1_450, 1_500],
    }),
  );
  assert.deepEqual(await page.locator(".plot-unit").allInnerTexts(), ["°C", "pF", "kPa", "mV"]);
  await page.getByRole("application", { name: "Plot of farad" }).press("Home");
  await page.locator(".readout").getByText("4.7 pF").waitFor();
});

browserTest(
  "values beside each other are written alike, in the legend and in the table",
  async (visitor, site) => {
    const { page } = await open(
      visitor,
      site,
      everySecond({ farad: [1.5e-9, 0.000_001_234_567_890_123, 2e-7] }),
    );
    const cells = await page.getByRole("region", { name: "Legend" }).getByRole("cell").allInnerTexts();
    const [last, min, max, mean] = cells.map((cell) => cell.split("\n").at(-1));
    assert.deepEqual([last, min, max, mean], ["0.200 µF", "0.002 µF", "1.235 µF", "0.479 µF"]);
    await page.getByText("Table of these values").click();
    await page.getByRole("columnheader", { name: "Value (µF)" }).waitFor();
    assert.deepEqual(await page.locator("details td.cell-number").allInnerTexts(), [
      "0.0015",
      "1.234567890123",
      "0.2",
    ]);
  },
);

browserTest("values too far apart for one power of ten are all scientific", async (visitor, site) => {
  const { page } = await open(visitor, site, everySecond({ pascal: [2e-9, 101_325, 0] }));
  await page.getByText("Table of these values").click();
  await page.getByRole("columnheader", { name: "Value (Pa)" }).waitFor();
  assert.deepEqual(await page.locator("details td.cell-number").allInnerTexts(), [
    "2 × 10⁻⁹",
    "1.01325 × 10⁵",
    "0",
  ]);
});

browserTest(
  "zooming leads to nanoseconds, with hours on the axis, and says where it ends",
  async (visitor, site) => {
    const { page } = visitor;
    const ticks = await ticksOf(page);
    const measures = Array.from({ length: 9 }, (_, index) => ({
      measure: "volt",
      value: index,
      timestamp: `2024-03-01T12:00:30.0000000${String(10 + index * 5)}Z`,
    }));
    await open(visitor, site, measures);
    const labels = await ticks(/^12:00:30\.\d{8,9}$/);
    assert.ok(labels.length >= 4, labels.join(" "));
    await page.getByText("9 measures, each of them shown").waitFor();
    // Each measure has its own position.
    const plot = page.getByRole("application", { name: "Plot of volt" });
    const places: number[] = [];
    for (const key of ["Home", "ArrowRight", "ArrowRight"]) {
      await plot.press(key);
      places.push((await page.locator(".u-cursor-x").boundingBox())?.x ?? Number.NaN);
    }
    assert.ok(new Set(places.map(Math.round)).size === 3, places.join(" "));
    await forgetTicks(page);
    for (const length of [20, 10]) {
      await moved(page, () => page.getByRole("button", { name: "Zoom in" }).click());
      const ends = ["from", "to"].map((end) => queryOf(page.url()).get(end)?.slice(20, -1).padEnd(9, "0"));
      assert.equal(Number(ends[1]) - Number(ends[0]), length, ends.join(" to "));
    }
    const closest = page.getByText("This is the closest zoom: timestamps are whole nanoseconds");
    await closest.waitFor();
    const before = page.url();
    assert.equal(await page.getByRole("button", { name: "Zoom in" }).getAttribute("aria-disabled"), "true");
    await plot.press("+");
    await page.locator("[aria-live=polite]").getByText("This is the closest zoom").waitFor();
    assert.equal(page.url(), before);
  },
);

browserTest("a preset has round ends", async (visitor, site) => {
  const at = (text: string) => ({ measure: "hertz", value: 1, timestamp: text });
  const { page } = await open(visitor, site, [
    at("2024-03-01T00:41:08.135Z"),
    at("2024-03-01T01:41:08.136Z"),
    at("2024-02-28T01:41:08.136000001Z"),
  ]);
  await page.getByRole("button", { name: "1 h", exact: true }).click();
  await page.locator(".status").getByText("2024-03-01 00:41:09 to 2024-03-01 01:41:09 UTC").waitFor();
  await page.getByRole("button", { name: "24 h", exact: true }).click();
  await page.locator(".status").getByText("2024-02-29 01:42:00 to 2024-03-01 01:42:00 UTC").waitFor();
  await drawn(page);
  assert.match(page.url(), /range=24h/);
  const { from, length } = await moved(page, () => page.getByRole("button", { name: "Zoom in" }).click());
  assert.equal(rangeOf(page.url()).from % 60_000, 0, String(from));
  assert.equal(length, 12 * 3_600_000);
});
