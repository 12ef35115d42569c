import assert from "node:assert/strict";

import type { Locator, Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { asAdministrator, heading, signIn } from "../harness/people.js";
import type { Experiment, RejectedMessage } from "../harness/site.js";

browserTest(
  "the back button leads into a long list where one was, with as much of it",
  async (visitor, site) => {
    const administrator = await site.asAdministrator();
    const kind = site.fresh("way-back");
    const experiments = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        administrator.post<Experiment>("/experiments/", { name: `${kind}-${index}` }),
      ),
    );
    await signIn(visitor, await site.newScientist(...experiments));
    const { page } = visitor;
    await page.getByRole("button", { name: "Show 20 more" }).click();
    const link = page.getByRole("link", { name: kind }).nth(110);
    const name = await link.locator(".experiment-name").innerText();
    const before = await leaveBy(page, link);
    await heading(page, name);
    assert.equal(await page.evaluate(() => scrollY), 0);

    await page.goBack();
    await isAt(page, before);
    await link.and(page.locator(":focus")).waitFor();
    // Also when the page itself was left, and when it is loaded again.
    const atTheEnd = await leaveBy(page, page.getByRole("link", { name: "REST API" }));
    await page.waitForURL(/\/docs/);
    await page.goBack();
    await isAt(page, atTheEnd);
    await page.reload();
    await isAt(page, atTheEnd);
    await link.waitFor();
  },
);

browserTest(
  "the back button leads from a rejected message to where one was, on the page of before",
  async (visitor, site) => {
    // Of a kind that no other test makes: more than a page.
    const body = Buffer.from(
      '{"experiment":"device-vibrations","measure":"hertz","value":1,"timestamp":"?"}',
    );
    const count = 70;
    await site.publishAll(Array.from({ length: count }, () => ({ body })));
    const administrator = await site.asAdministrator();
    const list = "rejected-messages?reason=invalid_timestamp";
    await eventually(async () => {
      const found = await administrator.get<RejectedMessage[]>(`/${list.replace("?", "/?")}`);
      return found.length === count || undefined;
    });
    const page = await asAdministrator(visitor, site, list);
    const links = page.locator("tbody th a");
    await links.nth(49).waitFor();
    const latest = await links.first().getAttribute("href");
    const onTheFirst = await leaveBy(page, page.getByRole("link", { name: "Older" }));
    await page.getByRole("link", { name: "Latest" }).waitFor();
    await isAt(page, 0);
    await eventually(async () => (await links.first().getAttribute("href")) !== latest || undefined);
    await links.nth(19).waitFor();

    const onTheSecond = await leaveBy(page, links.nth(15));
    await heading(page, /^Rejected message \d+$/);
    await page.goBack();
    await isAt(page, onTheSecond);
    await links.nth(15).and(page.locator(":focus")).waitFor();
    await page.goBack();
    await eventually(async () => (await links.first().getAttribute("href")) === latest || undefined);
    await isAt(page, onTheFirst);
  },
);

browserTest("a user who begins something else is not moved any more", async (visitor, site) => {
  const { page } = visitor;
  const experiments = await Promise.all(Array.from({ length: 40 }, () => site.newExperiment("stay-here")));
  await signIn(visitor, await site.newScientist(...experiments));
  const link = page.getByRole("link", { name: "stay-here" }).nth(35);
  assert.ok((await leaveBy(page, link)) > 0);
  await page.getByRole("heading", { name: "No measures yet" }).waitFor();
  // The list is late.
  let letIn = () => {};
  const gate = new Promise<void>((resolve) => {
    letIn = resolve;
  });
  await page.route(
    (url) => url.pathname === "/experiments/",
    async (route) => {
      await gate;
      await route.continue();
    },
  );
  await page.goBack();
  await page.getByText("Loading your experiments").waitFor();
  await page.keyboard.press("Shift");
  letIn();
  await link.waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0);
});

/** Follows a link far down, and tells how far the view is scrolled at that moment. */
async function leaveBy(page: Page, link: Locator): Promise<number> {
  await link.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  assert.ok(before > 0, "there is nothing to scroll");
  await link.click();
  return before;
}

/** Waits until the view is scrolled that far. */
async function isAt(page: Page, top: number): Promise<void> {
  await page.waitForFunction((wanted) => Math.abs(scrollY - wanted) <= 1, top);
}
