import assert from "node:assert/strict";

import type { Locator } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { asAdministrator, heading, signIn, tabTo } from "../harness/people.js";
import type { User } from "../harness/site.js";

browserTest("an administrator adds a user, who can then sign in", async (visitor, site) => {
  const account = await site.newAccount();
  const page = await asAdministrator(visitor, site, "users");
  await page.getByRole("button", { name: "Add a user" }).click();
  const form = page.getByRole("dialog", { name: "Add a user" });
  await form.getByLabel("Staff identification").fill("N001");
  await form.getByLabel("Name", { exact: true }).fill("Lise Meitner");
  await form.getByLabel("E-mail address").fill(account.email);
  await form.getByLabel("Username (Firebase UID)").fill(account.uid);
  await form.getByRole("button", { name: "Add" }).click();

  await page.getByText("Lise Meitner (N001) was added.").waitFor();
  await page.getByRole("row", { name: /^N001 Lise Meitner/ }).waitFor();
  const user = await (await site.as(account)).get<User>("/users/me");
  assert.deepEqual(user, {
    user_id: "N001",
    name: "Lise Meitner",
    username: account.uid,
    email: account.email,
    role: "SCIENTIST",
  });
});

browserTest("errors of a user are shown at the field, which gets the focus", async (visitor, site) => {
  visitor.expectRefusals(400, 409);
  const other = await site.newScientist();
  const page = await asAdministrator(visitor, site, "users");
  await page.getByRole("button", { name: "Add a user" }).click();
  const form = page.getByRole("dialog");
  const add = form.getByRole("button", { name: "Add" });
  const told = async (label: string, complaint: RegExp) => {
    await add.click();
    const field = form.getByLabel(label, { exact: true });
    // What was wrong before may have been said in the same words.
    await eventually(async () => complaint.test((await accessibleDescription(field)) ?? "") || undefined);
    await form.getByText(complaint).waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    await field.and(page.locator(":focus")).waitFor();
  };

  await told("Staff identification", /must not be blank/i);
  await form.getByLabel("Staff identification").fill("N002");
  await told("Name", /must not be blank/i);
  await form.getByLabel("Name", { exact: true }).fill("Emmy Noether");
  await form.getByLabel("Username (Firebase UID)").fill("a-uid-of-Emmy");
  await form.getByLabel("E-mail address").fill("noether");
  await told("E-mail address", /must be a valid e-mail address/i);
  await form.getByLabel("E-mail address").fill(other.email.toUpperCase());
  await told("E-mail address", /is in use/i);
  await form.getByLabel("E-mail address").fill("enoether@home.cern");
  await form.getByLabel("Staff identification").fill(other.user.user_id);
  await told("Staff identification", /is in use, or was used by an erased user/i);
  await form.getByLabel("Staff identification").fill("N002");
  await add.click();
  await page.getByText("Emmy Noether (N002) was added.").waitFor();
});

browserTest("an administrator changes a user, and identification and role stay", async (visitor, site) => {
  const { user } = await site.newScientist();
  const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
  await page.getByRole("button", { name: `Change ${user.user_id}`, exact: true }).click();
  const form = page.getByRole("dialog", { name: `Change ${user.user_id}` });
  await form.getByLabel("Name", { exact: true }).fill("Chien-Shiung Wu 吳健雄");
  await form.getByLabel("Username (Firebase UID)").fill("another-uid-of-hers");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText(`Chien-Shiung Wu 吳健雄 (${user.user_id}) was changed.`).waitFor();

  const stored = await (await site.asAdministrator()).get<User>(`/users/${user.user_id}`);
  assert.deepEqual(stored, { ...user, name: "Chien-Shiung Wu 吳健雄", username: "another-uid-of-hers" });
});

browserTest(
  "with the keyboard alone an administrator finds a user and changes the name",
  async (visitor, site) => {
    const { user } = await site.newScientist();
    const page = await asAdministrator(visitor, site, "users");
    const find = page.getByLabel("Find");
    await tabTo(page, find);
    await page.keyboard.type(user.user_id);
    await page.getByText(/^1 user of \d+$/).waitFor();
    const change = page.getByRole("button", { name: `Change ${user.user_id}`, exact: true });
    await tabTo(page, change);
    await page.keyboard.press("Enter");
    const form = page.getByRole("dialog", { name: `Change ${user.user_id}` });
    await form.locator(":focus").waitFor();
    await page.keyboard.press("Escape");
    await form.waitFor({ state: "detached" });
    await change.and(page.locator(":focus")).waitFor();
    await page.keyboard.press("Enter");
    await tabTo(page, form.getByLabel("Name", { exact: true }));
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("Maria Goeppert-Mayer");
    await page.keyboard.press("Enter");
    await page.locator(".done:focus").getByText("Maria Goeppert-Mayer").waitFor();
    const stored = await (await site.asAdministrator()).get<User>(`/users/${user.user_id}`);
    assert.equal(stored.name, "Maria Goeppert-Mayer");
  },
);

browserTest("a user is erased only after the identification was typed", async (visitor, site) => {
  const { user } = await site.newScientist();
  const administrator = await site.asAdministrator();
  const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
  const erasures: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "DELETE") {
      erasures.push(new URL(request.url()).pathname);
    }
  });
  await page.getByRole("button", { name: `Erase ${user.user_id} …`, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Erase permanently" }).click();
  await dialog.getByText(`This is not ${user.user_id}.`).waitFor();
  await dialog.getByLabel(`Type ${user.user_id} to confirm`).fill(`${user.user_id}x`);
  await dialog.getByRole("button", { name: "Erase permanently" }).click();
  assert.equal(await administrator.status("GET", `/users/${user.user_id}`), 200);

  await dialog.getByLabel(`Type ${user.user_id} to confirm`).fill(user.user_id);
  await dialog.getByRole("button", { name: "Erase permanently" }).click();
  await page.getByText(`${user.user_id} was erased.`).waitFor();
  assert.deepEqual(erasures, [`/users/${user.user_id}`]);
  await page.getByRole("row", { name: user.user_id }).waitFor({ state: "detached" });
  assert.equal(await administrator.status("GET", `/users/${user.user_id}`), 404);
});

browserTest("the last administrator cannot be erased, and the page says why", async (visitor, site) => {
  visitor.expectRefusals(409);
  const page = await asAdministrator(visitor, site, "users");
  await page.getByRole("button", { name: "Erase A001 …" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase yourself permanently?" });
  await dialog.getByLabel("Type A001 to confirm").fill("A001");
  await dialog.getByRole("button", { name: "Erase permanently" }).click();
  await dialog.getByText("The last administrator cannot be erased.").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("row", { name: /^A001/ }).waitFor();
});

browserTest(
  "users are found by any of their words, and the address keeps the search",
  async (visitor, site) => {
    const { user } = await site.newScientist();
    await site.newScientist();
    const page = await asAdministrator(visitor, site, "users");
    await page.getByLabel("Find").fill(user.email);
    await page.getByText(/^1 user of \d+$/).waitFor();
    await page.getByRole("row", { name: user.user_id }).waitFor();
    await page.reload();
    await page.getByText(/^1 user of \d+$/).waitFor();
    assert.equal(await page.getByLabel("Find").inputValue(), user.email);
    await page.getByLabel("Find").fill("nobody at all");
    await page.getByRole("heading", { name: "No user found" }).waitFor();
    await page.getByRole("button", { name: "Show all users" }).click();
    await page.getByRole("row", { name: /^A001/ }).waitFor();
  },
);

browserTest("a scientist sees no administration, whatever the address says", async (visitor, site) => {
  const scientist = await site.newScientist();
  await signIn(visitor, scientist, "#/administration/users");
  await heading(visitor.page, "Page not found");
  assert.equal(await visitor.page.getByRole("link", { name: "Users" }).count(), 0);
});

/** What a screen reader says of a field besides its name. */
async function accessibleDescription(field: Locator): Promise<string | null> {
  return field.evaluate((element) =>
    (element.getAttribute("aria-describedby") ?? "")
      .split(" ")
      .map((id) => document.getElementById(id)?.textContent ?? "")
      .join(" "),
  );
}

browserTest("an administrator sees which experiments a scientist may read", async (visitor, site) => {
  const experiment = await site.newExperiment();
  const { user } = await site.newScientist(experiment);
  const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
  await page.getByRole("button", { name: `Experiments of ${user.user_id} …` }).click();
  const dialog = page.getByRole("dialog", { name: `Experiments of ${user.user_id}` });
  await dialog.getByRole("link", { name: experiment.name }).click();
  await heading(page, experiment.name);
});
