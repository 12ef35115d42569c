import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { copy, heading, PAGE, signInAs } from "../harness/people.js";
import type { Site } from "../harness/site.js";

const evaluation = (site: Site) => site.evaluation;

browserTest(
  "evaluation mode offers the example users, asks for no password, and says what it is",
  async ({ page }) => {
    await page.goto(PAGE);
    await heading(page, "Who do you want to be?");
    await page.getByText("Evaluation mode needs no password.").waitFor();
    await page.getByText("Not for production.").waitFor();
    const people = await page.locator("main").getByRole("button").allInnerTexts();
    const expected = [
      /Allan Alcorn\s+A001\s+Administrator/,
      /Peter Higg\s+S001\s+Scientist/,
      /Katie Bouman\s+S002\s+Scientist/,
    ];
    assert.equal(people.length, expected.length);
    expected.forEach((person, index) => {
      assert.match(people[index] ?? "", person);
    });
    assert.equal(await page.locator("input").count(), 0);
  },
  {},
  evaluation,
);

browserTest(
  "in evaluation mode one signs in as a scientist, and stays so when the page is loaded again",
  async (visitor) => {
    const { page } = visitor;
    await signInAs(visitor, "Peter Higg");
    await page.getByRole("link", { name: "device-vibrations" }).waitFor();
    await page.reload();
    await page.getByRole("link", { name: "device-vibrations" }).waitFor();
    await page.getByText("Evaluation mode").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await heading(page, "Who do you want to be?");
  },
  {},
  evaluation,
);

browserTest(
  "in evaluation mode the token that is copied opens the API",
  async (visitor, site) => {
    const { page } = visitor;
    await signInAs(visitor, "Katie Bouman", "#/token");
    await copy(page, "Copy the token");
    const client = site.evaluation.client(await visitor.clipboard());
    assert.equal((await client.get<{ user_id: string }>("/users/me")).user_id, "S002");
  },
  {},
  evaluation,
);

browserTest(
  "a button that has copied something says so, and after a while what it is for",
  async (visitor) => {
    const { page } = visitor;
    await signInAs(visitor, "Katie Bouman", "#/token");
    const copying = page.getByRole("button", { name: "Copy the token" });
    await copying.waitFor();
    // The page's clock is stopped until the test advances it.
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 1_800_000);
    await copying.click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    await page.clock.runFor(5_000);
    await copying.waitFor();
  },
  {},
  evaluation,
);
