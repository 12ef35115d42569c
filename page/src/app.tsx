import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Account } from "./account/account.tsx";
import { Problem } from "./api/problem.ts";
import { announcement } from "./design/announce.ts";
import { Empty, Loading, ProblemNotice } from "./design/components.tsx";
import { ExperimentList } from "./experiments/experiment-list.tsx";
import { Bar } from "./frame/bar.tsx";
import { View } from "./frame/view.tsx";
import { address, href } from "./routing/address.ts";
import { session, start } from "./session/session.ts";
import { PasswordDialog } from "./sign-in/password-dialog.tsx";
import { SignIn } from "./sign-in/sign-in.tsx";
import { UnknownUser } from "./sign-in/unknown-user.tsx";
import { TokenView } from "./token/token-view.tsx";

/** The frame with the view that session and address select. */
export function App() {
  return (
    <>
      <Bar />
      <Content />
      <PasswordDialog />
      <footer class="foot">
        <a href="/docs">REST API</a>
        <a href="/api.yaml">OpenAPI document</a>
        <a href="/static/licences.txt">Licences</a>
      </footer>
      <div class="visually-hidden" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
}

function Content() {
  const now = session.value;
  switch (now.state) {
    case "starting":
      return (
        <main id="content" class="content" tabIndex={-1}>
          <Loading what="MyMONIT" />
        </main>
      );
    case "failed":
      return (
        <View title="MyMONIT cannot start" width="reading">
          <ProblemNotice problem={now.problem} retry={() => void start()} />
        </View>
      );
    case "signed-out":
      return <SignIn configuration={now.configuration} entrance={now.entrance} notice={now.notice} />;
    case "unknown":
      return <UnknownUser visitor={now.visitor} />;
    case "signed-in":
      return <Place isAdministrator={now.user.role === "ADMIN"} />;
  }
}

function Place({ isAdministrator }: { isAdministrator: boolean }) {
  useEffect(() => {
    if (!isAdministrator) {
      // Scientists open this view most: it is loaded while the browser is idle.
      return whenIdle(() => void ExperimentView.prepare());
    }
  }, [isAdministrator]);
  const { path } = address.value;
  const [first, second] = path;
  if (first === undefined) {
    return isAdministrator ? <Administration /> : <ExperimentList />;
  }
  if (first === "token" && second === undefined) {
    return <TokenView />;
  }
  if (first === "account" && second === undefined) {
    return <Account />;
  }
  if (first === "administration" && isAdministrator) {
    return <Administration />;
  }
  if (first === "experiments" && path.length === 1) {
    return <ExperimentList />;
  }
  if (
    first === "experiments" &&
    path.length === 2 &&
    second !== undefined &&
    /^[1-9]\d{0,15}$/.test(second)
  ) {
    return <ExperimentView key={second} experimentId={Number(second)} />;
  }
  return <NoSuchView />;
}

export function NoSuchView() {
  return (
    <View title="Page not found" width="reading">
      <Empty title="No page has this address">
        <p>The address may be incomplete.</p>
        <a class="button" href={href([])}>
          Go to the start
        </a>
      </Empty>
    </View>
  );
}

/** Does something when the browser has nothing else to do; gives what takes that back. */
function whenIdle(act: () => void): () => void {
  if (typeof requestIdleCallback === "function") {
    const handle = requestIdleCallback(act, { timeout: 2_000 });
    return () => cancelIdleCallback(handle);
  }
  const timer = setTimeout(act, 200);
  return () => clearTimeout(timer);
}

/**
 * A view whose code is loaded when it is first shown. `prepare` loads it earlier.
 */
function later<Props extends object>(what: string, load: () => Promise<ComponentType<Props>>) {
  let known: ComponentType<Props> | null = null;
  function Later(props: Props) {
    const [View, setView] = useState<{ component: ComponentType<Props> } | null>(
      known && { component: known },
    );
    const [problem, setProblem] = useState<Problem | null>(null);
    useEffect(() => {
      load().then(
        (component) => {
          known = component;
          setView({ component });
        },
        () => setProblem(new Problem(0, "unreachable", "a part of this page cannot be loaded")),
      );
    }, []);
    if (View) {
      return <View.component {...props} />;
    }
    return (
      <main id="content" class="content" tabIndex={-1}>
        {problem ? (
          <ProblemNotice problem={problem} retry={() => location.reload()} />
        ) : (
          <Loading what={what} />
        )}
      </main>
    );
  }
  /** Whether that worked is asked when the view is shown. */
  const prepare = () =>
    load().then(
      (component) => {
        known = component;
      },
      () => {},
    );
  return Object.assign(Later, { prepare });
}

export const ExperimentView = later(
  "the experiment",
  async () => (await import("./experiments/experiment-view.tsx")).ExperimentView,
);
const Administration = later(
  "the administration",
  async () => (await import("./administration/administration.tsx")).Administration,
);
