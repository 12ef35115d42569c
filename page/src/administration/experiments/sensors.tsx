import { useState } from "preact/hooks";
import { describeSensor, listSensors } from "../../api/resources.ts";
import type { Sensor } from "../../api/shapes.ts";
import {
  Button,
  type Column,
  Empty,
  fieldError,
  LoadState,
  Table,
  TextArea,
} from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { useDoing, useLoad } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { hasInIt } from "../../experiments/search.ts";
import { FormDialog } from "../form-dialog.tsx";
import { ResultNotice } from "../result-notice.tsx";

/** Up to this many need no search field. */
const MAX_UNSEARCHED = 12;

/** The sensors of an experiment, to be described. */
export function Sensors({ experimentId }: { experimentId: number }) {
  const loaded = useLoad((signal) => listSensors(experimentId, signal), [experimentId]);
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<Sensor | null>(null);
  const [done, setDone] = useState<{ name: string; when: number } | null>(null);
  const all = loaded.value ?? [];
  const found = all.filter(({ name, description }) => hasInIt(`${name} ${description}`, search));
  return (
    <section class="stack" aria-labelledby="sensors-head">
      <h2 id="sensors-head">Sensors</h2>
      {done && (
        <ResultNotice key={done.when}>
          <p>
            <bdi>{done.name}</bdi> was described.
          </p>
        </ResultNotice>
      )}
      <LoadState loaded={loaded} what="the sensors" />
      {loaded.value?.length === 0 && (
        <Empty title="No sensors yet">
          <p>A sensor is created by the first measure that names it.</p>
        </Empty>
      )}
      {all.length > MAX_UNSEARCHED && (
        <Finder
          placeholder="A part of name or description"
          text={search}
          onType={setSearch}
          found={found.length}
          of={all.length}
          one="sensor"
        />
      )}
      {found.length > 0 && (
        <PagedList key={search} rows={found}>
          {(shown) => (
            <Table
              caption="Sensors"
              columns={columns(setChosen)}
              rows={shown}
              rowKey={({ name }) => name}
              stacks
            />
          )}
        </PagedList>
      )}
      {chosen && (
        <SensorForm
          experimentId={experimentId}
          sensor={chosen}
          onClose={() => setChosen(null)}
          onSaved={({ name }) => {
            setChosen(null);
            setDone({ name, when: Date.now() });
            loaded.reload();
          }}
        />
      )}
    </section>
  );
}

function columns(choose: (sensor: Sensor) => void): readonly Column<Sensor>[] {
  return [
    { head: "Name", names: true, kind: "text", cell: ({ name }) => <bdi>{name}</bdi> },
    {
      head: "Description",
      kind: "text",
      cell: ({ description }) => description || <span class="soft">none</span>,
    },
    {
      head: "Actions",
      kind: "actions",
      cell: (sensor) => (
        <Button small look="quiet" aria-label={`Describe ${sensor.name}`} onClick={() => choose(sensor)}>
          Describe
        </Button>
      ),
    },
  ];
}

interface SensorFormProps {
  experimentId: number;
  sensor: Sensor;
  onClose: () => void;
  onSaved: (sensor: Sensor) => void;
}

function SensorForm({ experimentId, sensor, onClose, onSaved }: SensorFormProps) {
  const [description, setDescription] = useState(sensor.description);
  const doing = useDoing();
  return (
    <FormDialog
      title={
        <>
          Describe <bdi>{sensor.name}</bdi>
        </>
      }
      action="Save"
      doing={doing}
      fields={["description"]}
      onSubmit={() =>
        void doing.run(async () => onSaved(await describeSensor(experimentId, { ...sensor, description })))
      }
      onClose={onClose}
    >
      <TextArea
        label="Description"
        hint="What it is, where it is, how it was calibrated. Scientists see it beside its measures."
        value={description}
        error={fieldError(doing.problem, "description")}
        onInput={(event) => setDescription(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
