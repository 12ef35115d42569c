import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { makeBrowserTempFolder } from "./harness/browser-temp.js";

// It has to be set before anything of Playwright is loaded.
process.env.TMPDIR = await makeBrowserTempFolder();

// All tests in one process, since they share a site. `npm test -- administration` runs those of one
// file.
const wanted = process.argv.slice(2);
const folder = join(import.meta.dirname, "cases");
for (const file of (await readdir(folder)).sort()) {
  if (wanted.length === 0 || wanted.some((name) => file.startsWith(name))) {
    await import(join(folder, file));
  }
}
