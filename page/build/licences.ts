import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plugin } from "vite";

/**
 * Licences that Vite does not collect: that of the font, and a text that several packages only
 * name; another package contains it verbatim.
 */
const TEXTS = [
  ["Inter (OFL-1.1)", "node_modules/@fontsource-variable/inter/LICENSE"],
  ["Apache-2.0, of the packages above that name it", "node_modules/typescript/LICENSE"],
] as const;

/** Completes the licences of what is bundled, which Vite has written to `fileName`. */
export function licences(fileName: string): Plugin {
  let [root, folder] = [".", "dist"];
  return {
    name: "licences",
    apply: "build",
    configResolved(config) {
      [root, folder] = [config.root, config.build.outDir];
    },
    async writeBundle() {
      for (const [title, path] of TEXTS) {
        const text = await readFile(join(root, path), "utf8");
        await appendFile(join(root, folder, fileName), `\n## ${title}\n\n${text.trim()}\n`);
      }
    },
  };
}
