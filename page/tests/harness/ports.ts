import { once } from "node:events";
import { createServer } from "node:net";

/** Linux uses higher ports for outgoing connections, which could block a restarting server. */
const FIRST = 20_000;
const LAST = 32_767;

const taken = new Set<number>();

/** A port of this machine that nothing listens on, and that is given once in a run of the tests. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (!taken.has(port) && (await isFree(port))) {
      taken.add(port);
      return port;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch {
    return false;
  }
}
