import type { Page } from "playwright-core";
import type { Visitor } from "./browser.js";
import { eventually } from "./eventually.js";
import type { Account } from "./firebase.js";
import { drawn, stored } from "./measures.js";
import { asAdministrator, heading, PAGE, signIn, signInAs } from "./people.js";
import { everySecond, experimentWith, open } from "./plots.js";
import type { Service } from "./service.js";
import type { Site } from "./site.js";

/** A view of the page in a certain state, and how to come there with an empty browser. */
export interface ViewState {
  name: string;
  open: (visitor: Visitor, site: Site) => Promise<unknown>;
  /** Where it is shown, if not where one signs in with Firebase. */
  where?: (site: Site) => Service;
}

const evaluation = (site: Site) => site.evaluation;

/** The views that any user may see. */
export const views: readonly ViewState[] = [
  { name: "sign-in", open: ({ page }) => at(page, "#/", "Sign in") },
  {
    name: "sign-in refused",
    open: async (visitor) => {
      visitor.expectRefusals(400);
      await at(visitor.page, "#/", "Sign in");
      await visitor.page.getByLabel("E-mail address").fill("nobody@home.cern");
      await visitor.page.getByLabel("Password").fill("not the password");
      await visitor.page.getByRole("button", { name: "Sign in" }).click();
      await visitor.page.getByRole("alert").waitFor();
    },
  },
  { name: "register", open: ({ page }) => at(page, "#/register", "Register") },
  { name: "forgotten password", open: ({ page }) => at(page, "#/forgotten-password", "Forgotten password") },
  {
    name: "unknown user",
    open: async (visitor, site) => {
      visitor.expectRefusals(403);
      await signIn(visitor, await site.newAccount());
      await heading(visitor.page, "Almost there");
    },
  },
  {
    name: "whom to be",
    where: evaluation,
    open: ({ page }) => at(page, "#/", "Who do you want to be?"),
  },
  {
    name: "no such view",
    where: evaluation,
    open: (visitor) => evaluationView(visitor, "Peter Higg", "#/nowhere"),
  },
  {
    name: "experiments",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/");
      await visitor.page.getByRole("link", { name: "device-vibrations" }).waitFor();
    },
  },
  {
    name: "no experiments",
    open: async (visitor, site) => {
      await signIn(visitor, await site.newScientist());
      await visitor.page.getByRole("heading", { name: "No experiments yet" }).waitFor();
    },
  },
  {
    name: "experiment",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/experiments/1");
      await visitor.page.getByText("10 measures, each of them shown").waitFor();
      await visitor.page.getByText("Table of these values").click();
      await visitor.page.getByRole("rowheader").first().waitFor();
    },
  },
  {
    name: "experiment reduced",
    open: async (visitor, site) => {
      await signIn(visitor, await manyMeasures(site));
      await visitor.page.getByRole("link", { name: /cryostat/ }).click();
      await visitor.page.getByText("Reduced to bins of").waitFor();
    },
  },
  {
    name: "experiment with sensors",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/");
      await visitor.page.getByRole("link", { name: /^oven/ }).click();
      await visitor.page.getByText("Reduced to bins of").waitFor();
      await visitor.page.getByText("at the door").first().waitFor();
    },
  },
  {
    name: "choice of series",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/");
      await visitor.page.getByRole("link", { name: /^oven/ }).click();
      await visitor.page.getByRole("button", { name: "Series: all 3 …" }).click();
      await visitor.page.getByRole("dialog").getByText("at the door").waitFor();
    },
  },
  {
    name: "range",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/experiments/1");
      await visitor.page.getByRole("button", { name: "Range …" }).click();
      await visitor.page.getByLabel("From (UTC)").fill("nonsense");
      await visitor.page.getByRole("button", { name: "Show", exact: true }).click();
      await visitor.page.getByText("Not a time").waitFor();
    },
  },
  {
    name: "download",
    open: async (visitor, site) => {
      await signIn(visitor, await manyMeasures(site));
      await visitor.page.getByRole("link", { name: /cryostat/ }).click();
      await visitor.page.getByText("Reduced to bins of").waitFor();
      await visitor.page.getByRole("button", { name: "Download …" }).click();
      await visitor.page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "share",
    open: async (visitor, site) => {
      await signIn(visitor, await manyMeasures(site));
      await visitor.page.getByRole("link", { name: /cryostat/ }).click();
      await visitor.page.getByText("Reduced to bins of").waitFor();
      await visitor.page.getByRole("button", { name: "Share …" }).click();
      await visitor.page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "experiment with all types in one plot",
    open: async (visitor, site) => {
      await signIn(visitor, await manyMeasures(site));
      await visitor.page.getByRole("link", { name: /cryostat/ }).click();
      await visitor.page.getByLabel("Plots", { exact: true }).selectOption("together");
      await visitor.page.getByRole("application", { name: "Plot of All series" }).waitFor();
      await visitor.page
        .getByRole("region", { name: "Legend" })
        .getByRole("button", { name: "hertz" })
        .first()
        .waitFor();
    },
  },
  {
    name: "experiment with outliers and a stray measure",
    open: async (visitor, site) => {
      const values = Array.from({ length: 600 }, (_, index) =>
        index % 200 === 100 ? 850 : 21 + 4 * Math.sin(index / 50),
      );
      const stray = { measure: "degree Celsius", value: 20, timestamp: "2106-02-07T06:28:15Z" };
      await open(visitor, site, [...everySecond({ "degree Celsius": values }), stray]);
      await visitor.page.getByText("The axis leaves out outliers").waitFor();
      await visitor.page.getByLabel("Times").selectOption("local");
    },
  },
  {
    name: "experiment with flags",
    open: flagged,
  },
  {
    name: "flag form with an error",
    open: async (visitor, site) => {
      visitor.expectRefusals(400);
      await flagged(visitor, site);
      await visitor.page.getByRole("button", { name: "Flag …" }).click();
      await visitor.page.getByRole("dialog").getByRole("button", { name: "Flag", exact: true }).click();
      await visitor.page.getByText("Must not be blank.").waitFor();
    },
  },
  {
    name: "fixed range of an axis",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/experiments/1");
      await visitor.page.getByLabel("Y axis of hertz").selectOption("fixed");
      await visitor.page.getByRole("dialog").getByLabel("Minimum (Hz)").fill("a lot");
      await visitor.page.getByRole("dialog").getByRole("button", { name: "Show" }).click();
      await visitor.page.getByText("Not a number").waitFor();
    },
  },
  {
    name: "no measures",
    open: async (visitor, site) => {
      const experiment = await site.newExperiment();
      await signIn(visitor, await site.newScientist(experiment), `#/experiments/${experiment.experiment_id}`);
      await visitor.page.getByRole("heading", { name: "No measures yet" }).waitFor();
    },
  },
  {
    name: "not one's experiment",
    where: evaluation,
    open: async (visitor) => {
      visitor.expectRefusals(404);
      await evaluationView(visitor, "Katie Bouman", "#/experiments/1");
      await visitor.page.getByRole("heading", { name: "Experiment not found" }).waitFor();
    },
  },
  {
    name: "no longer one's experiment",
    open: async (visitor, site) => {
      visitor.expectRefusals(404);
      const experiment = await site.newExperiment();
      const scientist = await site.newScientist(experiment);
      await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}?follow=1`);
      await visitor.page.getByText("Waiting for the first measure").waitFor();
      const association = `/scientists-experiments/${experiment.experiment_id}/${scientist.user.user_id}`;
      await (await site.asAdministrator()).text("DELETE", association);
      await visitor.page
        .getByRole("heading", { name: "You no longer have access to this experiment" })
        .waitFor();
    },
  },
  {
    name: "service away",
    open: async (visitor, site) => {
      visitor.expectBrokenNetwork();
      await signIn(visitor, await site.newScientist(), "#/token");
      await visitor.context.setOffline(true);
      await visitor.page.getByRole("link", { name: "Experiments" }).click();
      await visitor.page.getByRole("alert").waitFor();
    },
  },
  {
    name: "token",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/token");
      await visitor.page.getByRole("button", { name: "Copy the token" }).waitFor();
    },
  },
  {
    name: "create an API token",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/token");
      await visitor.page.getByRole("button", { name: "Create an API token …" }).click();
      await visitor.page.getByRole("checkbox").first().waitFor();
    },
  },
  {
    name: "API tokens of a user",
    open: async (visitor, site) => {
      const scientist = await site.newScientist();
      await (await site.as(scientist)).post("/users/me/tokens/", { name: "nightly plots" });
      const { user_id } = scientist.user;
      const page = await asAdministrator(visitor, site, `users?search=${user_id}`);
      await page.getByRole("button", { name: `API tokens of ${user_id} …`, exact: true }).click();
      await page.getByRole("row", { name: /^nightly plots/ }).waitFor();
    },
  },
  {
    name: "account",
    where: evaluation,
    open: (visitor) => evaluationView(visitor, "Peter Higg", "#/account"),
  },
  {
    name: "erase oneself",
    where: evaluation,
    open: async (visitor) => {
      await evaluationView(visitor, "Peter Higg", "#/account");
      await visitor.page.getByRole("button", { name: "Erase my record" }).click();
      await visitor.page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "users",
    open: async (visitor, site) => {
      await site.newScientist();
      const page = await asAdministrator(visitor, site, "users");
      await page.getByRole("row").nth(1).waitFor();
    },
  },
  {
    name: "user form with an error",
    open: async (visitor, site) => {
      visitor.expectRefusals(400);
      const page = await asAdministrator(visitor, site, "users");
      await page.getByRole("button", { name: "Add a user" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
      await page.getByText(/must not be blank/i).waitFor();
    },
  },
  {
    name: "erase a user",
    open: async (visitor, site) => {
      const { user } = await site.newScientist();
      const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
      await page.getByRole("button", { name: `Erase ${user.user_id} …`, exact: true }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "all experiments",
    open: async (visitor, site) => {
      const page = await asAdministrator(visitor, site, "experiments");
      await page.getByRole("row").nth(1).waitFor();
    },
  },
  {
    name: "scientists of an experiment",
    open: async (visitor, site) => {
      const experiment = await site.newExperiment("muon-lifetime");
      await site.newScientist(experiment);
      await site.newScientist(experiment);
      await site.newScientist();
      const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
      await page.getByRole("button", { name: /^Add / }).first().waitFor();
      await page.getByRole("heading", { name: "No sensors yet" }).waitFor();
    },
  },
  {
    name: "sensors of an experiment",
    open: async (visitor, site) => {
      const measures = everySecond({ "hertz@thermometer-1": [1], "hertz@thermometer-2": [2] });
      const experiment = await experimentWith(site, measures);
      await stored(await site.as(await site.newScientist(experiment)), experiment, 2);
      const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
      await page.getByRole("button", { name: "Describe thermometer-1" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "choice of scientists",
    open: async (visitor, site) => {
      const experiment = await site.newExperiment("muon-lifetime");
      await site.newScientist(experiment);
      const page = await asAdministrator(visitor, site, `experiments/${experiment.experiment_id}`);
      await page.getByRole("button", { name: "Choose many …" }).click();
      await page.getByRole("dialog").getByRole("checkbox").first().waitFor();
    },
  },
  {
    name: "experiments of a user",
    open: async (visitor, site) => {
      const { user } = await site.newScientist(await site.newExperiment("muon-lifetime"));
      const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
      await page.getByRole("button", { name: `Experiments of ${user.user_id} …` }).click();
      await page.getByRole("dialog").getByRole("link").waitFor();
    },
  },
  {
    name: "measure types",
    open: async (visitor, site) => {
      const page = await asAdministrator(visitor, site, "measure-types");
      await page.getByRole("row").nth(1).waitFor();
    },
  },
  {
    name: "measure type form",
    open: async (visitor, site) => {
      const page = await asAdministrator(visitor, site, "measure-types");
      await page.getByRole("button", { name: "Change hertz" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "rejected messages",
    open: async (visitor, site) => {
      await site.rejected(Buffer.from("{"));
      await site.rejected(Buffer.from('{"experiment":"muon-lifetime-2","measure":"hertz","value":1}'));
      const page = await asAdministrator(visitor, site, "rejected-messages");
      await page.getByRole("row").nth(2).waitFor();
    },
  },
  {
    name: "rejected message",
    open: async (visitor, site) => {
      const body = '{"experiment":"nobody-added-me","measure":"hertz","value":1.5,"timestamp":1650000000}';
      const { id } = await site.rejected(Buffer.from(body));
      const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
      await page.getByRole("button", { name: "Add nobody-added-me …" }).waitFor();
    },
  },
  {
    name: "replay all",
    open: async (visitor, site) => {
      await site.rejected(Buffer.from("{"));
      const page = await asAdministrator(visitor, site, "rejected-messages?reason=malformed_json");
      await page.getByRole("button", { name: "Replay all of these …" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "discard all",
    open: async (visitor, site) => {
      await site.rejected(Buffer.from("{"));
      const page = await asAdministrator(visitor, site, "rejected-messages?reason=malformed_json");
      await page.getByRole("button", { name: "Discard all of these …" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
];

async function at(page: Page, view: string, title: string): Promise<void> {
  await page.goto(PAGE + view);
  await heading(page, title);
}

async function evaluationView(visitor: Visitor, who: string, view: string): Promise<void> {
  await signInAs(visitor, who, view);
  await visitor.page.getByRole("heading", { level: 1 }).waitFor();
}

/** A scientist with an experiment whose measures are too many to be shown one by one. */
async function manyMeasures(site: Site): Promise<Account> {
  const experiment = await site.newExperiment("cryostat");
  const wave = (index: number) => 50 + 40 * Math.sin(index / 900) + 4 * Math.sin(index * index);
  const measures = Array.from({ length: 9_000 }, (_, index) => ({
    experiment: experiment.name,
    measure: index % 3 === 0 ? "degree Celsius" : "hertz",
    value: index % 3 === 0 ? wave(index) / 4 : wave(index),
    timestamp: 1_700_000_000 + index * 7,
  }));
  await site.publish(measures);
  const scientist = await site.newScientist(experiment);
  const client = await site.as(scientist);
  const last = `/measures/${experiment.experiment_id}?limit=1`;
  await eventually(async () => ((await client.get<unknown[]>(last)).length === 1 ? true : undefined));
  return scientist;
}

/** Two sensors, of which a part of the measures is flagged, and those are shown. */
async function flagged(visitor: Visitor, site: Site): Promise<void> {
  const values = Array.from({ length: 600 }, (_, index) => 21 + Math.sin(index / 50));
  const experiment = await experimentWith(
    site,
    everySecond({ "degree Celsius@t-1": values, "degree Celsius@t-2": values.map((value) => value + 1) }),
  );
  const scientist = await site.newScientist(experiment);
  const client = await site.as(scientist);
  await stored(client, experiment, 1_200);
  for (const flag of [
    { from: "2022-04-06T07:01:00Z", to: "2022-04-06T07:02:30Z", reason: "the lid was open" },
    {
      from: "2022-04-06T07:07:00Z",
      to: "2022-04-06T07:07:10Z",
      sensor: "t-1",
      reason: "the cable was loose",
    },
  ]) {
    await client.post(`/experiments/${experiment.experiment_id}/flags/`, flag);
  }
  await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}`);
  await visitor.page.getByText("the lid was open").waitFor();
  await drawn(visitor.page);
}
