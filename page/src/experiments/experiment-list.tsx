import { listExperiments } from "../api/resources.ts";
import type { Experiment } from "../api/shapes.ts";
import { Button, Empty, Loading, ProblemNotice } from "../design/components.tsx";
import { Finder } from "../design/finder.tsx";
import { useLoad } from "../design/load.ts";
import { Portions } from "../design/portions.tsx";
import { View } from "../frame/view.tsx";
import { address, href, navigate } from "../routing/address.ts";
import { hasInIt } from "./search.ts";
import "./experiment-list.css";

/** So many are found at a glance. */
const FEW = 12;

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
      {loaded.value && loaded.value.length > 0 && <Found experiments={loaded.value} />}
    </View>
  );
}

function Found({ experiments }: { experiments: readonly Experiment[] }) {
  const search = address.value.query.get("search") ?? "";
  const found = experiments.filter(({ name }) => hasInIt(name, search));
  return (
    <section class="stack" aria-label="Your experiments">
      {(experiments.length > FEW || search !== "") && (
        <Finder
          placeholder="A part of the name"
          text={search}
          onType={showFound}
          found={found.length}
          of={experiments.length}
          one="experiment"
        />
      )}
      {found.length > 0 ? (
        <Portions key={search} rows={found}>
          {(shown) => (
            <ul class="experiments">
              {shown.map(({ experiment_id, name }) => (
                <li key={experiment_id}>
                  <a class="experiment" href={href(["experiments", experiment_id])}>
                    <span class="experiment-name" title={name}>
                      {name}
                    </span>
                    <span class="soft number">Experiment {experiment_id}</span>
                  </a>
                </li>
              ))}
            </ul>
          )}
        </Portions>
      ) : (
        <Empty title="No experiment is found">
          <p>None of yours has this in its name.</p>
          <Button onClick={() => showFound("")}>Show all of them</Button>
        </Empty>
      )}
    </section>
  );
}

function showFound(search: string): void {
  navigate(href(["experiments"], { search }), { replace: true });
}
