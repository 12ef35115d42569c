import { useCallback, useEffect, useState } from "preact/hooks";
import { isAborted, Problem } from "../api/problem.ts";

/** Something that is asked of the service to be shown. */
export type Loaded<T> =
  | { state: "loading"; value: T | undefined }
  | { state: "failed"; problem: Problem; value: T | undefined }
  | { state: "loaded"; value: T };

/**
 * Loads when a view is shown, and again when `inputs` change or `reload` is called. The previous
 * result stays until then. It is removed if the service answers that the resource does not exist or
 * is not permitted. Unneeded requests are aborted.
 */
export function useLoad<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
): Loaded<T> & { reload: () => void } {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading", value: undefined });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    setLoaded((before) => ({ state: "loading", value: before.value }));
    ask(aborter.signal).then(
      (value) => {
        if (!aborter.signal.aborted) {
          setLoaded({ state: "loaded", value });
        }
      },
      (failure) => {
        if (!aborter.signal.aborted && !isAborted(failure)) {
          const problem = Problem.from(failure);
          setLoaded((before) => ({
            state: "failed",
            problem,
            value: problem.isRefusal ? undefined : before.value,
          }));
        }
      },
    );
    return () => aborter.abort();
  }, [...inputs, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { ...loaded, reload };
}

/** Something that is asked of the service to be done, by a form or a button. */
export interface Doing {
  busy: boolean;
  problem: Problem | null;
  /** Does it, unless it is being done already; returns whether it was done. */
  run: (act: () => Promise<void>) => Promise<boolean>;
  /** Forgets the problem. */
  clear: () => void;
}

export function useDoing(): Doing {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = async (act: () => Promise<void>) => {
    if (busy) {
      return false;
    }
    setBusy(true);
    setProblem(null);
    try {
      await act();
      return true;
    } catch (failure) {
      setProblem(Problem.from(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run, clear: () => setProblem(null) };
}
