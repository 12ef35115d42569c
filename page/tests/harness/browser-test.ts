import { after, before, test } from "node:test";

import type { BrowserContextOptions } from "playwright-core";

import type { Visitor } from "./browser.js";
import { TIMEOUT_MS } from "./eventually.js";
import type { Service } from "./service.js";
import { Site } from "./site.js";

let shared: Site | undefined;

/** The site that all tests share; each test makes its own users and experiments. */
export function theSite(): Site {
  if (shared === undefined) {
    throw new Error("the site is there while tests run, and not before");
  }
  return shared;
}

before(async () => {
  shared = await Site.start();
});

after(() => shared?.remove());

/** Longer than any test with every step at its timeout: a test that hangs fails. */
const LIMIT_MS = 15 * TIMEOUT_MS;

/** A test in a separate browser, which also fails at page errors that the test does not expect. */
export function browserTest(
  name: string,
  body: (visitor: Visitor, site: Site) => Promise<void>,
  options: BrowserContextOptions = {},
  where: (site: Site) => Service = (site) => site.service,
): void {
  test(name, { timeout: LIMIT_MS }, async (context) => {
    const site = theSite();
    const visitor = await site.visitor(where(site), options);
    try {
      await body(visitor, site);
      if (visitor.problems.length > 0) {
        throw new Error(`the page had trouble:\n${visitor.problems.join("\n")}`);
      }
    } catch (error) {
      const picture = await visitor.keepPicture(name).catch((reason: unknown) => `there is none: ${reason}`);
      context.diagnostic(`a picture of the page: ${picture}`);
      for (const problem of visitor.problems) {
        context.diagnostic(problem);
      }
      throw error;
    } finally {
      await visitor.leave();
    }
  });
}
