import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { browserTest } from "../harness/browser-test.js";
import { makeFolder } from "../harness/folders.js";
import { BEGINNING, drawn, stored } from "../harness/measures.js";
import { copy, signIn } from "../harness/people.js";
import { download, everySecond, experimentWith, open, queryOf } from "../harness/plots.js";

const two = everySecond({ hertz: [1, 2, 3], "degree Celsius": [20, 21, 22] });

browserTest(
  "a picture of the plots has their size, title and colours, and a name that tells what it is",
  async (visitor, site) => {
    const { page, experiment } = await open(visitor, site, two);
    const written = page.evaluate(() => {
      const texts: string[] = [];
      const fillText = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        texts.push(text);
        fillText.call(this, text, ...place);
      };
      Object.assign(window, { texts });
    });
    await written;
    const { name, bytes } = await download(page, "PNG");
    assert.equal(name, `${experiment.name}_degree-Celsius+hertz_20220406T070000Z-20220406T070002Z.png`);
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
    const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    assert.ok(width > 800 && height > 600, `${width} by ${height}`);
    const texts = await page.evaluate(() => (window as unknown as { texts: string[] }).texts);
    for (const expected of [
      experiment.name,
      "2022-04-06 07:00:00 to 2022-04-06 07:00:02 UTC",
      "hertz frequency, Hz",
      "°C",
    ]) {
      assert.ok(texts.includes(expected), `${expected} is not among ${texts.join(" | ")}`);
    }
  },
);

browserTest(
  "names that look like formulas are quoted for spreadsheets, and exact for programs",
  async (visitor, site) => {
    const experiment = await site.newExperiment('=HYPERLINK("http://x.example","click")');
    await site.publish(
      [-1.5, 2].map((value, index) => ({
        experiment: experiment.name,
        measure: "hertz",
        value,
        timestamp: BEGINNING + index,
      })),
    );
    const scientist = await site.newScientist(experiment);
    const client = await site.as(scientist);
    await stored(client, experiment, 2);
    await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}`);
    await drawn(visitor.page);
    const exact = await client.text("GET", `/measures/${experiment.experiment_id}?order=asc&format=csv`);
    assert.match(exact, /^"=HYPERLINK/m);
    const programs = await download(visitor.page, "CSV for programs");
    assert.equal(String(programs.bytes), exact);
    const sheets = await download(visitor.page, "CSV for spreadsheets");
    assert.equal(String(sheets.bytes), `\ufeff${exact.replaceAll('"=HYPERLINK', `"'=HYPERLINK`)}`);
    assert.match(sheets.name, /^HYPERLINK-http-x\.example-click-\d*_hertz_/);
  },
);

browserTest("links lead to this view, and to exactly this time", async (visitor, site) => {
  const { page } = await open(visitor, site, two, "?layout=together&y=hertz:log");
  await page.getByRole("button", { name: "Share …" }).click();
  await copy(page, "Copy link");
  assert.equal(await visitor.clipboard(), page.url());
  await page.getByRole("button", { name: "Copied" }).waitFor({ state: "detached" });
  await copy(page, "Copy fixed link");
  const link = await visitor.clipboard();
  const query = queryOf(link);
  assert.deepEqual(
    ["from", "to", "layout", "y"].map((name) => query.get(name)),
    ["2022-04-06T07:00:00Z", "2022-04-06T07:00:02.001Z", "together", "hertz:log"],
  );
  await page.goto(link);
  await page.getByText("6 measures, each of them shown").waitFor();
});

browserTest("the code for curl reads this view", async (visitor, site) => {
  const experiment = await experimentWith(site, two, "it's");
  const scientist = await site.newScientist(experiment);
  const client = await site.as(scientist);
  await stored(client, experiment, 6);
  await signIn(visitor, scientist, `#/experiments/${experiment.experiment_id}?type=degree+Celsius`);
  await drawn(visitor.page);
  await visitor.page.getByRole("button", { name: "Share …" }).click();
  await copy(visitor.page, "Copy curl");
  const folder = await makeFolder();
  const token = await site.firebase.idToken(scientist);
  await promisify(execFile)("bash", ["-euc", await visitor.clipboard()], {
    cwd: folder,
    env: { PATH: process.env.PATH, TOKEN: token },
  });
  const [name = ""] = await readdir(folder);
  assert.match(name, /^it-s-\d+_degree-Celsius_20220406T070000Z-20220406T070002Z\.csv$/);
  assert.equal(
    await readFile(`${folder}/${name}`, "utf8"),
    await client.text(
      "GET",
      `/measures/${experiment.experiment_id}?order=asc&format=csv&type=degree%20Celsius`,
    ),
  );
});

browserTest("the code for Python is Python, and asks for what is shown", async (visitor, site) => {
  const { page, experiment } = await open(visitor, site, two, "?type=hertz");
  await page.getByRole("button", { name: "Share …" }).click();
  await copy(page, "Copy Python");
  const code = await visitor.clipboard();
  // pandas itself is replaced: what matters is what it is asked for.
  const stand = `
import os, sys, types
os.environ["TOKEN"] = "secret"
asked = []
pandas = types.ModuleType("pandas")
class Frame(dict):
    def astype(self, kind): return kind
    def __getitem__(self, name): return self
pandas.read_csv = lambda address, **options: asked.append((address, options["storage_options"]["Authorization"])) or Frame()
pandas.concat = lambda frames: list(frames)[0]
sys.modules["pandas"] = pandas
exec(compile(sys.stdin.read(), "view.py", "exec"))
print(asked[0][0]); print(asked[0][1])
`;
  const child = promisify(execFile)("python3", ["-c", stand]);
  child.child.stdin?.end(code);
  const [, address = "", authorization] = (await child).stdout.trim().split("\n");
  assert.equal(authorization, "Bearer secret");
  const { pathname, searchParams } = new URL(address);
  assert.equal(pathname, `/measures/${experiment.experiment_id}`);
  assert.deepEqual(
    ["from", "to", "type", "format"].map((name) => searchParams.get(name)),
    ["2022-04-06T07:00:00Z", "2022-04-06T07:00:02.001Z", "hertz", "csv"],
  );
});
