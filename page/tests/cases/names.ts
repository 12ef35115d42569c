import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { asAdministrator, PAGE, signIn } from "../harness/people.js";
import type { Experiment } from "../harness/site.js";

/** Turns what follows it around. */
const RIGHT_TO_LEFT_OVERRIDE = "\u202e";

browserTest("the longest names leave everything else of their list in sight", async (visitor, site) => {
  const scientist = await site.newScientist();
  const administrator = await site.asAdministrator();
  await administrator.text("PUT", `/users/${scientist.user.user_id}`, {
    ...scientist.user,
    name: "W".repeat(100),
    email: `${"m".repeat(60)}@${"w".repeat(60)}.${"w".repeat(60)}.${"w".repeat(60)}.org`,
  });
  const name = site.fresh("W".repeat(250)).slice(-255);
  const experiment = await administrator.post<Experiment>("/experiments/", { name });
  await administrator.post(`/scientists-experiments/${experiment.experiment_id}/${scientist.user.user_id}`);

  const page = await asAdministrator(visitor, site, `users?search=${scientist.user.user_id}`);
  await inSight(page, "button", `Erase ${scientist.user.user_id} …`);
  await page.goto(`${PAGE}#/administration/experiments?search=${name}`);
  await inSight(page, "button", `Change ${name}`);
  await page.goto(`${PAGE}#/administration/experiments/${experiment.experiment_id}`);
  await inSight(page, "button", `Remove ${"W".repeat(100)}, ${scientist.user.user_id}`);
});

browserTest("a name that turns text around is refused at its field", async (visitor, site) => {
  visitor.expectRefusals(400);
  const page = await asAdministrator(visitor, site, "experiments");
  await page.getByRole("button", { name: "Add an experiment" }).first().click();
  const form = page.getByRole("dialog", { name: "Add an experiment" });
  await form.getByLabel("Name").fill(`a${RIGHT_TO_LEFT_OVERRIDE}${site.fresh("turned")}`);
  await form.getByRole("button", { name: "Add" }).click();
  await form.getByText("Must not contain bidirectional control characters.").waitFor();
});

browserTest("markup in names is text like any other", async (visitor, site) => {
  const name = `<img src="/nothing" onerror="alert(1)">${site.fresh("markup")}`;
  const experiment = await (await site.asAdministrator()).post<Experiment>("/experiments/", { name });
  await signIn(visitor, await site.newScientist(experiment));
  await visitor.page.getByText(name, { exact: true }).click();
  await visitor.page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
});

// More than the tests after this one find at the top of the list of all experiments.
browserTest(
  "of many experiments the first are shown, and any is found by its name",
  async (visitor, site) => {
    const administrator = await site.asAdministrator();
    const kind = site.fresh("one-of-many");
    const experiments = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        administrator.post<Experiment>("/experiments/", { name: `${kind}-${index}` }),
      ),
    );
    const scientist = await site.newScientist(...experiments);
    await signIn(visitor, scientist);
    const { page } = visitor;
    const links = page.getByRole("link", { name: kind });
    await page.getByText("100 of 120 are shown.").waitFor();
    assert.equal(await links.count(), 100);
    await page.getByRole("button", { name: "Show 20 more" }).click();
    await links.nth(119).waitFor();
    await links.nth(100).and(page.locator(":focus")).waitFor();

    await page.getByLabel("Find").fill(`${kind.toUpperCase()}-77`);
    await page.getByText("1 experiment of 120").waitFor();
    assert.equal(await links.count(), 1);
    await page.reload();
    await page.getByText("1 experiment of 120").waitFor();
    await page.getByLabel("Find").fill("none of them");
    await page.getByRole("heading", { name: "No experiment is found" }).waitFor();
    await page.getByRole("button", { name: "Show all of them" }).click();
    await page.getByText("120 experiments in all").waitFor();
  },
);

browserTest(
  "on a phone an administrator has all places in sight",
  async (visitor, site) => {
    const page = await asAdministrator(visitor, site, "users");
    for (const name of ["Users", "Experiments", "Types", "Rejected messages", "Token"]) {
      await inSight(page, "link", name);
    }
    await inSight(page, "button", "Sign out");
  },
  { viewport: { width: 320, height: 640 } },
);

/** Checks that it is horizontally within the window, and that the page is not wider. */
async function inSight(page: Page, role: "button" | "link", name: string): Promise<void> {
  const box = await page.getByRole(role, { name, exact: true }).boundingBox();
  const [window, whole] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  assert.ok(box && box.x >= 0 && box.x + box.width <= (window ?? 0), `${name}: ${JSON.stringify(box)}`);
  assert.ok((whole ?? 0) <= (window ?? 0), `the page is ${whole} pixels wide, and the window ${window}`);
}
