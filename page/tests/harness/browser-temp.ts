import { spawn } from "node:child_process";

import { makeFolder } from "./folders.js";

/**
 * Waits for the end of its input and of all processes with the folder in their command line, then
 * removes the folder. It must not find itself: hence the variable and the pattern on its input.
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
 * Makes a folder for the browser's temporary files. It is removed after this process, however it
 * ends, and the browser have ended.
 */
export async function makeBrowserTempFolder(): Promise<string> {
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
