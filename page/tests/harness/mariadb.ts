import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { TIMEOUT_MS } from "./eventually.js";
import { makeFolder } from "./folders.js";
import { freePort } from "./ports.js";
import { Supervised } from "./supervised.js";

const run = promisify(execFile);

/** Server programs are in folders that an ordinary PATH lacks. */
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

/** A private MariaDB, which can be stopped for a while. */
export class MariaDb {
  readonly #server: Supervised;
  readonly #port: number;

  private constructor(server: Supervised, port: number) {
    this.#server = server;
    this.#port = port;
  }

  static async start(): Promise<MariaDb> {
    const folder = await makeFolder();
    const data = join(folder, "data");
    const accounts = join(folder, "accounts.sql");
    const port = await freePort();
    // A server started by root needs this option.
    const account = process.getuid?.() === 0 ? ["--user=root"] : [];
    await run(
      "mariadb-install-db",
      ["--no-defaults", ...account, `--datadir=${data}`, "--skip-test-db", "--skip-name-resolve", "--force"],
      { env: { PATH } },
    );
    await writeFile(
      accounts,
      "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'password';\n" +
        "GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n",
    );
    const server = new Supervised(
      {
        name: "MariaDB",
        command: [
          "mariadbd",
          "--no-defaults",
          ...account,
          `--datadir=${data}`,
          `--socket=${join(folder, "mariadb.sock")}`,
          `--port=${port}`,
          "--bind-address=127.0.0.1",
          "--skip-name-resolve",
          // Ten seconds otherwise: too few for a client on a stalled host.
          `--connect-timeout=${(2 * TIMEOUT_MS) / 1_000}`,
          "--character-set-server=utf8mb4",
          `--init-file=${accounts}`,
        ],
        environment: { PATH },
      },
      folder,
    );
    const mariadb = new MariaDb(server, port);
    await mariadb.comeBack();
    return mariadb;
  }

  /** The service's configuration for a database here, which it makes itself. */
  get environment(): Record<string, string> {
    return { DB_HOST: "127.0.0.1", DB_PORT: String(this.#port), DB_USER: "root", DB_PASSWORD: "password" };
  }

  /** Ends it as a crash would. */
  goAway(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts it, for the first time or again. */
  comeBack(): Promise<void> {
    return this.#server.start((line) => line.includes("ready for connections"));
  }

  remove(): Promise<void> {
    return this.#server.remove();
  }
}
