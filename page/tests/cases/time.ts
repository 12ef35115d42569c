import assert from "node:assert/strict";
import type { CDPSession, Page } from "playwright-core";
import { browserTest } from "../harness/browser-test.js";
import { BEGINNING, drawn, series } from "../harness/measures.js";
import { dragOver, everySecond, moved, open, plotBox, queryOf, rangeOf, ticksOf } from "../harness/plots.js";

const hundred = everySecond({ hertz: Array.from({ length: 100 }, (_, index) => index) });
const WHOLE = "?from=2022-04-06T07:00:00Z&to=2022-04-06T07:01:40Z";
const LENGTH = 100_000;

browserTest("the last hour before now moves with the clock, and shows what is new", async (visitor, site) => {
  const seconds = Math.floor(Date.now() / 1_000);
  const old = [30, 7_200].map((ago) => ({ measure: "hertz", value: ago, timestamp: seconds - ago }));
  const { page, experiment } = await open(visitor, site, old);
  await page.getByText("2 measures, each of them shown").waitFor();
  await page.getByLabel("before").selectOption("now");
  await page.getByRole("button", { name: "1 h", exact: true }).click();
  await page.waitForURL(/from=now-1h&to=now/);
  await page.getByText("1 measure", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Follow", pressed: true }).waitFor();
  const status = page.locator(".status");
  const shown = await status.innerText();
  await site.publish(series(experiment, 1, { from: seconds - 5 }));
  await page.getByText("2 measures, each of them shown").waitFor();
  assert.notEqual(await status.innerText(), shown);
  // Stopped, it stays where it is.
  await page.getByRole("button", { name: "Follow", pressed: true }).click();
  await page.waitForURL((url) => rangeOf(url.href).length === 3_600_000);
  await page.getByRole("button", { name: "Follow", pressed: false }).waitFor();
});

browserTest("times are typed as people write them, and read in the page", async (visitor, site) => {
  const { page } = await open(visitor, site, hundred);
  const type = async (from: string, to: string) => {
    await page.getByRole("button", { name: "Range …" }).click();
    await page.getByLabel("From (UTC)").fill(from);
    await page.getByLabel("Until (UTC)").fill(to);
    await page
      .locator(".time-meant")
      .first()
      .getByText(/^= \d{4}-/)
      .waitFor();
    return moved(page, () => page.getByRole("button", { name: "Show", exact: true }).click());
  };
  const start = BEGINNING * 1_000;
  for (const [from, to] of [
    ["6.4.2022 07:00", "06.04.2022, 07:01"],
    ["2022-04-06T09:00+02:00", "2022-04-06 07:01 UTC"],
    ["6 April 2022 07:00", "1649228460"],
    // The browser is set to en-GB: the day comes first.
    ["6/4/2022 07:00", "6/4/2022 07:01:00"],
  ] as const) {
    const range = await type(from, to);
    assert.deepEqual([range.from, range.to], [start, start + 60_000], `${from} to ${to}`);
    await page.goBack();
    await drawn(page);
  }
  await type("2022-04-06 07:00", "now-30m");
  assert.deepEqual(queryOf(page.url()).get("to"), "now-30m");
  await page.getByText("100 measures, each of them shown").waitFor();
});

browserTest("the browser's calendar fills a field in", async (visitor, site) => {
  const { page } = await open(visitor, site, hundred);
  await page.getByRole("button", { name: "Range …" }).click();
  const button = page.getByRole("button", { name: "Calendar: beginning" });
  const opened = page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        HTMLInputElement.prototype.showPicker = function () {
          resolve(`${this.type} ${this.value}`);
        };
      }),
  );
  await button.click();
  assert.equal(await opened, "datetime-local 2022-04-06T07:00");
  // What is chosen in the browser's own window arrives as input.
  await page
    .locator(".calendar input")
    .first()
    .evaluate((input: HTMLInputElement) => {
      input.value = "2022-04-06T07:00:30";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
  assert.equal(await page.getByLabel("From (UTC)").inputValue(), "2022-04-06 07:00:30");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("70 measures, each of them shown").waitFor();
});

browserTest(
  "times are shown and typed in the local zone where it is chosen, and say so",
  async (visitor, site) => {
    const { page } = visitor;
    const ticks = await ticksOf(page);
    await open(visitor, site, hundred);
    await page.getByLabel("Times").selectOption("local");
    // The browser is set to Asia/Kolkata.
    await page.locator(".status").getByText("2022-04-06 12:30:00 to 2022-04-06 12:31:39 UTC+05:30").waitFor();
    assert.ok((await ticks(/^12:3\d:\d\d/)).length > 3);
    await page.getByText("Table of these values").click();
    await page.getByRole("columnheader", { name: "Time (local)" }).waitFor();
    await page.getByRole("rowheader", { name: "2022-04-06 12:30:00" }).first().waitFor();
    await page.getByRole("button", { name: "Range …" }).click();
    await page.getByLabel("From (local time)").fill("2022-04-06 12:31");
    await moved(page, () => page.getByRole("button", { name: "Show", exact: true }).click());
    assert.equal(queryOf(page.url()).get("from"), "2022-04-06T07:01:00Z");
    await page.getByText("40 measures, each of them shown").waitFor();
    await page.reload();
    await page.locator(".status").getByText("UTC+05:30").waitFor();
  },
);

browserTest(
  "a measure in 2106 is reported, and shown with one click, without stretching the view",
  async (visitor, site) => {
    const stray = { measure: "hertz", value: 7, timestamp: "2106-02-07T06:28:15Z" };
    const { page, experiment } = await open(visitor, site, [...hundred, stray]);
    await page.getByText("100 measures, each of them shown").waitFor();
    await page.locator(".status").getByText("2022-04-06 07:00:00 to 2022-04-06 07:01:39 UTC").waitFor();
    const notice = page.getByText("1 measure far from all others is not shown: 2106-02-07 06:28:15 UTC");
    await notice.waitFor();
    // New measures are still followed.
    await page.getByRole("button", { name: "Follow" }).click();
    await site.publish(series(experiment, 1, { from: BEGINNING + 120 }));
    await page.getByText("101 measures, each of them shown").waitFor();
    await page.getByRole("button", { name: "Show it" }).click();
    await page.getByText("1 measure", { exact: true }).waitFor();
    assert.equal(new Date(rangeOf(page.url()).from).getUTCFullYear(), 2106);
    await page.getByRole("button", { name: "1 h", exact: true }).click();
    await page.getByText("101 measures, each of them shown").waitFor();
  },
);

browserTest("the mouse moves the range with Shift and at the axis of time", async (visitor, site) => {
  const { page } = await open(visitor, site, hundred, WHOLE);
  const box = await plotBox(page);
  const drag = async (y: number) => {
    await page.mouse.move(box.left + box.width * 0.6, y);
    await page.mouse.down();
    await page.mouse.move(box.left + box.width * 0.4, y, { steps: 5 });
    await page.mouse.up();
  };
  await page.keyboard.down("Shift");
  const shifted = await moved(page, () => drag(box.middle));
  await page.keyboard.up("Shift");
  assert.ok(Math.abs(shifted.length - LENGTH) < 1_000, String(shifted.length));
  assert.ok(
    Math.abs(shifted.from - (BEGINNING * 1_000 + LENGTH / 5)) < 1_500,
    new Date(shifted.from).toISOString(),
  );
  await page.locator(".time-axis").scrollIntoViewIfNeeded();
  const scrolled = await plotBox(page);
  const below = await moved(page, () => drag(scrolled.y + scrolled.height + 15));
  assert.ok(Math.abs(below.from - shifted.from - LENGTH / 5) < 1_500, new Date(below.from).toISOString());
  // Without Shift, a part is chosen.
  await dragOver(page, 0.25, 0.75);
  await page.waitForURL((url) => Math.abs(rangeOf(url.href).length - LENGTH / 2) < 2_000);
});

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Moves fingers in straight lines from their first to their second places. */
async function fingers(
  session: CDPSession,
  paths: readonly { from: [number, number]; to: [number, number] }[],
) {
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", part: number) =>
    session.send("Input.dispatchTouchEvent", {
      type,
      touchPoints:
        type === "touchEnd"
          ? []
          : paths.map(({ from, to }, id) => ({
              id,
              x: from[0] + (to[0] - from[0]) * part,
              y: from[1] + (to[1] - from[1]) * part,
            })),
    });
  await touch("touchStart", 0);
  for (const part of [0.1, 0.25, 0.5, 0.75, 1]) {
    await touch("touchMove", part);
  }
  await touch("touchEnd", 1);
}

async function touching(page: Page) {
  await page.locator(".u-over").first().scrollIntoViewIfNeeded();
  const box = await plotBox(page);
  const session = await page.context().newCDPSession(page);
  return { box, session, at: (part: number): [number, number] => [box.left + box.width * part, box.middle] };
}

browserTest(
  "one finger moves the range, and scrolls the page up and down",
  async (visitor, site) => {
    const { page } = await open(visitor, site, hundred, WHOLE);
    const { session, at, box } = await touching(page);
    const before = page.url();
    const scrolled = await page.evaluate(() => scrollY);
    // Where the page ends just below the plot, it scrolls up only.
    const below = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY);
    const way = below > 100 ? -150 : 150;
    await fingers(session, [{ from: at(0.5), to: [at(0.5)[0], box.middle + way] }]);
    await page.waitForFunction((from) => Math.abs(scrollY - from) > 50, scrolled);
    assert.equal(page.url(), before);
    const again = await touching(page);
    const range = await moved(page, () =>
      fingers(again.session, [{ from: again.at(0.7), to: again.at(0.2) }]),
    );
    assert.ok(
      Math.abs(range.from - (BEGINNING * 1_000 + LENGTH / 2)) < 4_000,
      new Date(range.from).toISOString(),
    );
    assert.ok(Math.abs(range.length - LENGTH) < 1_000, String(range.length));
  },
  PHONE,
);

browserTest(
  "two fingers zoom around what is between them",
  async (visitor, site) => {
    const { page } = await open(visitor, site, hundred, WHOLE);
    const { session, at } = await touching(page);
    const closer = await moved(page, () =>
      fingers(session, [
        { from: at(0.4), to: at(0.25) },
        { from: at(0.6), to: at(0.85) },
      ]),
    );
    assert.ok(Math.abs(closer.length - LENGTH / 3) < 3_000, String(closer.length));
    const middle = closer.from + closer.length * 0.55 - BEGINNING * 1_000;
    assert.ok(Math.abs(middle - LENGTH / 2) < 3_000, String(middle));
  },
  PHONE,
);

browserTest("the strip shows the range within all measures, and moves it", async (visitor, site) => {
  const { page } = await open(visitor, site, hundred, "?from=2022-04-06T07:00:20Z&to=2022-04-06T07:00:40Z");
  const strip = page.getByRole("slider", { name: "The range shown, within all measures" });
  await strip.waitFor();
  const frame = await strip.locator(".overview-window").boundingBox();
  const box = await strip.boundingBox();
  assert.ok(frame && box);
  assert.ok(Math.abs(frame.width / box.width - 0.2) < 0.02, `${frame.width} of ${box.width}`);
  const y = box.y + box.height / 2;
  const x = frame.x + frame.width / 2;
  const right = await moved(page, async () => {
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + box.width * 0.3, y, { steps: 5 });
    await page.mouse.up();
  });
  assert.ok(Math.abs(right.from - (BEGINNING + 49.7) * 1_000) < 1_500, new Date(right.from).toISOString());
  assert.ok(Math.abs(right.length - 20_000) < 500, String(right.length));
  const wider = await moved(page, async () => {
    const now = await strip.locator(".overview-window").boundingBox();
    assert.ok(now);
    await page.mouse.move(now.x, y);
    await page.mouse.down();
    await page.mouse.move(now.x - box.width * 0.2, y, { steps: 5 });
    await page.mouse.up();
  });
  assert.ok(Math.abs(wider.length - 39_800) < 1_500, String(wider.length));
  const keyed = await moved(page, () => strip.press("ArrowLeft"));
  assert.ok(keyed.from < wider.from);
  assert.match((await strip.getAttribute("aria-valuetext")) ?? "", /^2022-04-06 07:00:\d.* to .* UTC$/);
});
