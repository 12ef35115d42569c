import { path } from "../api/client.ts";
import { Problem } from "../api/problem.ts";
import type { Door, Visitor } from "./door.ts";
import { claims, isAboutToExpire } from "./token.ts";

const REMEMBERED = "mymonit.evaluation-user";

/** Evaluation mode: whom one wants to be is all it asks. */
export class EvaluationDoor implements Door {
  private constructor(
    private readonly userId: string,
    private current: string,
  ) {}

  static async open(userId: string): Promise<[EvaluationDoor, Visitor]> {
    const door = new EvaluationDoor(userId, await askToken(userId));
    sessionStorage.setItem(REMEMBERED, userId);
    return [door, { uid: claims(door.current).sub, email: null }];
  }

  /** Goes on as whom this tab was before it was loaded again. */
  static async resume(): Promise<[EvaluationDoor, Visitor] | null> {
    const userId = sessionStorage.getItem(REMEMBERED);
    if (userId === null) {
      return null;
    }
    try {
      return await EvaluationDoor.open(userId);
    } catch (failure) {
      if (failure instanceof Problem && failure.status === 404) {
        // Erased meanwhile.
        sessionStorage.removeItem(REMEMBERED);
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

  async signOut(): Promise<void> {
    sessionStorage.removeItem(REMEMBERED);
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
