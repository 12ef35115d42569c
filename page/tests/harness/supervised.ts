import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { repository } from "./repository.js";

/** The shell that ends a program and removes its folder when this process ends, even by SIGKILL. */
const script = join(repository, "crates/test-support/src/supervise.sh");

/** How many of the last lines an error quotes. */
const QUOTED = 30;

export interface Program {
  name: string;
  command: [string, ...string[]];
  /** Its environment; of this process's own nothing but `PATH` is passed on. */
  environment: Record<string, string>;
  /** The command line of a process that starts before the program and ends after it. */
  companion?: string;
  workingFolder?: string;
}

/** A program under a supervising shell, which can be ended and started again. */
export class Supervised {
  readonly #name: string;
  readonly #shell: ChildProcess;
  readonly #orders: Socket;
  readonly #lines: string[] = [];
  readonly #watchers = new Set<() => void>();
  #pid: number | undefined;
  #gone = false;

  constructor(program: Program, folder: string) {
    this.#name = program.name;
    const environment = { ...program.environment };
    if (program.companion !== undefined) {
      environment.SUPERVISED_COMPANION = program.companion;
    }
    // The script talks over its standard input; Node makes two-way sockets of further descriptors
    // only.
    const talking = 'exec <&3 3>&-; . "$0"';
    this.#shell = spawn("setsid", ["sh", "-c", talking, script, folder, ...program.command], {
      cwd: program.workingFolder ?? folder,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    this.#orders = this.#shell.stdio[3] as Socket;
    // The shell may end before it has read an order; its exit reports that.
    this.#orders.on("error", () => {});
    this.#shell.once("exit", () => this.#change(() => (this.#gone = true)));
    createInterface(this.#orders).on("line", (report) => this.#change(() => this.#note(report)));
    for (const output of [this.#shell.stdout, this.#shell.stderr]) {
      if (output) {
        createInterface(output).on("line", (line) => this.#change(() => this.#lines.push(line)));
      }
    }
  }

  /** How many lines it has printed so far, as a place for `ready` and `line`. */
  get lineCount(): number {
    return this.#lines.length;
  }

  /** Starts the program and waits until it prints such a line. */
  async start(isReady: (line: string) => boolean): Promise<void> {
    const since = this.lineCount;
    this.#orders.write("start\n");
    await this.#until("did not start", () => this.#pid !== undefined);
    await this.line(isReady, since);
  }

  /** Waits for such a line, and fails at once where the program ends instead. */
  async line(isWanted: (line: string) => boolean, since = 0): Promise<string> {
    let found: string | undefined;
    await this.#until("did not print what was expected", () => {
      found = this.#lines.slice(since).find(isWanted);
      return found !== undefined || this.#pid === undefined;
    });
    if (found === undefined) {
      throw this.#error("ended");
    }
    return found;
  }

  /** Kills the program and waits for its end; it can be started again. */
  async kill(): Promise<void> {
    if (this.#pid !== undefined) {
      process.kill(this.#pid, "SIGKILL");
      await this.#until("did not end", () => this.#pid === undefined);
    }
  }

  /** Ends the program finally and removes its folder. */
  async remove(): Promise<void> {
    this.#orders.destroy();
    if (!this.#gone) {
      await once(this.#shell, "exit");
    }
  }

  #note(report: string): void {
    const [what, number] = report.split(" ");
    this.#pid = what === "pid" ? Number(number) : undefined;
  }

  #change(change: () => void): void {
    change();
    for (const watcher of this.#watchers) {
      watcher();
    }
  }

  #until(complaint: string, isSo: () => boolean, withinMs = 120_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void) => {
        clearTimeout(limit);
        this.#watchers.delete(watcher);
        settled();
      };
      const watcher = () => {
        if (isSo()) {
          settle(resolve);
        } else if (this.#gone) {
          settle(() => reject(this.#error("is gone")));
        }
      };
      const limit = setTimeout(() => settle(() => reject(this.#error(complaint))), withinMs);
      this.#watchers.add(watcher);
      watcher();
    });
  }

  #error(complaint: string): Error {
    return new Error(`${this.#name} ${complaint}; its last lines:\n${this.#lines.slice(-QUOTED).join("\n")}`);
  }
}
