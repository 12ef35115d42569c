import type { Browser, Page } from "playwright-core";

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Microseconds. */
  ts: number;
  dur?: number;
  args: { name?: string };
}

/** What the browser itself says of an interaction, in milliseconds of the page's main thread. */
export interface Cost {
  /** JavaScript, with what it calls. */
  script: number;
  /** The longest piece of work in one go, of whatever kind: so long the page answers to nothing. */
  longestTask: number;
}

/** In the trace, these stand for JavaScript that runs. */
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

/** Traces what happens in the page meanwhile. */
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
  return {
    script: union(complete.filter(({ name }) => SCRIPT.has(name))) / 1_000,
    longestTask: Math.max(...tasks.map(({ dur = 0 }) => dur)) / 1_000,
  };
}

/** How much time the events cover; those within others count once. */
function union(events: TraceEvent[]): number {
  let [covered, end] = [0, 0];
  for (const { ts, dur = 0 } of events.toSorted((one, other) => one.ts - other.ts)) {
    const from = Math.max(ts, end);
    covered += Math.max(0, ts + dur - from);
    end = Math.max(end, ts + dur);
  }
  return covered;
}
