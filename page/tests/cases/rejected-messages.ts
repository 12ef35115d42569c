import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Message } from "../harness/adapter.js";
import { browserTest } from "../harness/browser-test.js";
import { eventually } from "../harness/eventually.js";
import { asAdministrator, heading } from "../harness/people.js";
import type { Experiment, RejectedMessage } from "../harness/site.js";

function about(experiment: string, more: Partial<Message> = {}): Buffer {
  return Buffer.from(
    JSON.stringify({ experiment, measure: "hertz", value: 2.5, timestamp: 1_650_000_000, ...more }),
  );
}

browserTest(
  "a message about a missing experiment is stored by a replay after the experiment was added",
  async (visitor, site) => {
    const name = site.fresh("missing");
    const { id } = await site.rejected(about(name));
    const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
    await page.getByText("Unknown experiment").waitFor();
    await page.getByRole("button", { name: "Replay" }).click();
    await page.getByText("It still cannot be stored.").waitFor();

    await page.getByRole("button", { name: `Add ${name} …` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
    await page.getByText(`${name} was added.`).waitFor();
    await page.getByRole("button", { name: "Replay" }).click();
    await page.getByText("Stored: 1 measure.").waitFor();

    const administrator = await site.asAdministrator();
    assert.equal(await administrator.status("GET", `/rejected-messages/${id}`), 404);
    const experiments = await administrator.get<Experiment[]>("/experiments/");
    const experiment = experiments.find((one) => one.name === name);
    assert.ok(experiment);
    const scientist = await site.newScientist(experiment);
    const measures = await (await site.as(scientist)).get<{ value: number }[]>(
      `/measures/${experiment.experiment_id}`,
    );
    assert.deepEqual(
      measures.map(({ value }) => value),
      [2.5],
    );
  },
);

browserTest("a rejected message is discarded after a question", async (visitor, site) => {
  const { id } = await site.rejected(Buffer.from("{no JSON"));
  const administrator = await site.asAdministrator();
  const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
  await page.getByRole("button", { name: "Discard …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal(await administrator.status("GET", `/rejected-messages/${id}`), 200);
  await page.getByRole("button", { name: "Discard …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Discard permanently" }).click();
  await page.getByText("The message was discarded.").waitFor();
  assert.equal(await administrator.status("GET", `/rejected-messages/${id}`), 404);
});

browserTest(
  "a body is shown as the text that it is, and never becomes a part of the page",
  async (visitor, site) => {
    const body = '<img src=x onerror="document.title=1">\u202e\u0007 {"experiment": </pre><b>';
    const { id, message_id } = await site.rejected(Buffer.from(body));
    const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
    const shown = page.getByRole("region", { name: "Body of the message" });
    await shown.waitFor();
    assert.equal(
      await shown.textContent(),
      '<img src=x onerror="document.title=1">⟨U+202E⟩⟨U+0007⟩ {"experiment": </pre><b>',
    );
    assert.equal(await shown.locator("img, b").count(), 0);
    await page.getByText(message_id, { exact: true }).waitFor();
  },
);

browserTest(
  "bytes that are no text are shown in base64, and downloaded as they were published",
  async (visitor, site) => {
    const body = Buffer.from([0xff, 0xfe, 0x00, 0x41, 0x80, 0x0a]);
    const { id } = await site.rejected(body);
    const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
    await page.getByText("The body is not UTF-8 text and is shown in base64.").waitFor();
    const shown = page.getByRole("region", { name: "Body of the message" });
    assert.equal(await shown.textContent(), body.toString("base64"));
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download" }).click(),
    ]);
    assert.equal(download.suggestedFilename(), `rejected-message-${id}`);
    assert.deepEqual(await readFile(await download.path()), body);
  },
);

browserTest("of a long body the beginning is shown", async (visitor, site) => {
  const body = Buffer.alloc(3_000_000, "x");
  const { id } = await site.rejected(body);
  const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
  await page.getByText("This is its beginning. It has 3.0 MB in all").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  assert.deepEqual(await readFile(await download.path()), body);
});

browserTest(
  "rejected messages are filtered by reason and time, and the address keeps the filter",
  async (visitor, site) => {
    await site.rejected(Buffer.from(""));
    const page = await asAdministrator(visitor, site, "rejected-messages");
    await page.getByLabel("Reason").selectOption("Empty");
    await page.waitForFunction(() => {
      const reasons = [...document.querySelectorAll("td[data-head=Reason]")];
      return reasons.length > 0 && reasons.every(({ textContent }) => textContent === "Empty");
    });
    assert.match(page.url(), /reason=empty/);
    await page.getByLabel("Received before").fill("2020-01-01T00:00");
    await page.getByRole("heading", { name: "No such message" }).waitFor();
    await page.goBack();
    await page.getByRole("cell", { name: "Empty", exact: true }).first().waitFor();
    await page.reload();
    await page.getByRole("cell", { name: "Empty", exact: true }).first().waitFor();
    assert.equal(await page.getByLabel("Reason").inputValue(), "empty");
    await page.goBack();
    await eventually(async () => (await page.getByLabel("Reason").inputValue()) === "" || undefined);
    await page.getByRole("row").nth(1).waitFor();
  },
);

browserTest("rejected messages are paged, and each is seen once", async (visitor, site) => {
  // One more than two pages, of a kind that no other test makes.
  const bodies = Array.from({ length: 101 }, (_, index) =>
    about("device-vibrations", { measure: `smoot ${index}` }),
  );
  await site.publishAll(bodies.map((body) => ({ body })));
  const administrator = await site.asAdministrator();
  const ids = await eventually(async () => {
    const all = await administrator.get<RejectedMessage[]>("/rejected-messages/?reason=unknown_measure_type");
    return all.length === bodies.length ? all.map(({ id }) => id) : undefined;
  });
  const page = await asAdministrator(visitor, site, "rejected-messages?reason=unknown_measure_type");
  const seen: number[] = [];
  const older = page.getByRole("link", { name: "Older" });
  for (const expected of [50, 50, 1]) {
    const links = page.locator("tbody th a");
    await links.nth(expected - 1).waitFor();
    await page.waitForFunction((count) => document.querySelectorAll("tbody tr").length === count, expected);
    const addresses = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href") ?? ""));
    seen.push(...addresses.map((address) => Number(address.split("/").at(-1))));
    if (seen.length < bodies.length) {
      const before = await links.first().getAttribute("href");
      await older.click();
      await page.waitForFunction(
        (address) => document.querySelector("tbody th a")?.getAttribute("href") !== address,
        before,
      );
    }
  }
  assert.deepEqual(seen, ids);
  assert.equal(await older.count(), 0);
  await page.getByRole("link", { name: "Latest" }).click();
  await older.waitFor();
});

browserTest("all messages of a reason are replayed at once", async (visitor, site) => {
  const name = site.fresh("late");
  const first = await site.rejected(about(name));
  const second = await site.rejected(about(name));
  const hopeless = await site.rejected(about(site.fresh("never")));
  const administrator = await site.asAdministrator();
  await administrator.post("/experiments/", { name });
  const page = await asAdministrator(visitor, site, "rejected-messages?reason=unknown_experiment");
  await page.getByRole("button", { name: "Replay all of these …" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("with the reason “Unknown experiment”").waitFor();
  await dialog.getByRole("button", { name: "Replay" }).click();
  await dialog.getByText(/^2 messages stored, \d+ still rejected\.$/).waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  for (const [{ id }, status] of [
    [first, 404],
    [second, 404],
    [hopeless, 200],
  ] as const) {
    assert.equal(await administrator.status("GET", `/rejected-messages/${id}`), status);
  }
  await heading(page, "Rejected messages");
});

browserTest(
  "a message that another administrator has replayed meanwhile is reported as not found",
  async (visitor, site) => {
    visitor.expectRefusals(404);
    const { id } = await site.rejected(Buffer.from("[]"));
    const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
    const discard = page.getByRole("button", { name: "Discard …" });
    await discard.waitFor();
    await (await site.asAdministrator()).text("DELETE", `/rejected-messages/${id}`);
    await discard.click();
    await page.getByRole("dialog").getByRole("button", { name: "Discard permanently" }).click();
    await page.getByRole("dialog").getByText("There is no such").waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Message not found" }).waitFor();
  },
);

browserTest("all messages of a reason are discarded after a question", async (visitor, site) => {
  const { id } = await site.rejected(Buffer.from("{no JSON"));
  const page = await asAdministrator(visitor, site, "rejected-messages");
  await page.getByRole("row").nth(1).waitFor();
  const discard = page.getByRole("button", { name: "Discard all of these …" });
  // Nothing is discarded without a filter.
  assert.equal(await discard.count(), 0);
  await page.getByLabel("Reason").selectOption("malformed_json");
  await discard.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("with the reason “Malformed JSON”").waitFor();
  await dialog.getByRole("button", { name: "Discard permanently" }).click();
  await dialog.getByText(/^\d+ messages? discarded\.$/).waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("heading", { name: "No such message" }).waitFor();
  const administrator = await site.asAdministrator();
  assert.equal(await administrator.status("GET", `/rejected-messages/${id}`), 404);
});
