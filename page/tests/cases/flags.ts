import assert from "node:assert/strict";

import type { Locator, Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { drawn, stored } from "../harness/measures.js";
import { copy, signIn, tabTo } from "../harness/people.js";
import { everySecond, experimentWith, open, queryOf } from "../harness/plots.js";

const ten = everySecond({ hertz: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });

/** A part in the middle of the measures, as the address and the API write it. */
const [FROM, TO] = ["2022-04-06T07:00:03Z", "2022-04-06T07:00:06Z"];

browserTest("the range shown is flagged, shaded, left out, shown, and withdrawn", async (visitor, site) => {
  const { page } = await open(visitor, site, ten, `?from=${FROM}&to=${TO}`);
  await page.getByText("3 measures, each of them shown").waitFor();
  assert.equal(await page.getByRole("heading", { name: "Flags" }).count(), 0);
  assert.equal(await page.getByRole("button", { name: "Show flagged measures" }).count(), 0);
  await page.getByRole("button", { name: "Flag …" }).click();
  const form = page.getByRole("dialog", { name: "Flag measures" });
  assert.equal(await form.getByLabel("From (UTC)").inputValue(), "2022-04-06 07:00:03");
  assert.equal(await form.getByLabel("Until (UTC)").inputValue(), "2022-04-06 07:00:06");
  await form.getByLabel("Reason").fill("the lid was open");
  await form.getByRole("button", { name: "Flag", exact: true }).click();
  await page.getByRole("heading", { name: "No measures in this range" }).waitFor();

  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.getByText("7 measures, each of them shown").waitFor();
  await drawn(page);
  await shaded(page, true);
  assert.ok((await painted(page, 0.1, 0.25)) < 0.5, "what is not flagged is shaded");
  const row = flagRow(page, "the lid was open");
  await row.getByText("2022-04-06 07:00:03 to 2022-04-06 07:00:06").waitFor();
  await row.getByText("all measures").waitFor();

  await page.getByRole("button", { name: "Show flagged measures", pressed: false }).click();
  await page.getByText("10 measures, each of them shown").waitFor();
  assert.equal(queryOf(page.url()).get("flagged"), "include");
  await page.reload();
  await page.getByText("10 measures, each of them shown").waitFor();
  await drawn(page);
  await shaded(page, true);
  await page.getByRole("button", { name: "Share …" }).click();
  await copy(page, "Copy curl");
  assert.match(await visitor.clipboard(), /&flagged=include'/);
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Show flagged measures", pressed: true }).click();
  await page.getByText("7 measures, each of them shown").waitFor();

  await row.getByRole("button", { name: /^Withdraw the flag/ }).click();
  await page.getByRole("dialog").getByText("the lid was open").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Withdraw it" }).click();
  await page.getByText("10 measures, each of them shown").waitFor();
  await page.getByText("The flag of 2022-04-06 07:00:03 to 2022-04-06 07:00:06 is withdrawn.").waitFor();
  assert.equal(await row.count(), 0);
  await shaded(page, false);
});

browserTest("another scientist's flag of one sensor is seen, newest first", async (visitor, site) => {
  const counting = Array.from({ length: 2_100 }, (_, index) => (index < 2_095 ? (index % 10) - 7 : 50));
  const experiment = await experimentWith(
    site,
    everySecond({ "hertz@t-1": counting, "hertz@t-2": [5, 6, 7] }),
  );
  const [reader, other] = [await site.newScientist(experiment), await site.newScientist(experiment)];
  const client = await site.as(other);
  await stored(client, experiment, 2_103);
  const flag = (from: string, to: string, reason: string) =>
    client.post(`/experiments/${experiment.experiment_id}/flags/`, { from, to, sensor: "t-1", reason });
  await flag("2022-04-06T07:00:00Z", "2022-04-06T07:00:01Z", "cold");
  await flag("2022-04-06T07:34:55Z", "2022-04-06T08:00:00Z", "the cable was <b>loose</b>");
  const range = "from=2022-04-06T07:00:00Z&to=2022-04-06T08:00:00Z";
  await signIn(visitor, reader, `#/experiments/${experiment.experiment_id}?${range}`);
  const { page } = visitor;
  await page.getByText("Reduced to bins of").waitFor();
  const row = flagRow(page, "the cable was <b>loose</b>");
  await row.getByText("t-1", { exact: true }).waitFor();
  await row.getByText(other.user.user_id, { exact: true }).waitFor();
  const reasons = await page
    .getByRole("table", { name: "List of flags" })
    .getByRole("cell", { name: /cold|loose/ })
    .allInnerTexts();
  assert.deepEqual(reasons, ["the cable was <b>loose</b>", "cold"]);
  // The newest measures are flagged: the last that counts is the one before them.
  const legend = page.getByRole("region", { name: "Legend" }).getByRole("row").filter({ hasText: "t-1" });
  await legend.getByRole("cell").first().getByText("−3.00 Hz").waitFor();
});

browserTest(
  "a sensor is flagged with the keyboard, and errors stand at their fields",
  async (visitor, site) => {
    visitor.expectRefusals(400);
    const { page } = await open(visitor, site, everySecond({ "hertz@t-1": [1, 2], "volt@t-2": [3, 4, 5] }));
    const button = page.getByRole("button", { name: "Flag …" });
    await tabTo(page, button);
    await page.keyboard.press("Enter");
    const form = page.getByRole("dialog", { name: "Flag measures" });
    await form.getByLabel("From (UTC)").fill("someday");
    await page.keyboard.press("Enter");
    await form.getByText("Must be a time from 1970 to 2262").waitFor();
    await focused(form.getByLabel("From (UTC)"));
    await form.getByLabel("From (UTC)").fill("2022-04-06 07:00");
    await page.keyboard.press("Enter");
    await form.getByText("Must not be blank.").waitFor();
    await focused(form.getByLabel("Reason"));
    await form.getByLabel("Reason").fill("no reference");
    await form.getByLabel("Until (UTC)").fill("2022-04-06 06:00");
    await page.keyboard.press("Enter");
    await form.getByText("Must be after the beginning.").waitFor();
    await form.getByLabel("Until (UTC)").fill("2022-04-06 08:00");
    await form.getByLabel("Sensor").selectOption({ label: "t-2" });
    await form.getByLabel("Measure type").selectOption({ label: "volt" });
    await form.getByLabel("Until (UTC)").focus();
    await page.keyboard.press("Enter");
    await page.getByText("2 measures, each of them shown").waitFor();
    await flagRow(page, "no reference").getByText("t-2, volt").waitFor();
    await focused(button);
  },
);

browserTest(
  "an experiment of which every measure is flagged says so, and shows them",
  async (visitor, site) => {
    const experiment = await experimentWith(site, ten);
    const scientist = await site.newScientist(experiment);
    const client = await site.as(scientist);
    await stored(client, experiment, 10);
    const all = { from: "2022-04-06T00:00:00Z", to: "2022-04-07T00:00:00Z", reason: "a rehearsal" };
    await client.post(`/experiments/${experiment.experiment_id}/flags/`, all);
    await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}`);
    const { page } = visitor;
    await page.getByRole("heading", { name: "No measures without a flag" }).waitFor();
    await flagRow(page, "a rehearsal").waitFor();
    await page.getByRole("button", { name: "Show flagged measures" }).click();
    await page.getByText("10 measures, each of them shown").waitFor();
  },
);

function flagRow(page: Page, reason: string): Locator {
  return page.getByRole("table", { name: "List of flags" }).getByRole("row").filter({ hasText: reason });
}

async function focused(field: Locator): Promise<void> {
  await field.and(field.page().locator(":focus")).waitFor();
}

/** Waits until the middle of the plot is shaded or not: it is painted after its numbers. */
function shaded(page: Page, expected: boolean): Promise<true> {
  return eventually(async () => {
    const share = await painted(page, 0.42, 0.55);
    return (expected ? share > 0.99 : share < 0.5) || undefined;
  });
}

/** How much of a part of the first plot, from left to right, has any paint on it. */
function painted(page: Page, from: number, to: number): Promise<number> {
  return page.evaluate(
    ([from, to]) => {
      const canvas = document.querySelector<HTMLCanvasElement>(".plot-frame canvas");
      const over = document.querySelector(".plot-frame .u-over")?.getBoundingClientRect();
      const context = canvas?.getContext("2d");
      if (!canvas || !over || !context) {
        throw new Error("there is no plot");
      }
      const box = canvas.getBoundingClientRect();
      const scale = canvas.width / box.width;
      const { data } = context.getImageData(
        Math.round((over.left - box.left + over.width * from) * scale),
        Math.round((over.top - box.top) * scale),
        Math.round(over.width * (to - from) * scale),
        Math.round(over.height * scale),
      );
      return data.filter((part, index) => index % 4 === 3 && part > 0).length / (data.length / 4);
    },
    [from, to] as const,
  );
}
