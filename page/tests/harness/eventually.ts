/** The host may be busy or stall. */
export const TIMEOUT_MS = 60_000;

/** Polls until there is an answer: for states without an event. */
export async function eventually<T>(ask: () => Promise<T | undefined>, withinMs = TIMEOUT_MS): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    if (Date.now() > deadline) {
      throw new Error("what was waited for did not happen");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
