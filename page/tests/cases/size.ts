import assert from "node:assert/strict";

import type { Request } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { drawn } from "../harness/measures.js";
import { heading, signIn } from "../harness/people.js";

/** The limit of the build, in bytes on the wire. */
const LIMIT = 280_000;

browserTest("all parts of the page together are less than 280 kB on the wire", async (visitor, site) => {
  const { page } = visitor;
  const requests: Request[] = [];
  page.on("request", (request) => {
    const { pathname, origin } = new URL(request.url());
    if (origin === site.service.url && pathname.startsWith("/static/")) {
      requests.push(request);
    }
  });
  // Sign-in, administration and plot: each brings what it needs.
  await signIn(visitor, site.administrator, "#/administration/users");
  await page.getByRole("row").nth(1).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in");
  const experiment = await site.newExperiment();
  await site.publish({ experiment: experiment.name, measure: "hertz", value: 1, timestamp: 1_650_000_000 });
  await signIn(visitor, await site.newScientist(experiment), `#/experiments/${experiment.experiment_id}`);
  await drawn(page);

  const sizes = new Map<string, number>();
  for (const request of requests) {
    await (await request.response())?.finished();
    sizes.set(new URL(request.url()).pathname, (await request.sizes()).responseBodySize);
  }
  const scripts = [...sizes.keys()].filter((path) => path.endsWith(".js"));
  for (const part of ["index", "firebase", "administration", "experiment-view"]) {
    assert.ok(
      scripts.some((path) => path.includes(`/${part}-`)),
      `${part} is not among ${scripts.join(", ")}`,
    );
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(total < LIMIT, `the page has ${total} bytes:\n${JSON.stringify([...sizes], null, 2)}`);
});
