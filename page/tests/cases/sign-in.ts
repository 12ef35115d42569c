import assert from "node:assert/strict";
import { browserTest } from "../harness/browser-test.js";
import { measured } from "../harness/measures.js";
import { copy, heading, PAGE, signIn, trySignIn } from "../harness/people.js";
import type { User } from "../harness/site.js";

browserTest(
  "registration shows the UID and the next step, and sign-in works once the record exists",
  async (visitor, site) => {
    visitor.expectRefusals(403);
    const { page } = visitor;
    const email = `${site.fresh("newcomer")}@home.cern`;
    await page.goto(PAGE);
    await page.getByRole("link", { name: "Register with your e-mail address" }).click();
    await heading(page, "Register");
    await page.getByLabel("E-mail address").fill(email);
    await page.getByLabel("Password").fill("a few good words");
    await page.getByRole("button", { name: "Register" }).click();

    await heading(page, "Almost there");
    await page.getByText("an administrator has to create your record").waitFor();
    const uid = (await page.locator("#uid").textContent())?.trim() ?? "";
    await copy(page, "Copy the UID");
    assert.equal(await visitor.clipboard(), uid);
    await page.getByRole("button", { name: "It has been created: look again" }).click();
    await page.getByText("You have no record yet.").waitFor();

    const experiment = await site.newExperiment();
    const administrator = await site.asAdministrator();
    const user_id = site.fresh("R");
    const record: User = { user_id, name: "A Newcomer", username: uid, email, role: "SCIENTIST" };
    await administrator.post("/users/", record);
    await administrator.post(`/scientists-experiments/${experiment.experiment_id}/${user_id}`);
    await page.getByRole("button", { name: "It has been created: look again" }).click();
    await heading(page, "Experiments");
    await page.getByRole("link", { name: experiment.name }).waitFor();
  },
);

browserTest("a wrong password is refused in words, and what was typed stays", async (visitor, site) => {
  visitor.expectRefusals(400);
  const { page } = visitor;
  const scientist = await site.newScientist();
  await page.goto(PAGE);
  await trySignIn(page, { ...scientist, password: "not the password" });
  await page.getByRole("alert").getByText("E-mail address and password do not match").waitFor();
  assert.equal(await page.getByLabel("E-mail address").inputValue(), scientist.email);
  await trySignIn(page, scientist);
  await heading(page, "Experiments");
});

browserTest("an address that is registered cannot be registered again", async (visitor, site) => {
  visitor.expectRefusals(400);
  const { page } = visitor;
  const { email } = await site.newAccount();
  await page.goto(`${PAGE}#/register`);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("a few good words");
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByRole("alert").getByText("This e-mail address is registered already").waitFor();
});

browserTest("a forgotten password is set anew by the link in the e-mail", async (visitor, site) => {
  const { page } = visitor;
  const scientist = await site.newScientist();
  await page.goto(PAGE);
  await page.getByRole("link", { name: "I have forgotten my password" }).click();
  await page.getByLabel("E-mail address").fill(scientist.email);
  await page.getByRole("button", { name: "Send the e-mail" }).click();
  await page.getByRole("status").getByText(scientist.email).waitFor();

  const [code, ...others] = await site.firebase.codesFor(scientist.email);
  assert.ok(code);
  assert.deepEqual([code.requestType, others.length], ["PASSWORD_RESET", 0]);
  const password = "the password that is set anew";
  // What Firebase's own page behind the link does with what is typed there.
  const changed = await fetch(`${code.oobLink}&newPassword=${encodeURIComponent(password)}`);
  assert.equal(changed.status, 200, await changed.text());
  await page.getByRole("link", { name: "Back to signing in" }).click();
  await trySignIn(page, { email: scientist.email, password });
  await heading(page, "Experiments");
});

browserTest("a password reset does not reveal whether the address is registered", async (visitor, site) => {
  visitor.expectRefusals(400);
  const { page } = visitor;
  const email = `${site.fresh("stranger")}@home.cern`;
  await page.goto(`${PAGE}#/forgotten-password`);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Send the e-mail" }).click();
  await page.getByRole("status").getByText(`If ${email} is registered`).waitFor();
  assert.deepEqual(await site.firebase.codesFor(email), []);
});

browserTest("after sign-out the back button shows no earlier view", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment("secret");
  await signIn(visitor, await site.newScientist(experiment));
  await page.getByRole("link", { name: experiment.name }).waitFor();
  await page.getByRole("link", { name: "Token" }).click();
  await heading(page, "Your token");
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in");
  await page.goBack();
  await heading(page, "Sign in");
  assert.equal(await page.getByText(experiment.name).count(), 0);
  await page.reload();
  await heading(page, "Sign in");
});

browserTest(
  "announcements about an experiment are removed when its user signs out",
  async (visitor, site) => {
    const { page } = visitor;
    const experiment = await site.newExperiment();
    const { account } = await measured(site, experiment, 3);
    await signIn(visitor, account, `#/experiments/${experiment.experiment_id}`);
    const said = page.locator("[aria-live=polite]");
    await said.getByText("3 measures from").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await heading(page, "Sign in");
    assert.equal(await said.textContent(), "");
  },
);

browserTest("a reload keeps the user signed in", async (visitor, site) => {
  const { page } = visitor;
  await signIn(visitor, await site.newScientist(), "#/token");
  await page.reload();
  await heading(page, "Your token");
});

browserTest("signing out in one tab ends the others as well", async (visitor, site) => {
  await signIn(visitor, await site.newScientist());
  const other = await visitor.context.newPage();
  await other.goto(PAGE);
  await heading(other, "Experiments");
  await visitor.page.getByRole("button", { name: "Sign out" }).click();
  await heading(other, "Sign in");
});

browserTest("an erased user sees nothing any more", async (visitor, site) => {
  visitor.expectRefusals(403);
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const scientist = await site.newScientist(experiment);
  await signIn(visitor, scientist);
  await page.getByRole("link", { name: experiment.name }).waitFor();
  await (await site.asAdministrator()).text("DELETE", `/users/${scientist.user.user_id}`);
  await page.reload();
  await heading(page, "Almost there");
  assert.equal(await page.getByText(experiment.name).count(), 0);
});

browserTest("a scientist changes and erases the own record", async (visitor, site) => {
  const { page } = visitor;
  const scientist = await site.newScientist();
  const { user_id } = scientist.user;
  const administrator = await site.asAdministrator();
  await signIn(visitor, scientist, "#/account");
  await page.getByLabel("Name").fill("Cecilia Payne");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").first().waitFor();
  assert.equal((await administrator.get<User>(`/users/${user_id}`)).name, "Cecilia Payne");

  await page.getByRole("button", { name: "Erase my record" }).click();
  await page.getByRole("dialog").getByLabel(`Type ${user_id} to confirm`).fill(user_id);
  await page.getByRole("dialog").getByRole("button", { name: "Erase it" }).click();
  await heading(page, "Sign in");
  await page.getByText("Your record has been erased.").waitFor();
  assert.equal(await administrator.status("GET", `/users/${user_id}`), 404);
});
