import { useState } from "preact/hooks";
import { listAssociations, listExperiments } from "../../api/resources.ts";
import type { Experiment } from "../../api/shapes.ts";
import { Button, type Column, Empty, Loading, ProblemNotice, Table } from "../../design/components.tsx";
import { counted } from "../../design/counted.ts";
import { Finder } from "../../design/finder.tsx";
import { useLoad } from "../../design/load.ts";
import { Portions } from "../../design/portions.tsx";
import { hasInIt } from "../../experiments/search.ts";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { Done } from "../done.tsx";
import { ExperimentForm } from "./experiment-form.tsx";

/** What one is about to do. */
type Task = { kind: "create" } | { kind: "rename"; experiment: Experiment };

/** An experiment with the number of its scientists. */
interface Row extends Experiment {
  scientists: number;
}

/** All experiments, for an administrator. */
export function AllExperiments() {
  const loaded = useLoad(askRows, []);
  const [task, setTask] = useState<Task | null>(null);
  const [done, setDone] = useState<{ name: string; kind: Task["kind"]; when: number } | null>(null);
  const search = address.value.query.get("search") ?? "";
  const rows = loaded.value?.filter(({ name }) => hasInIt(name, search));
  const finish = (name: string, kind: Task["kind"]) => {
    setTask(null);
    setDone({ name, kind, when: Date.now() });
    loaded.reload();
  };
  const add = (
    <Button look="primary" onClick={() => setTask({ kind: "create" })}>
      Add an experiment
    </Button>
  );
  return (
    <View
      title="Experiments"
      lead="Measures are taken in for these, by their names, and read by their scientists."
      actions={add}
    >
      {done && (
        <Done key={done.when}>
          {done.kind === "rename" ? (
            <p>
              It is called <bdi>{done.name}</bdi> now.
            </p>
          ) : (
            <p>
              <bdi>{done.name}</bdi> was added.
            </p>
          )}
        </Done>
      )}
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !loaded.value && <Loading what="the experiments" />}
      {loaded.value?.length === 0 && (
        <Empty title="No experiments yet">
          <p>Add one: until then every measure that arrives is rejected, and kept to be replayed.</p>
          {add}
        </Empty>
      )}
      {rows && loaded.value && loaded.value.length > 0 && (
        <section class="stack" aria-label="List of experiments">
          <Finder
            placeholder="A part of the name"
            text={search}
            onType={showFound}
            found={rows.length}
            of={loaded.value.length}
            one="experiment"
          />
          {rows.length > 0 ? (
            <ExperimentTable
              key={search}
              rows={rows}
              rename={(experiment) => setTask({ kind: "rename", experiment })}
            />
          ) : (
            <Empty title="No experiment is found">
              <p>No name has this in it.</p>
              <Button onClick={() => showFound("")}>Show all experiments</Button>
            </Empty>
          )}
        </section>
      )}
      {task && (
        <ExperimentForm
          experiment={task.kind === "rename" ? task.experiment : undefined}
          onClose={() => setTask(null)}
          onSaved={({ name }) => finish(name, task.kind)}
        />
      )}
    </View>
  );
}

async function askRows(signal: AbortSignal): Promise<Row[]> {
  const [experiments, associations] = await Promise.all([listExperiments(signal), listAssociations(signal)]);
  return experiments.map((experiment) => ({
    ...experiment,
    scientists: associations[experiment.experiment_id]?.users.length ?? 0,
  }));
}

function showFound(search: string): void {
  navigate(href(["administration", "experiments"], { search }), { replace: true });
}

interface ExperimentTableProps {
  rows: readonly Row[];
  rename: (experiment: Experiment) => void;
}

function ExperimentTable({ rows, rename }: ExperimentTableProps) {
  const columns: readonly Column<Row>[] = [
    {
      head: "Name",
      names: true,
      cell: ({ experiment_id, name }) => (
        <a href={href(["administration", "experiments", experiment_id])}>
          <bdi>{name}</bdi>
        </a>
      ),
      kind: "text",
    },
    { head: "Number", kind: "number", cell: ({ experiment_id }) => experiment_id },
    { head: "Scientists", kind: "number", cell: ({ scientists }) => counted(scientists) },
    {
      head: "Actions",
      kind: "actions",
      cell: ({ experiment_id, name }) => (
        <>
          <a
            class="button button-quiet button-small"
            href={href(["administration", "experiments", experiment_id])}
          >
            Scientists
            <span class="visually-hidden"> of {name}</span>
          </a>
          <Button
            small
            look="quiet"
            aria-label={`Rename ${name}`}
            onClick={() => rename({ experiment_id, name })}
          >
            Rename
          </Button>
        </>
      ),
    },
  ];
  return (
    <Portions rows={rows}>
      {(shown) => (
        <Table
          caption="Experiments"
          columns={columns}
          rows={shown}
          rowKey={(row) => row.experiment_id}
          stacks
        />
      )}
    </Portions>
  );
}
