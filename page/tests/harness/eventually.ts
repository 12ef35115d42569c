/** The machine may be busy, or stand still for a while. */
export const PATIENCE_MS = 60_000;

/** Asks until there is an answer: for what nobody is told of when it happens. */
export async function eventually<T>(ask: () => Promise<T | undefined>, withinMs = PATIENCE_MS): Promise<T> {
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
