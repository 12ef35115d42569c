import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Read once, before the browser's temporary files get a separate folder. The servers' folders must
 * not be in that folder, since its removal would delete files that their shells need.
 */
const folders = tmpdir();

/** Makes an empty folder. */
export function makeFolder(): Promise<string> {
  return mkdtemp(join(folders, "mymonit-page-"));
}
