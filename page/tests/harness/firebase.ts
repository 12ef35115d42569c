import { join } from "node:path";

import { makeFolder } from "./folders.js";
import { freePort } from "./ports.js";
import { Supervised } from "./supervised.js";

/** The service takes the emulator's unsigned tokens for such a project only. */
export const PROJECT_ID = "demo-mymonit";

/** A user in Firebase. */
export interface Account {
  /** The UID, which is the user's `username` here. */
  uid: string;
  email: string;
  password: string;
}

/** A code that Firebase would have sent by e-mail. */
export interface OutOfBandCode {
  email: string;
  requestType: string;
  oobCode: string;
  oobLink: string;
}

/** The Firebase Auth emulator. */
export class Firebase {
  readonly #process: Supervised;
  /** Host and port, as `FIREBASE_AUTH_EMULATOR_HOST` takes them. */
  readonly address: string;

  private constructor(process: Supervised, port: number) {
    this.#process = process;
    this.address = `127.0.0.1:${port}`;
  }

  static async start(): Promise<Firebase> {
    const folder = await makeFolder();
    const port = await freePort();
    const emulator = new Supervised(
      {
        name: "the Firebase Auth emulator",
        command: [process.execPath, join(import.meta.dirname, "auth-emulator.cjs"), PROJECT_ID, String(port)],
        environment: { HOME: folder, PATH: process.env.PATH ?? "", NODE_NO_WARNINGS: "1" },
      },
      folder,
    );
    await emulator.start((line) => line === "ready");
    return new Firebase(emulator, port);
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Makes an account with a UID of one's choice, as the Admin SDK can. */
  async createAccount(account: Account): Promise<Account> {
    const { uid, email, password } = account;
    await this.#ask("POST", `/identitytoolkit.googleapis.com/v1/projects/${PROJECT_ID}/accounts`, {
      localId: uid,
      email,
      password,
    });
    return account;
  }

  /** Signs in as the page would, and gives the ID token. */
  async idToken({ email, password }: Pick<Account, "email" | "password">): Promise<string> {
    const signIn = "/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=any";
    const answer = await this.#ask("POST", signIn, { email, password, returnSecureToken: true });
    return (answer as { idToken: string }).idToken;
  }

  /** The codes that would have been sent to an address, oldest first. */
  async codesFor(email: string): Promise<OutOfBandCode[]> {
    const answer = await this.#ask("GET", `/emulator/v1/projects/${PROJECT_ID}/oobCodes`);
    return (answer as { oobCodes: OutOfBandCode[] }).oobCodes.filter((code) => code.email === email);
  }

  remove(): Promise<void> {
    return this.#process.remove();
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { Authorization: "Bearer owner", "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`the Firebase Auth emulator answers ${method} ${path} with ${answer.status}: ${text}`);
    }
    return JSON.parse(text);
  }
}
