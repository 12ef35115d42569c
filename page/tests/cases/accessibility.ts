import assert from "node:assert/strict";

import axe from "axe-core";
import type { Page } from "playwright-core";

import { browserTest } from "../harness/browser-test.js";
import { views } from "../harness/views.js";

/** The rules of WCAG 2.2, levels A and AA, and good practice. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** The narrowest screen that WCAG 2.2 asks to be served without scrolling sideways (1.4.10). */
const NARROW = { width: 320, height: 640 };

for (const { name, open, where } of views) {
  browserTest(
    `the view "${name}" is accessible in light and dark, and fits a narrow screen`,
    async (visitor, site) => {
      const { page } = visitor;
      await open(visitor, site);
      await page.emulateMedia({ reducedMotion: "reduce" });
      await page.evaluate(axe.source);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await findings(page), [], `in ${colorScheme}`);
      }
      await page.setViewportSize(NARROW);
      await laidOut(page);
      assert.deepEqual(await findings(page), [], "on a narrow screen");
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= NARROW.width, `the page is ${width} pixels wide`);
    },
    {},
    where,
  );
}

/** Waits until the page has been drawn in its new size: plots follow the resize event. */
function laidOut(page: Page): Promise<unknown> {
  return page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
}

/** What is wrong with the page, with where. */
async function findings(page: Page): Promise<string[]> {
  // Colours on their way from light to dark are neither.
  await page.waitForFunction(() => document.getAnimations().length === 0);
  const { violations } = await page.evaluate(
    (rules) => (window as unknown as { axe: typeof axe }).axe.run({ runOnly: rules }),
    RULES,
  );
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${impact}: ${id} at ${target.join(" ")}: ${failureSummary}`),
  );
}
