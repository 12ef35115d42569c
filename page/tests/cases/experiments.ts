import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { stored } from "../harness/measures.js";
import { asAdministrator, heading, signIn } from "../harness/people.js";
import { everySecond, experimentWith } from "../harness/plots.js";
import type { Experiment } from "../harness/site.js";

browserTest(
  "an administrator adds an experiment, and a name that is taken is refused at its field",
  async (visitor, site) => {
    visitor.expectRefusals(409);
    const taken = await site.newExperiment("taken");
    const name = site.fresh("neutrino-flux");
    const page = await asAdministrator(visitor, site, "experiments");
    await page.getByRole("button", { name: "Add an experiment" }).click();
    const form = page.getByRole("dialog", { name: "Add an experiment" });
    await form.getByLabel("Name").fill(taken.name);
    await form.getByRole("button", { name: "Add" }).click();
    await form.getByText("Is in use by another experiment.").waitFor();
    await form.getByLabel("Name").fill(name);
    await form.getByRole("button", { name: "Add" }).click();
    await page.getByText(`${name} was added.`).waitFor();
    await page.getByLabel("Find").fill(name);
    await page.getByRole("rowheader", { name }).waitFor();

    const experiments = await (await site.asAdministrator()).get<Experiment[]>("/experiments/");
    assert.equal(experiments.filter((experiment) => experiment.name === name).length, 1);
  },
);

browserTest(
  "an administrator changes name and description of an experiment, and archives it",
  async (visitor, site) => {
    const experiment = await site.newExperiment();
    const name = site.fresh("renamed");
    const page = await asAdministrator(visitor, site, "experiments");
    await page.getByLabel("Find").fill(experiment.name);
    await page.getByRole("button", { name: `Change ${experiment.name}`, exact: true }).click();
    const form = page.getByRole("dialog", { name: `Change ${experiment.name}` });
    await form.getByLabel("Name").fill(name);
    await form.getByLabel("Description").fill("Muons at the surface");
    await form.getByLabel("Archived").check();
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByText(`${name} was changed.`).waitFor();
    await page.getByLabel("Find").fill(name);
    await page.getByRole("row").filter({ hasText: name }).getByText("archived").waitFor();

    const stored = await (await site.asAdministrator()).get<Experiment>(
      `/experiments/${experiment.experiment_id}`,
    );
    assert.deepEqual(stored, {
      experiment_id: experiment.experiment_id,
      name,
      description: "Muons at the surface",
      archived: true,
    });
  },
);

browserTest("an administrator describes a sensor, and its scientists see that", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await experimentWith(site, everySecond({ "hertz@t/1": [1, 2], "hertz@t-2": [3] }));
  const scientist = await site.newScientist(experiment);
  await stored(await site.as(scientist), experiment, 3);
  await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
  const table = page.getByRole("region", { name: "Sensors" }).getByRole("table");
  await table.getByRole("rowheader", { name: "t-2" }).waitFor();
  await page.getByRole("button", { name: "Describe t/1" }).click();
  const form = page.getByRole("dialog", { name: "Describe t/1" });
  await form.getByLabel("Description").fill("PT100 at the inlet");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("t/1 was described.").waitFor();
  await table.getByText("PT100 at the inlet").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in");
  await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}`);
  await page.getByRole("region", { name: "Legend" }).getByText("PT100 at the inlet").waitFor();
});

browserTest(
  "the list of experiments tells their description, their series and when the last measure was",
  async (visitor, site) => {
    const { page } = visitor;
    const now = Math.floor(Date.now() / 1_000);
    const measure = (timestamp: number, sensor: string) => ({
      measure: "hertz",
      value: 1,
      timestamp,
      sensor,
    });
    const live = await experimentWith(site, [measure(now - 600, "a"), measure(now - 7_200, "b")], "live");
    const silent = await experimentWith(site, [measure(now - 3 * 86_400 - 60, "a")], "silent");
    const over = await experimentWith(site, [measure(1_600_000_000, "a")], "over");
    const empty = await site.newExperiment("empty");
    const administrator = await site.asAdministrator();
    await administrator.text("PUT", `/experiments/${live.experiment_id}`, {
      name: live.name,
      description: "Muons at the surface",
    });
    const scientist = await site.newScientist(over, live, silent, empty);
    const client = await site.as(scientist);
    await stored(client, live, 2);
    await stored(client, silent, 1);
    await stored(client, over, 1);
    await administrator.text("PUT", `/experiments/${over.experiment_id}`, {
      name: over.name,
      archived: true,
    });
    await signIn(visitor, scientist);
    const card = ({ name }: Experiment) => page.getByRole("link").filter({ hasText: name });
    await card(live).getByText("Muons at the surface").waitFor();
    await card(live).getByText("2 series").waitFor();
    await card(live).getByText("last measure 10 min ago").waitFor();
    assert.equal(await card(live).locator(".badge").count(), 0);
    await card(silent).locator(".badge-warning").getByText("last measure 3 d ago").waitFor();
    await card(over).getByText("archived").waitFor();
    await card(over)
      .getByText(/last measure \d+ y ago/)
      .waitFor();
    assert.equal(await card(over).locator(".badge-warning").count(), 0);
    await card(empty).getByText("no measures yet").waitFor();
    // What is over comes last.
    assert.match((await page.getByRole("listitem").allInnerTexts()).at(-1) ?? "", /^over-/);
  },
);

browserTest(
  "an administrator lets a scientist read an experiment, and takes that back",
  async (visitor, site) => {
    const experiment = await site.newExperiment();
    const scientist = await site.newScientist();
    const { name, user_id } = scientist.user;
    const measures = `/measures/${experiment.experiment_id}`;
    const client = await site.as(scientist);
    const page = await asAdministrator(visitor, site, "experiments");
    await page.getByLabel("Find").fill(experiment.name);
    await page.getByRole("link", { name: experiment.name, exact: true }).click();
    await heading(page, experiment.name);
    await page.getByRole("heading", { name: "No scientists yet" }).waitFor();

    await page.getByLabel("Find").fill(user_id);
    await page.getByRole("button", { name: `Add ${name}, ${user_id}` }).click();
    await page.getByText(`${name} (${user_id}) can now read its measures.`).waitFor();
    await page.getByRole("row", { name: user_id }).waitFor();
    assert.equal(await client.status("GET", measures), 200);

    await page.getByRole("button", { name: `Remove ${name}, ${user_id}` }).click();
    await page.getByText(`${name} (${user_id}) can no longer read its measures.`).waitFor();
    assert.equal(await client.status("GET", measures), 404);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("can now read its measures.").waitFor();
    assert.equal(await client.status("GET", measures), 200);
  },
);

browserTest("administrators are not offered as readers of an experiment", async (visitor, site) => {
  const experiment = await site.newExperiment();
  await site.newScientist();
  const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
  await page.getByLabel("Find").fill("A001");
  await page.getByText("No other scientist is found.").waitFor();
});

browserTest(
  "a scientist whom another administrator has associated meanwhile is shown as associated",
  async (visitor, site) => {
    visitor.expectRefusals(409);
    const experiment = await site.newExperiment();
    const { user } = await site.newScientist();
    const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
    await page.getByLabel("Find").fill(user.user_id);
    const add = page.getByRole("button", { name: `Add ${user.name}, ${user.user_id}` });
    await add.waitFor();
    await (await site.asAdministrator()).post(
      `/scientists-experiments/${experiment.experiment_id}/${user.user_id}`,
    );
    await add.click();
    await page.getByText("The scientist is associated with the experiment already.").waitFor();
    await page.getByRole("button", { name: `Remove ${user.name}, ${user.user_id}` }).waitFor();
  },
);

browserTest("an administrator chooses many scientists at once", async (visitor, site) => {
  const experiment = await site.newExperiment();
  const one = await site.newScientist(experiment);
  const [two, three] = [await site.newScientist(), await site.newScientist()];
  const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
  await page.getByRole("button", { name: "Choose many …" }).click();
  const dialog = page.getByRole("dialog", { name: "Choose scientists" });
  for (const { user } of [two, three]) {
    await dialog.getByLabel("Find").fill(user.user_id);
    await dialog.getByRole("button", { name: "Choose those found" }).click();
  }
  await dialog.getByLabel("Find").fill(one.user.user_id);
  await dialog.getByRole("checkbox").uncheck();
  await dialog.getByText("2 scientists chosen.").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText("2 scientists can read its measures now.").waitFor();
  const measures = `/measures/${experiment.experiment_id}`;
  for (const [scientist, status] of [
    [one, 404],
    [two, 200],
    [three, 200],
  ] as const) {
    assert.equal(await (await site.as(scientist)).status("GET", measures), status);
  }
});
