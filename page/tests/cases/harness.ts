import assert from "node:assert/strict";
import { test } from "node:test";
import { theSite } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { PAGE } from "../harness/people.js";

// All other tests rely on this: they fail when the page has trouble.
test("whatever goes wrong in a page is noticed", async () => {
  const site = theSite();
  const visitor = await site.visitor(site.service);
  const { page } = visitor;
  const noticed = async (sign: RegExp, act: () => unknown) => {
    await page.evaluate(act);
    await eventually(async () => (visitor.problems.some((problem) => sign.test(problem)) ? true : undefined));
  };
  try {
    await page.goto(PAGE);
    assert.deepEqual(visitor.problems, []);
    await noticed(/^console: it is broken/, () => console.error("it is broken"));
    await noticed(/^uncaught: .*it fails/, () => {
      setTimeout(() => {
        throw new Error("it fails");
      });
    });
    await noticed(/^console: .*TrustedScriptURL/s, () => {
      try {
        document.createElement("script").src = "data:,";
      } catch {
        // The policy refuses it and logs an error.
      }
    });
    await noticed(/^console: .*Content Security Policy.*style-src/s, () => {
      document.body.setAttribute("style", "color: red");
    });
    await noticed(/^console: .*Failed to load resource.* 404 /, () => fetch("/static/nothing"));
    await noticed(/^console: .*Content Security Policy.*connect-src/s, () =>
      fetch("http://127.0.0.1:9/").catch(() => {}),
    );
    await noticed(/^request to a stranger: http:\/\/127\.0\.0\.1:9\//, () => {
      open("http://127.0.0.1:9/", "_blank", "noopener");
    });
  } finally {
    await visitor.leave();
  }
});
