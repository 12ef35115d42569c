import { signal } from "@preact/signals";
import { setTokenSource } from "../api/client.ts";
import { Problem } from "../api/problem.ts";
import { ownUser } from "../api/resources.ts";
import type { User } from "../api/shapes.ts";
import { address, href, navigate } from "../routing/address.ts";
import { askConfiguration, type Configuration } from "./configuration.ts";
import type { Credentials, Visitor } from "./credentials.ts";
import { EvaluationCredentials } from "./evaluation.ts";
import type { FirebaseEntrance } from "./firebase.ts";
import { signInAgain } from "./sign-in-again.ts";

/** The state of the user's sign-in. */
export type Session =
  | { state: "starting" }
  /** The service does not say how people sign in, or whether this one may. */
  | { state: "failed"; problem: Problem }
  | {
      state: "signed-out";
      configuration: Configuration;
      entrance: FirebaseEntrance | null;
      notice: string | null;
    }
  /** Signed in, but MyMONIT has no record of this user. */
  | { state: "unknown"; configuration: Configuration; visitor: Visitor; credentials: Credentials }
  | {
      state: "signed-in";
      configuration: Configuration;
      visitor: Visitor;
      user: User;
      credentials: Credentials;
    };

/** Views that exist only before sign-in. */
const FOR_SIGNING_IN: readonly string[] = ["register", "forgotten-password"];

export const session = signal<Session>({ state: "starting" });

let entrance: FirebaseEntrance | null = null;
let unfollow = () => {};
/** Counts sign-ins and sign-outs: a record that was requested before the last one is ignored. */
let generation = 0;

/** Finds out how people sign in here, and whether this one still is. */
export async function start(): Promise<void> {
  session.value = { state: "starting" };
  try {
    const configuration = await askConfiguration();
    if (configuration.sign_in === "evaluation") {
      await enter(configuration, await EvaluationCredentials.resume());
    } else if (configuration.api_key === null) {
      signedOut(configuration, null);
    } else {
      const { FirebaseEntrance } = await import("./firebase.ts");
      entrance ??= FirebaseEntrance.create(configuration, configuration.api_key);
      unfollow();
      unfollow = entrance.follow((who) => void enter(configuration, who));
    }
  } catch (failure) {
    session.value = { state: "failed", problem: Problem.from(failure) };
  }
}

/** Signs in as one of evaluation mode's users. */
export async function signInAs(configuration: Configuration, userId: string): Promise<void> {
  await enter(configuration, await EvaluationCredentials.open(userId));
}

/** Loads the record of the signed-in user again, after it was changed, created or erased. */
export async function refresh(): Promise<void> {
  const now = session.value;
  if (now.state === "unknown" || now.state === "signed-in") {
    await enter(now.configuration, [now.credentials, now.visitor]);
  }
}

export async function signOut(notice: string | null = null): Promise<void> {
  const now = session.value;
  if (now.state !== "signed-in" && now.state !== "unknown") {
    return;
  }
  generation += 1;
  await now.credentials.signOut();
  if (notice === null) {
    // The next user does not start in this user's view.
    navigate(href([]));
  }
  // The users to choose from may have changed.
  const configuration =
    now.configuration.sign_in === "evaluation"
      ? await askConfiguration().catch(() => now.configuration)
      : now.configuration;
  signedOut(configuration, notice);
}

async function enter(configuration: Configuration, who: [Credentials, Visitor] | null): Promise<void> {
  generation += 1;
  const mine = generation;
  if (!who) {
    if (session.value.state !== "signed-out") {
      signedOut(configuration, null);
    }
    return;
  }
  const [credentials, visitor] = who;
  if (FOR_SIGNING_IN.includes(address.value.path[0] ?? "")) {
    navigate(href([]), { replace: true });
  }
  setTokenSource({
    token: (renew) => credentials.token(renew),
    signInAgain: () => signInAgain(credentials),
    refused: () => void signOut("The service no longer accepts your sign-in. Please sign in again."),
  });
  let entered: Session;
  try {
    entered = { state: "signed-in", configuration, visitor, user: await ownUser(), credentials };
  } catch (failure) {
    const problem = Problem.from(failure);
    if (
      !problem.isRefusal &&
      session.value.state === "signed-in" &&
      session.value.credentials === credentials
    ) {
      // The user stays signed in: the views show the error where it matters.
      return;
    }
    entered =
      problem.status === 403
        ? { state: "unknown", configuration, visitor, credentials }
        : { state: "failed", problem };
  }
  if (mine === generation) {
    session.value = entered;
  }
}

function signedOut(configuration: Configuration, notice: string | null): void {
  setTokenSource(null);
  session.value = { state: "signed-out", configuration, entrance, notice };
}
