import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

import { makeBrowserTempFolder } from "./harness/browser-temp.js";
import { repository } from "./harness/repository.js";

// Pictures of every view, light and dark, wide and narrow, to be looked at: `npm run pictures
// [VIEW…]`. With `--readme` the one of README.md is replaced.
process.env.TMPDIR = await makeBrowserTempFolder();
const { Site } = await import("./harness/site.js");
const { views } = await import("./harness/views.js");

const folder = join(repository, "target/page-pictures");
await mkdir(folder, { recursive: true });
const wanted = process.argv.slice(2).filter((argument) => argument !== "--readme");
const isForReadme = process.argv.includes("--readme");
const site = await Site.start();
try {
  for (const { name, open, where } of views) {
    if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) {
      continue;
    }
    const visitor = await site.visitor(where?.(site) ?? site.service, {
      viewport: { width: 1280, height: 800 },
      reducedMotion: "reduce",
    });
    await open(visitor, site);
    for (const width of [1280, 360]) {
      for (const colorScheme of ["light", "dark"] as const) {
        await visitor.page.setViewportSize({ width, height: 800 });
        await visitor.page.emulateMedia({ colorScheme });
        const path = join(folder, `${name.replaceAll(" ", "-")}-${width}-${colorScheme}.png`);
        await visitor.page.screenshot({ path, fullPage: true });
        if (isForReadme && name === "experiment with sensors" && width === 1280 && colorScheme === "light") {
          await copyFile(path, join(repository, "docs/images/experiment.png"));
        }
      }
    }
    await visitor.leave();
  }
} finally {
  await site.remove();
}
console.log(`the pictures lie in ${folder}`);
