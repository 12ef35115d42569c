import { getExperiment } from "../api/resources.ts";
import { Loading, ProblemNotice } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";

export function ExperimentView({ experimentId }: { experimentId: number }) {
  const experiment = useLoad((signal) => getExperiment(experimentId, signal), [experimentId]);
  return (
    <View title={experiment.value?.name ?? `Experiment ${experimentId}`}>
      {experiment.state === "failed" && (
        <ProblemNotice problem={experiment.problem} retry={experiment.reload} />
      )}
      {experiment.state === "loading" && <Loading what="the experiment" />}
    </View>
  );
}
