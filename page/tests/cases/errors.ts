import { browserTest } from "../harness/browser-test.js";
import { BEGINNING, drawn, measured, series } from "../harness/measures.js";
import { heading, PAGE, prepared, signIn } from "../harness/people.js";

browserTest(
  "a page that finds the service away says so, and comes back with a click",
  async (visitor, site) => {
    visitor.expectBrokenNetwork();
    const { page } = visitor;
    const experiment = await site.newExperiment();
    await signIn(visitor, await site.newScientist(experiment), "#/token");
    await visitor.context.setOffline(true);
    await page.getByRole("link", { name: "Experiments" }).click();
    await page.getByRole("alert").getByText("No connection.").waitFor();
    await visitor.context.setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: experiment.name }).waitFor();
    await page.getByRole("alert").waitFor({ state: "detached" });
  },
);

browserTest("an unavailable database is reported, and the view recovers with it", async (visitor, site) => {
  visitor.expectRefusals(503);
  const { page } = visitor;
  const experiment = await site.newExperiment();
  await signIn(visitor, await site.newScientist(experiment), "#/token");
  await site.mariadb.goAway();
  try {
    await page.getByRole("link", { name: "Experiments" }).click();
    await page.getByRole("alert").getByText("MyMONIT is unavailable for now.").waitFor();
    // A page that is opened now cannot load the user.
    await page.goto(PAGE);
    await page.reload();
    await heading(page, "MyMONIT cannot start");
    await page.getByRole("alert").getByText("MyMONIT is unavailable for now.").waitFor();
  } finally {
    await site.mariadb.comeBack();
  }
  await site.service.ready();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: experiment.name }).waitFor();
});

browserTest("an unavailable Firebase is reported, and the form keeps its input", async (visitor, site) => {
  visitor.expectBrokenNetwork();
  const { page } = visitor;
  const scientist = await site.newScientist();
  await page.goto(PAGE);
  await heading(page, "Sign in");
  await page.route(`${site.firebase.url}/**`, (route) => route.abort());
  await page.getByLabel("E-mail address").fill(scientist.email);
  await page.getByLabel("Password").fill(scientist.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("Firebase cannot be reached.").waitFor();
  await page.unroute(`${site.firebase.url}/**`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading(page, "Experiments");
});

browserTest("a failed change is reported in the form, which keeps its input", async (visitor, site) => {
  visitor.expectBrokenNetwork();
  const { page } = visitor;
  const name = site.fresh("on-its-way");
  await signIn(visitor, site.administrator, "#/administration/experiments");
  await page.getByRole("button", { name: "Add an experiment" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name").fill(name);
  await visitor.context.setOffline(true);
  await form.getByRole("button", { name: "Add" }).click();
  await form.getByRole("alert").getByText("No connection.").waitFor();
  await visitor.context.setOffline(false);
  await form.getByRole("button", { name: "Add" }).click();
  await page.getByText(`${name} was added.`).waitFor();
});

browserTest(
  "an experiment that was opened without a connection is whole again with a click",
  async (visitor, site) => {
    visitor.expectBrokenNetwork();
    const { page } = visitor;
    const experiment = await site.newExperiment();
    const { account } = await measured(site, experiment, 10);
    await signIn(visitor, account);
    await page.getByRole("link", { name: experiment.name }).waitFor();
    await prepared(page);
    await visitor.context.setOffline(true);
    await page.getByRole("link", { name: experiment.name }).click();
    await page.getByRole("alert").getByText("No connection.").waitFor();
    await visitor.context.setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await heading(page, experiment.name);
    await page.getByRole("heading", { name: "hertz frequency, Hz" }).waitFor();
    await drawn(page);
    await page.getByRole("alert").waitFor({ state: "detached" });
  },
);

browserTest("failed live updates are reported, and continue once they succeed", async (visitor, site) => {
  visitor.expectBrokenNetwork();
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const { account } = await measured(site, experiment, 3);
  await signIn(visitor, account, `#/experiments/${experiment.experiment_id}?follow=1`);
  await page.getByText("3 measures, each of them shown").waitFor();
  await visitor.context.setOffline(true);
  const told = page.getByRole("status").getByText("New measures cannot be read at the moment");
  await told.waitFor();
  await site.publish(series(experiment, 1, { from: BEGINNING + 60 }));
  await visitor.context.setOffline(false);
  await page.getByText("4 measures, each of them shown").waitFor();
  await told.waitFor({ state: "detached" });
});
