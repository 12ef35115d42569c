import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { eventually } from "./eventually.js";
import { makeFolder } from "./folders.js";
import { freePort } from "./ports.js";
import { repository } from "./repository.js";
import { Supervised } from "./supervised.js";

/** The binary under test. */
export const binary = process.env.MYMONIT_BINARY ?? join(repository, "target/debug/mymonit");

/** A running `mymonit`. */
export class Service {
  readonly #process: Supervised;
  readonly #folder: string;
  readonly url: string;

  private constructor(process: Supervised, folder: string, url: string) {
    this.#process = process;
    this.#folder = folder;
    this.url = url;
  }

  /** Starts the service with this environment only, and waits until it is ready. */
  static async start(environment: Record<string, string>, ...options: string[]): Promise<Service> {
    await stat(binary).catch(() => {
      throw new Error(`there is no ${binary}; please run: cargo build --package mymonit-app`);
    });
    const folder = await makeFolder();
    const port = await freePort();
    const process = new Supervised(
      {
        name: "mymonit",
        command: [binary, "serve", ...options],
        environment: {
          REST_HOST: "127.0.0.1",
          REST_PORT: String(port),
          METRICS_PORT: String(await freePort()),
          LOGSTASH_HOST: "",
          ...environment,
        },
      },
      folder,
    );
    const service = new Service(process, folder, `http://127.0.0.1:${port}`);
    await service.comeBack();
    return service;
  }

  /** Ends it as a crash would. */
  goAway(): Promise<void> {
    return this.#process.kill();
  }

  /** Starts it, for the first time or again, and waits until it is ready. */
  async comeBack(): Promise<void> {
    await this.#process.start((line) => line.includes('"consuming"'));
    await this.ready();
  }

  /** Waits until it is ready. */
  async ready(): Promise<void> {
    await eventually(async () => ((await fetch(`${this.url}/health/ready`)).ok ? true : undefined));
  }

  /** Waits for a line of its log; `since` is an earlier `lineCount`. */
  line(isWanted: (line: string) => boolean, since: number): Promise<string> {
    return this.#process.line(isWanted, since);
  }

  get lineCount(): number {
    return this.#process.lineCount;
  }

  /** A token of the evaluation mode. */
  async token(userId: string): Promise<string> {
    const printed = await promisify(execFile)(binary, ["token", userId], { cwd: this.#folder, env: {} });
    return printed.stdout.trim();
  }

  /** The API with that token. */
  client(token: string): Client {
    return new Client(this.url, token);
  }

  remove(): Promise<void> {
    return this.#process.remove();
  }
}

/** The REST API as any HTTP client sees it. */
export class Client {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Any request; the answer may be a refusal. */
  request(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(this.#url + path, {
      method,
      headers: { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async status(method: string, path: string): Promise<number> {
    const answer = await this.request(method, path);
    await answer.body?.cancel();
    return answer.status;
  }

  /** A request that has to succeed, and the bytes of the answer. */
  async text(method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.request(method, path, body);
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path} is answered with ${answer.status}: ${text}`);
    }
    return text;
  }

  /** A GET that has to succeed. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text("GET", path)) as T;
  }

  /** A POST that has to succeed. */
  async post<T>(path: string, body?: unknown): Promise<T> {
    return JSON.parse(await this.text("POST", path, body)) as T;
  }
}
