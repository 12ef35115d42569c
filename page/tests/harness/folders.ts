import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Asked for once, before the browser's leavings get a folder of their own: the servers' folders are not to lie in that
 * one, since its removal would take away what their shells need to know.
 */
const folders = tmpdir();

/** Makes an empty folder. */
export function makeFolder(): Promise<string> {
  return mkdtemp(join(folders, "mymonit-page-"));
}
