import { spawn } from "node:child_process";

import { makeFolder } from "./folders.js";

/**
 * Waits for the end of its input, and for that of all processes that have the folder in their command line, and
 * removes the folder. It must not find itself, hence the variable and the pattern on standard input.
 */
const script = `
trap '' HUP INT TERM
cat >/dev/null
while printf %s "$FOLDER" | grep --quiet --no-messages --text --fixed-strings --file=- /proc/[0-9]*/cmdline; do
    sleep 0.1
done
rm -rf -- "$FOLDER"
`;

/**
 * Makes a folder for whatever the browser leaves. It goes when this process ends, however that happens, and when the
 * browser has ended as well.
 */
export async function makeFolderForLeavings(): Promise<string> {
  const folder = await makeFolder();
  const shell = spawn("setsid", ["sh", "-c", script], {
    env: { PATH: process.env.PATH, FOLDER: folder },
    stdio: ["pipe", "ignore", "ignore"],
  });
  // It must not keep this process alive.
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
  return folder;
}
