import type { Browser, Page } from "playwright-core";

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** In microseconds of the thread's CPU time: its start, and its duration. */
  tts?: number;
  tdur?: number;
  /** Wall-clock time, in microseconds. */
  dur?: number;
  args: { name?: string };
}

/**
 * The browser's own measurement of an interaction, in milliseconds of CPU time of the page's main
 * thread, which excludes other programs.
 */
export interface Cost {
  /** JavaScript, with what it calls. */
  script: number;
  /** The longest task of any kind, during which the page does not respond. */
  longestTask: number;
}

/** The trace events of running JavaScript. */
const SCRIPT = new Set([
  "EvaluateScript",
  "EventDispatch",
  "FireAnimationFrame",
  "FireIdleCallback",
  "FunctionCall",
  "RunMicrotasks",
  "TimerFire",
  "v8.callFunction",
  "v8.evaluateModule",
]);

/** Traces the page during an action. */
export async function traced(browser: Browser, page: Page, act: () => Promise<void>): Promise<Cost> {
  await browser.startTracing(page, { categories: ["devtools.timeline", "v8.execute", "toplevel"] });
  await act();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
  const complete = traceEvents.filter(({ ph, pid, tid }) => ph === "X" && mains.has(`${pid}/${tid}`));
  const tasks = complete.filter(({ name }) => name === "RunTask" || name === "ThreadControllerImpl::RunTask");
  if (tasks.length === 0) {
    throw new Error("the trace holds no task of the page");
  }
  const script = complete.filter(({ name }) => SCRIPT.has(name));
  return {
    script:
      sum([...mains].map((main) => union(script.filter(({ pid, tid }) => `${pid}/${tid}` === main)))) / 1_000,
    longestTask: Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1_000,
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/**
 * The time that the events of a thread cover; nested events count once. While a page unloads, the
 * browser reports no CPU time: then it is the wall-clock time, which is not less.
 */
function union(events: TraceEvent[]): number {
  let [covered, reached] = [0, 0];
  for (const { tts, tdur = 0, dur = 0 } of events.toSorted(
    (one, other) => (one.tts ?? 0) - (other.tts ?? 0),
  )) {
    if (tts === undefined) {
      covered += dur;
    } else {
      covered += Math.max(0, tts + tdur - Math.max(tts, reached));
      reached = Math.max(tts + tdur, reached);
    }
  }
  return covered;
}
