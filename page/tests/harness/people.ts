import type { Page } from "playwright-core";

import type { Visitor } from "./browser.js";
import type { Account } from "./firebase.js";
import type { Site } from "./site.js";

/** Where the page is. */
export const PAGE = "/static/index.html";

/** Fills in the sign-in form and sends it. */
export async function trySignIn(page: Page, { email, password }: Pick<Account, "email" | "password">) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Opens the page at a view and signs in. */
export async function signIn({ page }: Visitor, account: Account, view = "#/"): Promise<void> {
  await page.goto(PAGE + view);
  await trySignIn(page, account);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** Opens the page of the evaluation mode at a view, as one of its people. */
export async function signInAs({ page }: Visitor, name: string, view = "#/"): Promise<void> {
  await page.goto(PAGE + view);
  await page.getByRole("button", { name }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** Opens the page as the administrator. */
export async function asAdministrator(visitor: Visitor, site: Site, view: string): Promise<Page> {
  await signIn(visitor, site.administrator, `#/administration/${view}`);
  return visitor.page;
}

/** Waits for the view with this title. */
export function heading(page: Page, name: string | RegExp): Promise<void> {
  return page.getByRole("heading", { level: 1, name }).waitFor();
}
