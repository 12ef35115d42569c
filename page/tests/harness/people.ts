import type { Locator, Page } from "playwright-core";

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

/** Clicks a button that copies something. Its own text changes only for a short time. */
export async function copy(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name }).click();
  await page.locator("[aria-live=polite]").getByText("Copied.", { exact: true }).waitFor();
}

/** Waits until all scripts for a scientist's plots are loaded, which happens when idle. */
export async function prepared(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    performance
      .getEntriesByType("resource")
      .some((entry) => /\/experiment-view-[^/]*\.js$/.test(entry.name) && entry.duration > 0),
  );
}

/** Waits for the view with this title. */
export function heading(page: Page, name: string | RegExp): Promise<void> {
  return page.getByRole("heading", { level: 1, name }).waitFor();
}

/** Presses Tab until it has the focus. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let presses = 0; presses < 40; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) {
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error("the Tab key does not lead there");
}
