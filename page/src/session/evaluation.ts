import { path } from "../api/client.ts";
import { Problem } from "../api/problem.ts";
import type { Credentials, Visitor } from "./credentials.ts";
import { claims, isAboutToExpire } from "./token.ts";

const STORAGE_KEY = "mymonit.evaluation-user";

/** Evaluation mode: sign-in by choosing a user. */
export class EvaluationCredentials implements Credentials {
  private constructor(
    private readonly userId: string,
    private current: string,
  ) {}

  static async open(userId: string): Promise<[EvaluationCredentials, Visitor]> {
    const credentials = new EvaluationCredentials(userId, await askToken(userId));
    sessionStorage.setItem(STORAGE_KEY, userId);
    return [credentials, { uid: claims(credentials.current).sub, email: null }];
  }

  /** Continues as the user of this tab before it was reloaded. */
  static async resume(): Promise<[EvaluationCredentials, Visitor] | null> {
    const userId = sessionStorage.getItem(STORAGE_KEY);
    if (userId === null) {
      return null;
    }
    try {
      return await EvaluationCredentials.open(userId);
    } catch (failure) {
      if (failure instanceof Problem && failure.status === 404) {
        // The user may have been erased.
        sessionStorage.removeItem(STORAGE_KEY);
        return null;
      }
      throw failure;
    }
  }

  async token(renew: boolean): Promise<string> {
    if (renew || isAboutToExpire(this.current)) {
      this.current = await askToken(this.userId);
    }
    return this.current;
  }

  readonly needsPassword = false;

  async reauthenticate(): Promise<void> {
    this.current = await askToken(this.userId);
  }

  async signOut(): Promise<void> {
    sessionStorage.removeItem(STORAGE_KEY);
  }
}

async function askToken(userId: string): Promise<string> {
  const answer = await fetch(path`/static/evaluation-tokens/${userId}`, {
    method: "POST",
    credentials: "omit",
  });
  if (!answer.ok) {
    throw await Problem.of(answer);
  }
  return ((await answer.json()) as { token: string }).token;
}
