import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { asAdministrator, heading } from "../harness/people.js";
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
    await page.getByRole("rowheader", { name }).waitFor();

    const experiments = await (await site.asAdministrator()).get<Experiment[]>("/experiments/");
    assert.equal(experiments.filter((experiment) => experiment.name === name).length, 1);
  },
);

browserTest("an administrator renames an experiment", async (visitor, site) => {
  const experiment = await site.newExperiment();
  const name = site.fresh("renamed");
  const page = await asAdministrator(visitor, site, "experiments");
  await page.getByRole("button", { name: `Rename ${experiment.name}`, exact: true }).click();
  const form = page.getByRole("dialog", { name: `Rename ${experiment.name}` });
  await form.getByLabel("Name").fill(name);
  await form.getByRole("button", { name: "Rename" }).click();
  await page.getByText(`It is called ${name} now.`).waitFor();

  const stored = await (await site.asAdministrator()).get<Experiment>(
    `/experiments/${experiment.experiment_id}`,
  );
  assert.equal(stored.name, name);
});

browserTest(
  "an administrator lets a scientist read an experiment, and takes that back",
  async (visitor, site) => {
    const experiment = await site.newExperiment();
    const scientist = await site.newScientist();
    const { name, user_id } = scientist.user;
    const measures = `/measures/${experiment.experiment_id}`;
    const client = await site.as(scientist);
    const page = await asAdministrator(visitor, site, "experiments");
    await page.getByRole("link", { name: experiment.name, exact: true }).click();
    await heading(page, experiment.name);
    await page.getByRole("heading", { name: "Nobody yet" }).waitFor();

    await page.getByLabel("Find").fill(user_id);
    await page.getByRole("button", { name: `Add ${name}, ${user_id}` }).click();
    await page.getByText(`${name} (${user_id}) may read its measures now.`).waitFor();
    await page.getByRole("row", { name: user_id }).waitFor();
    assert.equal(await client.status("GET", measures), 200);

    await page.getByRole("button", { name: `Remove ${name}, ${user_id}` }).click();
    await page.getByText(`${name} (${user_id}) may no longer read its measures.`).waitFor();
    assert.equal(await client.status("GET", measures), 404);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("may read its measures now.").waitFor();
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
  "somebody who was associated by another administrator meanwhile is shown as such",
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
