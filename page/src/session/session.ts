import { signal } from "@preact/signals";
import { setTokenSource } from "../api/client.ts";
import { Problem } from "../api/problem.ts";
import { ownUser } from "../api/resources.ts";
import type { User } from "../api/shapes.ts";
import { address, href, navigate } from "../routing/address.ts";
import { askConfiguration, type Configuration } from "./configuration.ts";
import type { Door, Visitor } from "./door.ts";
import { EvaluationDoor } from "./evaluation.ts";
import type { FirebaseEntrance } from "./firebase.ts";

/** Where somebody stands who has opened the page. */
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
  | { state: "unknown"; configuration: Configuration; visitor: Visitor; door: Door }
  | { state: "signed-in"; configuration: Configuration; visitor: Visitor; user: User; door: Door };

/** Views that are there only until somebody has signed in. */
const FOR_SIGNING_IN: readonly string[] = ["register", "forgotten-password"];

export const session = signal<Session>({ state: "starting" });

let entrance: FirebaseEntrance | null = null;
let unfollow = () => {};
/** Somebody may sign out while the record is being asked for; what was asked for before is then of no account. */
let generation = 0;

/** Finds out how people sign in here, and whether this one still is. */
export async function start(): Promise<void> {
  session.value = { state: "starting" };
  try {
    const configuration = await askConfiguration();
    if (configuration.sign_in === "evaluation") {
      await enter(configuration, await EvaluationDoor.resume());
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
  await enter(configuration, await EvaluationDoor.open(userId));
}

/** Asks again for the record of whoever is signed in: after it was changed, or perhaps made or erased. */
export async function refresh(): Promise<void> {
  const now = session.value;
  if (now.state === "unknown" || now.state === "signed-in") {
    await enter(now.configuration, [now.door, now.visitor]);
  }
}

export async function signOut(notice: string | null = null): Promise<void> {
  const now = session.value;
  if (now.state !== "signed-in" && now.state !== "unknown") {
    return;
  }
  generation += 1;
  await now.door.signOut();
  if (notice === null) {
    // Where this one was is not where the next one wants to be.
    navigate(href([]));
  }
  // Whom one can be may have changed meanwhile.
  const configuration =
    now.configuration.sign_in === "evaluation"
      ? await askConfiguration().catch(() => now.configuration)
      : now.configuration;
  signedOut(configuration, notice);
}

async function enter(configuration: Configuration, who: [Door, Visitor] | null): Promise<void> {
  generation += 1;
  const mine = generation;
  if (!who) {
    if (session.value.state !== "signed-out") {
      signedOut(configuration, null);
    }
    return;
  }
  const [door, visitor] = who;
  if (FOR_SIGNING_IN.includes(address.value.path[0] ?? "")) {
    navigate(href([]), { replace: true });
  }
  setTokenSource({
    token: (renew) => door.token(renew),
    refused: () => void signOut("The service no longer accepts your sign-in. Please sign in again."),
  });
  let entered: Session;
  try {
    entered = { state: "signed-in", configuration, visitor, user: await ownUser(), door };
  } catch (failure) {
    const problem = Problem.from(failure);
    if (!problem.isRefusal && session.value.state === "signed-in" && session.value.door === door) {
      // Whoever is in stays in: what is shown tells of the trouble where it matters.
      return;
    }
    entered =
      problem.status === 403
        ? { state: "unknown", configuration, visitor, door }
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
