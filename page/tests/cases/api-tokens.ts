import assert from "node:assert/strict";

import { browserTest } from "../harness/browser-test.js";
import { asAdministrator, copy, signIn } from "../harness/people.js";
import type { Experiment } from "../harness/site.js";

interface ApiToken {
  token_id: number;
  name: string;
  secret: string;
}

browserTest("an API token is created, copied once, used by a program, and revoked", async (visitor, site) => {
  const { page } = visitor;
  const [one, other] = [await site.newExperiment(), await site.newExperiment()];
  await signIn(visitor, await site.newScientist(one, other), "#/token");
  await page.getByText("You have none.").waitFor();
  await page.getByRole("button", { name: "Create an API token …" }).click();
  const form = page.getByRole("dialog", { name: "Create an API token" });
  await form.getByLabel("Name").fill("nightly plots");
  await form.getByLabel("Days until it expires").fill("30");
  await form.getByRole("checkbox", { name: one.name }).check();
  await form.getByRole("button", { name: "Create" }).click();

  await copy(page, "Copy the API token");
  const secret = await visitor.clipboard();
  assert.match(secret, /^mymonit_[A-Za-z0-9_-]{43}$/);
  await page.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("row", { name: /^nightly plots/ });
  await row.getByText(String(one.experiment_id), { exact: true }).waitFor();
  await row.getByText("never").waitFor();
  assert.equal(await page.getByText(secret).count(), 0);

  const program = site.service.client(secret);
  assert.deepEqual(await program.get<Experiment[]>("/experiments/"), [one]);
  assert.equal(await program.status("GET", `/measures/${other.experiment_id}`), 404);
  await page.getByRole("button", { name: /^Revoke nightly plots/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke it" }).click();
  await page.getByText("You have none.").waitFor();
  assert.equal(await program.status("GET", "/experiments/"), 401);
});

browserTest("errors of an API token are shown at their field", async (visitor, site) => {
  visitor.expectRefusals(400);
  const { page } = visitor;
  await signIn(visitor, await site.newScientist(), "#/token");
  await page.getByRole("button", { name: "Create an API token …" }).click();
  const form = page.getByRole("dialog");
  await form.getByRole("button", { name: "Create" }).click();
  await form.getByText("Must not be blank.").waitFor();
  await form.getByLabel("Name").fill("x");
  await form.getByLabel("Days until it expires").fill("366");
  await form.getByRole("button", { name: "Create" }).click();
  await form.getByText("Must be an integer from 1 to 365.").waitFor();
});

browserTest("an administrator sees and revokes every user's API tokens", async (visitor, site) => {
  const scientist = await site.newScientist();
  const client = await site.as(scientist);
  const { secret } = await client.post<ApiToken>("/users/me/tokens/", { name: "lost laptop" });
  const { user_id } = scientist.user;
  const page = await asAdministrator(visitor, site, `users?search=${user_id}`);
  await page.getByRole("button", { name: `API tokens of ${user_id} …`, exact: true }).click();
  const dialog = page.getByRole("dialog", { name: `API tokens of ${user_id}` });
  await dialog.getByRole("row", { name: /^lost laptop/ }).waitFor();
  await dialog.getByRole("button", { name: /^Revoke lost laptop/ }).click();
  await page.getByRole("button", { name: "Revoke it" }).click();
  await dialog.getByText("has none.").waitFor();
  assert.equal(await site.service.client(secret).status("GET", "/users/me"), 401);
});
