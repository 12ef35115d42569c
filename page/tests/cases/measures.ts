import assert from "node:assert/strict";

import type { Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { BEGINNING, drawn, type Measure, measured, series, stored } from "../harness/measures.js";
import { heading, PAGE, signIn, signInAs, tabTo } from "../harness/people.js";
import { download, dragOver, plotBox, queryOf } from "../harness/plots.js";
import type { Site } from "../harness/site.js";

const evaluation = (site: Site) => site.evaluation;

browserTest(
  "the example data are plotted with unit, range and number, and each measure is shown",
  async (visitor, site) => {
    const { page } = visitor;
    await signInAs(visitor, "Peter Higg");
    await page.getByRole("link", { name: "device-vibrations" }).click();
    await heading(page, "device-vibrations");
    await page.getByRole("heading", { name: "hertz frequency, Hz" }).waitFor();
    await page.getByText("10 measures, each of them shown").waitFor();
    await page.getByText(/^2022-04-06 07:00(:00)? to 2022-04-06 07:09(:00)? UTC/).waitFor();
    await drawn(page);

    const client = site.evaluation.client(await site.evaluation.token("S001"));
    const measures = await client.get<Measure[]>("/measures/1?order=asc");
    assert.deepEqual(
      await tableOf(page),
      measures.map(({ value }) => String(value)),
    );
  },
  {},
  evaluation,
);

browserTest(
  "pointing at the plot tells the exact value of the nearest measure",
  async (visitor) => {
    const { page } = visitor;
    await signInAs(visitor, "Peter Higg", "#/experiments/1");
    await drawn(page);
    const box = await plotBox(page);
    const readout = page.locator(".readout");
    await page.mouse.move(box.right - 3, box.middle);
    await readout.getByText("120 Hz").waitFor();
    await page.mouse.move(box.left + 3, box.middle);
    await readout.getByText("100 Hz").waitFor();
  },
  {},
  evaluation,
);

browserTest(
  "with the keyboard alone one signs in, opens an experiment, reads its values and zooms",
  async (visitor, site) => {
    const { page } = visitor;
    const experiment = await site.newExperiment();
    await measured(site, experiment, 10);
    const scientist = await site.newScientist(experiment);
    await page.goto(PAGE);
    await heading(page, "Sign in");
    await tabTo(page, page.getByLabel("E-mail address"));
    await page.keyboard.type(scientist.email);
    await tabTo(page, page.getByLabel("Password"));
    await page.keyboard.type(scientist.password);
    await page.keyboard.press("Enter");
    await heading(page, "Experiments");
    await tabTo(page, page.getByRole("link", { name: experiment.name }));
    await page.keyboard.press("Enter");
    await drawn(page);

    await tabTo(page, page.getByRole("application", { name: "Plot of hertz" }));
    const said = page.locator("[aria-live=polite]");
    await page.keyboard.press("End");
    await said.getByText("9 Hz").waitFor();
    await page.keyboard.press("ArrowLeft");
    await said.getByText("8 Hz").waitFor();
    await page.keyboard.press("Home");
    await said.getByText("0 Hz").waitFor();
    await page.keyboard.press("+");
    await page.waitForURL(/from=.*&to=/);
    await page.keyboard.press("0");
    await page.waitForURL((url) => !url.hash.includes("from="));
    await page.getByText("10 measures, each of them shown").waitFor();
  },
);

browserTest(
  "many measures are reduced by the service, and zooming in shows each of them",
  async (visitor, site) => {
    const { page } = visitor;
    const experiment = await site.newExperiment();
    const client = await measured(site, experiment, 20_000);
    await signIn(visitor, client.account, `#/experiments/${experiment.experiment_id}`);
    await page.getByText(/Reduced to bins of .*: mean as a line, min to max as a band/).waitFor();
    await page.getByText(counted(20_000, "measures")).waitFor();
    await drawn(page);

    await dragOver(page, 0.5, 0.53);
    await page.getByText(/measures, each of them shown/).waitFor();
    assert.equal(await page.getByText("Reduced to bins of").count(), 0);
    await drawn(page);
    const [from, to] = ["from", "to"].map((end) => queryOf(page.url()).get(end));
    const expected = await client.get<Measure[]>(
      `/measures/${experiment.experiment_id}?from=${from}&to=${to}&order=asc`,
    );
    assert.ok(expected.length > 200 && expected.length < 2_000, `${expected.length} measures`);
    await page.getByText(counted(expected.length, "measures, each of them shown")).waitFor();
    assert.deepEqual(
      await tableOf(page),
      expected.slice(0, 50).map(({ value }) => String(value)),
    );
  },
);

browserTest("the address keeps what is seen: it goes back, and can be shared", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const { account } = await measured(site, experiment, 100);
  await signIn(visitor, account, `#/experiments/${experiment.experiment_id}`);
  await page.getByText("100 measures, each of them shown").waitFor();
  await drawn(page);
  await dragOver(page, 0.2, 0.6);
  const part = page.getByText(/^(3|4)\d measures, each of them shown/);
  await part.waitFor();
  const shown = await part.innerText();
  const address = page.url();

  await page.goBack();
  await page.getByText("100 measures, each of them shown").waitFor();
  await page.goForward();
  await page.getByText(shown).waitFor();

  const colleague = await site.visitor(site.service);
  try {
    await colleague.page.goto(address);
    await colleague.page.getByLabel("E-mail address").fill(account.email);
    await colleague.page.getByLabel("Password").fill(account.password);
    await colleague.page.getByRole("button", { name: "Sign in" }).click();
    await colleague.page.getByText(shown).waitFor();
    assert.deepEqual(colleague.problems, []);
  } finally {
    await colleague.leave();
  }
});

browserTest(
  "presets and typed ranges show their part, and a range that makes no sense is refused at its field",
  async (visitor, site) => {
    const { page } = visitor;
    const experiment = await site.newExperiment();
    // One a minute: 120 of them are two hours.
    const { account } = await measured(site, experiment, 120, { every: 60 });
    await signIn(visitor, account, `#/experiments/${experiment.experiment_id}`);
    await page.getByText("120 measures, each of them shown").waitFor();
    await page.getByRole("button", { name: "1 h", exact: true }).click();
    await page.getByText("60 measures, each of them shown").waitFor();
    assert.match(page.url(), /range=1h/);

    await page.getByRole("button", { name: "Range …" }).click();
    await page.getByLabel("From (UTC)").fill("yesterday");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("Not a time from 1970 to 2262").waitFor();
    await page.getByLabel("From (UTC)").fill("2022-04-06 07:10");
    await page.getByLabel("Until (UTC)").fill("2022-04-06 07:00");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("The end must be after the beginning.").waitFor();
    await page.getByLabel("Until (UTC)").fill("2022-04-06 07:30");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("20 measures, each of them shown").waitFor();

    await page.getByRole("button", { name: "Range …" }).click();
    await page.getByLabel("From (UTC)").fill("1999-01-01");
    await page.getByLabel("Until (UTC)").fill("1999-01-02");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByRole("heading", { name: "No measures in this range" }).waitFor();
    await page.getByRole("button", { name: "Show everything" }).click();
    await page.getByText("120 measures, each of them shown").waitFor();
  },
);

browserTest(
  "the form for a range takes the focus, leads to what is wrong, and gives the focus back",
  async (visitor) => {
    const { page } = visitor;
    await signInAs(visitor, "Peter Higg", "#/experiments/1");
    await drawn(page);
    const hasFocus = (name: string) => page.getByLabel(name).and(page.locator(":focus")).waitFor();
    const opening = page.getByRole("button", { name: "Range …" });
    await opening.press("Enter");
    await hasFocus("From (UTC)");
    await page.getByLabel("Until (UTC)").fill("tomorrow");
    await page.keyboard.press("Enter");
    await page.getByText("Not a time from 1970 to 2262").waitFor();
    await hasFocus("Until (UTC)");
    await tabTo(page, page.getByRole("button", { name: "Cancel" }));
    await page.keyboard.press("Enter");
    await page.getByLabel("Until (UTC)").waitFor({ state: "detached" });
    await opening.and(page.locator(":focus")).waitFor();
  },
  {},
  evaluation,
);

for (const { format, label } of [
  { format: "csv", label: "CSV for programs" },
  { format: "ndjson", label: "NDJSON" },
]) {
  browserTest(
    `what is shown is downloaded as ${label}, byte for byte as the API gives it`,
    async (visitor, site) => {
      const { page } = visitor;
      const experiment = await site.newExperiment();
      const client = await measured(site, experiment, 5_000);
      const measures = `/measures/${experiment.experiment_id}?order=asc&format=${format}`;
      const [from, to] = ["2022-04-06T07:10:00Z", "2022-04-06T08:10:00Z"];
      const view = `#/experiments/${experiment.experiment_id}?from=${from}&to=${to}`;
      await signIn(visitor, client.account, view);
      await page.getByText("Reduced to bins of").waitFor();

      const all = await download(page, label, /^All .* measures$/);
      assert.equal(all.name, `${experiment.name}_hertz_20220406T071000Z-20220406T081000Z.${format}`);
      assert.equal(String(all.bytes), await client.text("GET", `${measures}&from=${from}&to=${to}`));
      assert.ok(String(all.bytes).split("\n").length > 3_600);

      const [answered] = await Promise.all([
        page.waitForResponse((response) => response.url().includes("max_points")),
        page.reload(),
      ]);
      const window = answered.headers()["mymonit-window"] ?? "";
      const reduced = await download(page, label, /^What is shown/);
      assert.equal(
        String(reduced.bytes),
        await client.text("GET", `${measures}&from=${from}&to=${to}&window=${window}`),
      );
      assert.ok(String(reduced.bytes).split("\n").length < 1_500);
    },
  );
}

browserTest("new measures are shown as they come, once they are followed", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const { account } = await measured(site, experiment, 3);
  await signIn(visitor, account, `#/experiments/${experiment.experiment_id}`);
  await page.getByText("3 measures, each of them shown").waitFor();
  await page.getByRole("button", { name: "Follow" }).click();
  await page.getByRole("button", { name: "Follow", pressed: true }).waitFor();
  await site.publish(series(experiment, 1, { from: BEGINNING + 60 }));
  await page.getByText("4 measures, each of them shown").waitFor();
  await site.publish(series(experiment, 2, { from: BEGINNING + 120 }));
  await page.getByText("6 measures, each of them shown").waitFor();
});

browserTest(
  "an experiment without measures says so, and shows the first one when it comes",
  async (visitor, site) => {
    const { page } = visitor;
    const experiment = await site.newExperiment();
    await signIn(visitor, await site.newScientist(experiment), `#/experiments/${experiment.experiment_id}`);
    await page.getByRole("heading", { name: "No measures yet" }).waitFor();
    await page.getByRole("button", { name: "Wait for the first measure" }).click();
    await page.getByText("Waiting for the first measure").waitFor();
    await site.publish(series(experiment, 1));
    await page.getByText("1 measure", { exact: true }).waitFor();
  },
);

browserTest("each measure type has a plot with its unit, and can be left out", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const client = await measured(site, experiment, 5);
  await site.publish(series(experiment, 7, { measure: "degree Celsius" }));
  await stored(client, experiment, 12);
  await signIn(visitor, client.account, `#/experiments/${experiment.experiment_id}`);
  await page.getByText("12 measures, each of them shown").waitFor();
  await page.getByRole("heading", { name: /^hertz .*Hz$/ }).waitFor();
  await page.getByRole("heading", { name: /^degree Celsius .*°C$/ }).waitFor();
  await page.getByRole("button", { name: "hertz", pressed: true }).click();
  await page.getByText("7 measures, each of them shown").waitFor();
  await page.getByRole("heading", { name: /^hertz/ }).waitFor({ state: "detached" });
  assert.match(decodeURIComponent(page.url()), /type=degree[ +]Celsius/);
});

browserTest(
  "another scientist's experiment is out of reach, and looks as if there were none",
  async (visitor, site) => {
    visitor.expectRefusals(404);
    const { page } = visitor;
    const own = await site.newExperiment();
    const others = await site.newExperiment("somebody-else's");
    await measured(site, others, 10);
    await signIn(visitor, await site.newScientist(own));
    await page.getByRole("link", { name: own.name }).waitFor();
    assert.equal(await page.getByText(others.name).count(), 0);
    const shown: string[] = [];
    for (const number of [others.experiment_id, 999_999]) {
      await page.goto(`${PAGE}#/experiments/${number}`);
      await heading(page, `Experiment ${number}`);
      await page.getByRole("heading", { name: "Experiment not found" }).waitFor();
      shown.push((await page.locator("main").innerText()).replaceAll(String(number), "N"));
    }
    assert.equal(shown[0], shown[1]);
  },
);

browserTest("a dissociation during live updates is shown, and the plot is removed", async (visitor, site) => {
  visitor.expectRefusals(404);
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const { account } = await measured(site, experiment, 3);
  await signIn(visitor, account, `#/experiments/${experiment.experiment_id}?follow=1`);
  await page.getByText("3 measures, each of them shown").waitFor();
  await drawn(page);
  const administrator = await site.asAdministrator();
  const association = `/scientists-experiments/${experiment.experiment_id}/${account.user.user_id}`;
  await administrator.text("DELETE", association);
  await page.getByRole("heading", { name: "You no longer have access to this experiment" }).waitFor();
  assert.equal(await page.locator("canvas, table").count(), 0);
  assert.equal(await page.getByText("3 measures").count(), 0);

  await administrator.post(association);
  await page.getByRole("link", { name: "Your experiments" }).click();
  await page.getByRole("link", { name: experiment.name }).click();
  await page.getByText("3 measures, each of them shown").waitFor();
});

browserTest(
  "who is dissociated sees no other part of the experiment, nor the one that was shown",
  async (visitor, site) => {
    visitor.expectRefusals(404);
    const { page } = visitor;
    const experiment = await site.newExperiment();
    const { account } = await measured(site, experiment, 100);
    await signIn(visitor, account, `#/experiments/${experiment.experiment_id}`);
    await drawn(page);
    const administrator = await site.asAdministrator();
    await administrator.text(
      "DELETE",
      `/scientists-experiments/${experiment.experiment_id}/${account.user.user_id}`,
    );
    await dragOver(page, 0.2, 0.6);
    await page.getByRole("heading", { name: "You no longer have access to this experiment" }).waitFor();
    await page.goBack();
    await page.waitForURL((url) => !url.hash.includes("from="));
    await page.getByRole("heading", { name: "You no longer have access to this experiment" }).waitFor();
    assert.equal(await page.locator("canvas, table").count(), 0);
  },
);

browserTest("a user erased while following an experiment sees nothing any more", async (visitor, site) => {
  visitor.expectRefusals(403);
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const { account } = await measured(site, experiment, 3);
  await signIn(visitor, account, `#/experiments/${experiment.experiment_id}?follow=1`);
  await drawn(page);
  await (await site.asAdministrator()).text("DELETE", `/users/${account.user.user_id}`);
  await heading(page, "Almost there");
  assert.equal(await page.locator("canvas").count(), 0);
});

browserTest("an administrator sees no measures", async (visitor, site) => {
  visitor.expectRefusals(403);
  await signIn(visitor, site.administrator, "#/experiments/1");
  await visitor.page.getByRole("heading", { name: "Measures are for scientists" }).waitFor();
});

/** The values in the table behind the plot. */
async function tableOf(page: Page): Promise<string[]> {
  await page.getByText("Table of these values").first().click();
  const cells = page.locator("details tbody td.cell-number");
  await cells.first().waitFor();
  return cells.allInnerTexts();
}

/** A number of measures in the page's notation, with any space between thousands, and `rest`. */
function counted(count: number, rest: string): RegExp {
  return new RegExp(`^${String(count).replace(/\B(?=(\d{3})+$)/g, "\\s")} ${rest}$`);
}
