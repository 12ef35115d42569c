import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { TIMEOUT_MS } from "./eventually.js";
import { makeFolder } from "./folders.js";
import { freePort } from "./ports.js";
import { repository } from "./repository.js";
import { Supervised } from "./supervised.js";

/** Prints where the programs lie and, a line each, the environment that keeps a node to itself. */
const ask = `
set -euo pipefail
source scripts/machine.sh
source scripts/private-servers.sh
printf '%s\\n%s\\n' "$(rabbitmq_scripts)" "$(program epmd)"
rabbitmq_environment "$@"
`;

/** A RabbitMQ of one's own. */
export class RabbitMq {
  readonly #node: Supervised;
  /** Host and port, as `RABBIT_URL` takes them. */
  readonly address: string;

  private constructor(node: Supervised, port: number) {
    this.#node = node;
    this.address = `127.0.0.1:${port}`;
  }

  static async start(): Promise<RabbitMq> {
    const folder = await makeFolder();
    const port = await freePort();
    const mapperPort = await freePort();
    const about = [folder, port, mapperPort, await freePort()].map(String);
    const asked = await promisify(execFile)("bash", ["-c", ask, "ask", ...about], { cwd: repository });
    const [scripts, epmd, ...pairs] = asked.stdout.trimEnd().split("\n");
    const configuration = [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      "log.console = true",
      "log.console.level = info",
      "# A full disk is nothing that these tests are about.",
      "disk_free_limit.absolute = 1MB",
      "# Ten seconds otherwise: too few for a client on a stalled host.",
      `handshake_timeout = ${2 * TIMEOUT_MS}`,
    ];
    await writeFile(join(folder, "rabbitmq.conf"), `${configuration.join("\n")}\n`);
    const node = new Supervised(
      {
        name: "RabbitMQ",
        command: [`${scripts}/rabbitmq-server`, "-noinput"],
        environment: Object.fromEntries(pairs.map((pair) => splitOnce(pair, "="))),
        companion: `${epmd} -address 127.0.0.1 -port ${mapperPort}`,
      },
      folder,
    );
    await node.start((line) => line.includes("Server startup complete"));
    return new RabbitMq(node, port);
  }

  remove(): Promise<void> {
    return this.#node.remove();
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}
