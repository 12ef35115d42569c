import { useEffect } from "preact/hooks";
import type { Problem } from "../api/problem.ts";
import { announce } from "../design/announce.ts";
import { Button, Empty, ProblemNotice } from "../design/components.tsx";
import { View } from "../frame/view.tsx";
import { href } from "../routing/address.ts";
import { refresh } from "../session/session.ts";
import { ALL_SERIES } from "./choice.ts";
import type { Show } from "./controls.tsx";
import type { ViewState } from "./view-state.ts";

const ACCESS_REVOKED = "You no longer have access to this experiment";

interface RefusedProps {
  experimentId: number;
  problem: Problem;
  /** Whether it was shown before. */
  wasShown: boolean;
  retry: () => void;
}

/** In place of an experiment that cannot be shown. */
export function Refused({ experimentId, problem, wasShown, retry }: RefusedProps) {
  const isWithdrawn = wasShown && problem.isRefusal;
  useEffect(() => {
    if (isWithdrawn) {
      announce(ACCESS_REVOKED);
      // The user's role may have changed as well.
      void refresh();
    }
  }, [isWithdrawn]);
  const [title, text] = isWithdrawn
    ? [
        ACCESS_REVOKED,
        "You are no longer associated with it, so its measures are not shown. An administrator can change that.",
      ]
    : problem.status === 404
      ? [
          "Experiment not found",
          "There is no experiment with this number, or you are not associated with it. An administrator can change that.",
        ]
      : problem.status === 403
        ? [
            "Measures are for scientists",
            "Administrators manage users and experiments. Only associated scientists read measures.",
          ]
        : [null, ""];
  const back = (
    <a class="button" href={href(["experiments"])}>
      Your experiments
    </a>
  );
  return (
    <View title={`Experiment ${experimentId}`} width="reading">
      {title === null ? (
        <>
          <ProblemNotice problem={problem} retry={retry} />
          <div class="row">{back}</div>
        </>
      ) : (
        <Empty title={title}>
          <p>{text}</p>
          {back}
        </Empty>
      )}
    </View>
  );
}

/** In place of plots where the experiment has no measures of the chosen series. */
export function NoMeasures({ state, show, hasFlags }: { state: ViewState; show: Show; hasFlags: boolean }) {
  const { types, sensors } = state.choice;
  const isChoice = types.length + sensors.length > 0;
  const named = [...types, ...sensors.map((sensor) => sensor || "measures without a sensor")];
  if (hasFlags && !state.flagged) {
    return (
      <Empty title="No measures without a flag">
        <p>Flagged measures are left out.</p>
        <Button onClick={() => show({ flagged: true })}>Show flagged measures</Button>
      </Empty>
    );
  }
  return (
    <Empty title={isChoice ? "No measures of these series" : "No measures yet"}>
      <p>
        {isChoice
          ? `This experiment has no measures of ${named.join(", ")}.`
          : "They appear here as soon as an adapter has published some for this experiment."}
      </p>
      {isChoice ? (
        <Button onClick={() => show({ choice: ALL_SERIES })}>Show all series</Button>
      ) : state.follow ? (
        <p class="soft" role="status">
          Waiting for the first measure …
        </p>
      ) : (
        <Button onClick={() => show({ follow: true })}>Wait for the first measure</Button>
      )}
    </Empty>
  );
}
