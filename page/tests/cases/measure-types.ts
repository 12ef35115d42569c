import { browserTest } from "../harness/browser-test.js";
import { asAdministrator } from "../harness/people.js";

browserTest("an administrator adds a measure type and corrects its symbol", async (visitor, site) => {
  visitor.expectRefusals(400);
  const name = site.fresh("furlong per fortnight");
  const symbol = site.fresh("fur");
  const page = await asAdministrator(visitor, site, "measure-types");
  await page.getByRole("button", { name: "Add a measure type" }).click();
  const form = page.getByRole("dialog", { name: "Add a measure type" });
  await form.getByRole("button", { name: "Add" }).click();
  await form.getByText(/must not be blank/i).waitFor();
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Symbol").fill("fpf");
  await form.getByLabel("Quantity").fill("velocity");
  await form.getByRole("button", { name: "Add" }).click();
  await page.getByText(`${name} (fpf) was added.`).waitFor();
  await page.getByLabel("Find").fill("per fortnight");
  await page.getByRole("button", { name: `Change ${name}` }).click();
  const change = page.getByRole("dialog", { name: `Change ${name}` });
  await change.getByLabel("Symbol").fill(symbol);
  await change.getByRole("button", { name: "Save" }).click();
  await page.getByText(`${name} (${symbol}) was changed.`).waitFor();
  await page.getByRole("row", { name }).getByText(symbol).waitFor();
});

browserTest(
  "a measure type that a rejected message names is added, and the message stored",
  async (visitor, site) => {
    const experiment = await site.newExperiment();
    const measure = site.fresh("smoot");
    const message = { experiment: experiment.name, measure, value: 1, timestamp: 1_650_000_000 };
    const { id } = await site.rejected(Buffer.from(JSON.stringify(message)));
    const page = await asAdministrator(visitor, site, `rejected-messages/${id}`);
    await page.getByText("The message names a measure type that does not exist.").waitFor();
    await page.getByRole("button", { name: `Add ${measure} …` }).click();
    const form = page.getByRole("dialog", { name: "Add a measure type" });
    await form.getByLabel("Symbol").fill(site.fresh("sm"));
    await form.getByLabel("Quantity").fill("length");
    await form.getByRole("button", { name: "Add" }).click();
    await page.getByText(`${measure} was added.`).waitFor();
    await page.getByRole("button", { name: "Replay" }).click();
    await page.getByText("Stored: 1 measure.").waitFor();
  },
);
