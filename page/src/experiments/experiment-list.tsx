import { listExperiments } from "../api/resources.ts";
import { Empty, Loading, ProblemNotice } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { href } from "../routing/address.ts";
import "./experiment-list.css";

/** The experiments that one is associated with. */
export function ExperimentList() {
  const loaded = useLoad(listExperiments, []);
  return (
    <View title="Experiments" lead="Those that you are associated with.">
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !loaded.value && <Loading what="your experiments" />}
      {loaded.value?.length === 0 && (
        <Empty title="No experiments yet">
          <p>
            An administrator of MyMONIT associates you with the experiments whose measures you may see. Ask
            them, and then load this page again.
          </p>
        </Empty>
      )}
      {loaded.value && loaded.value.length > 0 && (
        <ul class="experiments">
          {loaded.value.map(({ experiment_id, name }) => (
            <li key={experiment_id}>
              <a class="experiment" href={href(["experiments", experiment_id])}>
                <span class="experiment-name">{name}</span>
                <span class="soft number">Experiment {experiment_id}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </View>
  );
}
