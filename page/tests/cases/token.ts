import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import type { Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { copy, heading, signIn } from "../harness/people.js";
import type { User } from "../harness/site.js";

const HOUR_MS = 3_600_000;

browserTest("the token that is copied opens the API to any program", async (visitor, site) => {
  const { page } = visitor;
  const { user, ...account } = await site.newScientist();
  await signIn(visitor, account, "#/token");
  await copy(page, "Copy the token");
  const token = await visitor.clipboard();
  assert.deepEqual(await site.service.client(token).get<User>("/users/me"), user);
});

browserTest("the curl line that is copied runs as it is", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment();
  await signIn(visitor, await site.newScientist(experiment), "#/token");
  await copy(page, "Copy the command");
  const { stdout } = await promisify(execFile)("bash", ["-c", await visitor.clipboard()]);
  assert.deepEqual(JSON.parse(stdout), [experiment]);
});

browserTest("the token shows its remaining lifetime and can be renewed", async (visitor, site) => {
  const { page } = visitor;
  // Firebase gives the same token twice within a second.
  await signIn(visitor, await site.newScientist(), "#/token");
  const timer = page.getByRole("timer");
  // An hour, but for the time that this machine took.
  await timer.getByText(/good for (5\d|60) min/).waitFor();
  const first = await shownToken(page);
  await eventually(async () => {
    await page.getByRole("button", { name: "Get a new one" }).click();
    return (await shownToken(page)) === first ? undefined : true;
  });
  assert.ok(expiryOf(await shownToken(page)) >= expiryOf(first));
});

browserTest("a token that has run out is renewed before it is used", async (visitor, site) => {
  const { page } = visitor;
  const experiment = await site.newExperiment();
  const tokens: string[] = [];
  page.on("request", (request) => {
    if (isListOfExperiments(new URL(request.url()))) {
      tokens.push(request.headers().authorization ?? "");
    }
  });
  await page.clock.install();
  await signIn(visitor, await site.newScientist(experiment));
  await page.getByRole("link", { name: experiment.name }).waitFor();
  const renewal = page.waitForRequest((request) => request.url().includes("/v1/token"));
  await page.clock.fastForward(1.5 * HOUR_MS);
  await page.getByRole("link", { name: "Token" }).click();
  await renewal;
  await page.getByRole("link", { name: "Experiments" }).click();
  await page.getByRole("link", { name: experiment.name }).waitFor();
  assert.equal(tokens.length, 2);
});

browserTest(
  "a token that the service takes no more is renewed, and the request made again",
  async (visitor, site) => {
    visitor.expectRefusals(401);
    const { page } = visitor;
    const experiment = await site.newExperiment();
    const scientist = await site.newScientist(experiment);
    await signIn(visitor, scientist, "#/token");
    const good = await shownToken(page);
    const bad = `Bearer ${expired(good)}`;
    // As if the clock of this computer went wrong: the page believes that its token is good.
    let isFirst = true;
    await page.route(isListOfExperiments, (route) => {
      const headers = { ...route.request().headers() };
      if (isFirst) {
        headers.authorization = bad;
      }
      isFirst = false;
      return route.continue({ headers });
    });
    const renewal = page.waitForRequest((request) => request.url().includes("/v1/token"));
    await page.getByRole("link", { name: "Experiments" }).click();
    await renewal;
    await page.getByRole("link", { name: experiment.name }).waitFor();
  },
);

browserTest("a user whose token cannot be renewed is asked to sign in again", async (visitor, site) => {
  visitor.expectRefusals(400, 401);
  const { page } = visitor;
  const scientist = await site.newScientist();
  await signIn(visitor, scientist, "#/token");
  const bad = `Bearer ${expired(await shownToken(page))}`;
  await page.route(isListOfExperiments, (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization: bad } }),
  );
  await page.getByRole("link", { name: "Experiments" }).click();
  await heading(page, "Sign in");
  await page.getByText("The service no longer accepts your sign-in.").waitFor();
});

const isListOfExperiments = (url: URL) => url.pathname === "/experiments/";

async function shownToken(page: Page): Promise<string> {
  await heading(page, "Your token");
  return (await page.locator("#token").textContent())?.trim() ?? "";
}

function expiryOf(token: string): number {
  return claimsOf(token).exp;
}

function claimsOf(token: string): { exp: number; iat: number; auth_time: number } {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

/** The same token of two hours ago; the emulator's are unsigned. */
function expired(token: string): string {
  const [head] = token.split(".");
  const { exp, iat, auth_time, ...others } = claimsOf(token);
  const earlier = { ...others, exp: exp - 7_200, iat: iat - 7_200, auth_time: auth_time - 7_200 };
  return `${head}.${Buffer.from(JSON.stringify(earlier)).toString("base64url")}.`;
}
