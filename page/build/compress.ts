import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /\.(css|html|js|svg|txt)$/;
/** Smaller ones fit into one packet of the network anyway. */
const MIN_BYTES = 1_400;

/**
 * Adds a brotli and a gzip version of each built file, at the highest level, so that the service
 * need not compress. Fails the build if the whole page has more than `limit` bytes.
 */
export function compress({ limit }: { limit: number }): Plugin {
  let folder = "dist";
  return {
    name: "compress",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    async closeBundle() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      let total = 0;
      for (const file of files) {
        total += TEXT.test(file) ? await compressFile(file) : (await stat(file)).size;
      }
      console.log(`the page: ${(total / 1_000).toFixed(1)} kB compressed`);
      if (total > limit) {
        throw new Error(`the page has ${total} bytes compressed, and may have ${limit}`);
      }
      // The folder itself is in the repository, because the service is built with its content.
      await writeFile(join(folder, ".gitignore"), "*\n!.gitignore\n");
    },
  };
}

async function compressFile(file: string): Promise<number> {
  const content = await readFile(file);
  if (content.length < MIN_BYTES) {
    return content.length;
  }
  const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  const brotli = await promisify(brotliCompress)(content, { params: quality });
  const gzipped = await promisify(gzip)(content, { level: 9 });
  await Promise.all([writeFile(`${file}.br`, brotli), writeFile(`${file}.gz`, gzipped)]);
  return brotli.length;
}
