import { useState } from "preact/hooks";
import { listAssociations, listExperiments } from "../../api/resources.ts";
import type { Experiment } from "../../api/shapes.ts";
import { Button, type Column, Empty, LoadState, Table } from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { formatCount } from "../../design/format-count.ts";
import { useLoad } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { hasInIt } from "../../experiments/search.ts";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { ResultNotice } from "../result-notice.tsx";
import { ExperimentForm } from "./experiment-form.tsx";

/** What one is about to do. */
type Task = { kind: "create" } | { kind: "change"; experiment: Experiment };

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
  const rows = loaded.value?.filter(({ name, description }) => hasInIt(`${name} ${description}`, search));
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
        <ResultNotice key={done.when}>
          {done.kind === "change" ? (
            <p>
              <bdi>{done.name}</bdi> was changed.
            </p>
          ) : (
            <p>
              <bdi>{done.name}</bdi> was added.
            </p>
          )}
        </ResultNotice>
      )}
      <LoadState loaded={loaded} what="the experiments" />
      {loaded.value?.length === 0 && (
        <Empty title="No experiments yet">
          <p>Add one. Until then every measure is rejected, and kept for a replay.</p>
          {add}
        </Empty>
      )}
      {rows && loaded.value && loaded.value.length > 0 && (
        <section class="stack" aria-label="List of experiments">
          <Finder
            placeholder="A part of name or description"
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
              change={(experiment) => setTask({ kind: "change", experiment })}
            />
          ) : (
            <Empty title="No experiment is found">
              <p>No name or description contains this.</p>
              <Button onClick={() => showFound("")}>Show all experiments</Button>
            </Empty>
          )}
        </section>
      )}
      {task && (
        <ExperimentForm
          experiment={task.kind === "change" ? task.experiment : undefined}
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
  change: (experiment: Experiment) => void;
}

function ExperimentTable({ rows, change }: ExperimentTableProps) {
  const columns: readonly Column<Row>[] = [
    {
      head: "Name",
      names: true,
      cell: ({ experiment_id, name, description, archived }) => (
        <>
          <a href={href(["administration", "experiments", experiment_id])}>
            <bdi>{name}</bdi>
          </a>{" "}
          {archived && <span class="badge">archived</span>}
          {description && (
            <span class="soft experiment-detail" title={description}>
              {description}
            </span>
          )}
        </>
      ),
      kind: "text",
    },
    { head: "Number", kind: "number", cell: ({ experiment_id }) => experiment_id },
    { head: "Scientists", kind: "number", cell: ({ scientists }) => formatCount(scientists) },
    {
      head: "Actions",
      kind: "actions",
      cell: ({ scientists: _, ...experiment }) => (
        <>
          <a
            class="button button-quiet button-small"
            href={href(["administration", "experiments", experiment.experiment_id])}
          >
            Scientists and sensors
            <span class="visually-hidden"> of {experiment.name}</span>
          </a>
          <Button
            small
            look="quiet"
            aria-label={`Change ${experiment.name}`}
            onClick={() => change(experiment)}
          >
            Change
          </Button>
        </>
      ),
    },
  ];
  return (
    <PagedList rows={rows}>
      {(shown) => (
        <Table
          caption="Experiments"
          columns={columns}
          rows={shown}
          rowKey={(row) => row.experiment_id}
          stacks
        />
      )}
    </PagedList>
  );
}
