import assert from "node:assert/strict";

import type { Page, Route } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { asAdministrator } from "../harness/people.js";

/** The emulator's unsigned token of a user who has signed in two hours before. */
function old(token: string): string {
  const [header, claims] = token.split(".") as [string, string];
  const told = JSON.parse(Buffer.from(claims, "base64url").toString()) as { auth_time: number };
  told.auth_time -= 2 * 60 * 60;
  return `${header}.${Buffer.from(JSON.stringify(told)).toString("base64url")}.`;
}

/** Replaces the tokens of requests by those of an old sign-in, until the result is called. */
async function withOldSignIn(page: Page): Promise<() => Promise<void>> {
  const pattern = "**/users/**";
  const age = async (route: Route) => {
    const headers = route.request().headers();
    const authorization = headers.authorization?.replace(
      /^Bearer (.*)$/,
      (_, token) => `Bearer ${old(token)}`,
    );
    await route.continue({ headers: { ...headers, ...(authorization && { authorization }) } });
  };
  await page.route(pattern, age);
  return () => page.unroute(pattern, age);
}

browserTest("a user is erased after a recent sign-in, for which the page asks", async (visitor, site) => {
  visitor.expectRefusals(400, 403);
  const { user } = await site.newScientist();
  const administrator = await site.asAdministrator();
  const page = await asAdministrator(visitor, site, `users?search=${user.user_id}`);
  const signedInLately = await withOldSignIn(page);
  const erase = async () => {
    await page.getByRole("button", { name: `Erase ${user.user_id} …`, exact: true }).click();
    const dialog = page.getByRole("dialog", { name: /permanently/ });
    await dialog.getByLabel(`Type ${user.user_id} to confirm`).fill(user.user_id);
    await dialog.getByRole("button", { name: "Erase permanently" }).click();
    return dialog;
  };
  const password = page.getByRole("dialog", { name: "Sign in again" });

  const given = await erase();
  await password.getByRole("button", { name: "Cancel" }).click();
  await given.getByText("needs a recent sign-in").waitFor();
  assert.equal(await administrator.status("GET", `/users/${user.user_id}`), 200);
  await given.getByRole("button", { name: "Cancel" }).click();

  await erase();
  await password.getByLabel("Password").fill("a wrong one");
  await password.getByRole("button", { name: "Sign in" }).click();
  await password.getByText("do not match").waitFor();
  await signedInLately();
  await password.getByLabel("Password").fill(site.administrator.password);
  await password.getByRole("button", { name: "Sign in" }).click();
  await page.getByText(`${user.user_id} was erased.`).waitFor();
  assert.equal(await administrator.status("GET", `/users/${user.user_id}`), 404);
});
