import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";

import { TIMEOUT_MS } from "./eventually.js";
import { repository } from "./repository.js";

/** Pictures of the pages of failed tests. */
const PICTURES = join(repository, "target/page-tests");

/** A minimal Chromium: no GPU, and no background network requests. */
const OPTIONS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Only literal addresses of this machine are resolved; other requests fail, and so do their
  // tests.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

export function launchBrowser(...options: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Chromium's sandbox refuses to run as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...OPTIONS, ...options],
    timeout: 2 * TIMEOUT_MS,
  });
}

/** One person's browser: nothing of it is shared with another visitor's. */
export class Visitor {
  readonly #context: BrowserContext;
  readonly #problems: string[] = [];
  readonly #expected: ((problem: string) => boolean)[] = [];
  readonly page: Page;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  /** Opens an empty page and records its errors from now on. */
  static async arrive(
    browser: Browser,
    origin: string,
    known: string[],
    options: BrowserContextOptions = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({
      baseURL: origin,
      locale: "en-GB",
      // Neither UTC nor whole hours, so that no mistake with times stays hidden.
      timezoneId: "Asia/Kolkata",
      acceptDownloads: true,
      ...options,
    });
    context.setDefaultTimeout(TIMEOUT_MS);
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    const visitor = new Visitor(context, await context.newPage());
    visitor.#watch([origin, ...known]);
    return visitor;
  }

  /** The browser's cookies, network and permissions. */
  get context(): BrowserContext {
    return this.#context;
  }

  /** Declares that the test expects answers with these statuses: the console logs each of them. */
  expectRefusals(...statuses: number[]): void {
    const sign = new RegExp(`^console: Failed to load resource: .* status of (${statuses.join("|")}) `);
    this.#expected.push((problem) => sign.test(problem));
  }

  /** Declares that network or service are unreachable for a part of the test. */
  expectBrokenNetwork(): void {
    this.#expected.push((problem) => /^console: Failed to load resource: net::ERR_/.test(problem));
  }

  /** What went wrong in the pages and was not expected. */
  get problems(): string[] {
    return this.#problems.filter((problem) => !this.#expected.some((isExpected) => isExpected(problem)));
  }

  /** Says what the clipboard holds. */
  clipboard(): Promise<string> {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /** Keeps a picture of the page, to find the reason of a failure. */
  async keepPicture(name: string): Promise<string> {
    await mkdir(PICTURES, { recursive: true });
    const path = join(PICTURES, `${name.replaceAll(/\W+/g, "-")}.png`);
    await this.page.screenshot({ path, fullPage: true });
    return path;
  }

  leave(): Promise<void> {
    return this.#context.close();
  }

  #watch(origins: string[]): void {
    const note = (problem: string) => this.#problems.push(problem);
    this.#context.on("console", (message) => {
      if (message.type() === "error") {
        note(`console: ${message.text()} (${message.location().url})`);
      }
    });
    this.#context.on("weberror", (error) =>
      note(`uncaught: ${error.error().stack ?? error.error().message}`),
    );
    this.#context.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol.startsWith("http") && !origins.includes(origin)) {
        note(`request to a stranger: ${request.url()}`);
      }
    });
  }
}
