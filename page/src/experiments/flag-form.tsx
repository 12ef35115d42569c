import { useState } from "preact/hooks";
import { FormDialog } from "../administration/form-dialog.tsx";
import { Problem } from "../api/problem.ts";
import { createFlag } from "../api/resources.ts";
import type { Experiment } from "../api/shapes.ts";
import { Choice, Field, fieldError } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { chosenOf } from "./choice.ts";
import { nowNanos, TimeField } from "./range-form.tsx";
import type { Reading } from "./reading.ts";
import { formatTime, readableTime, SECOND } from "./time.ts";
import { dayOrder, readTyped, resolved } from "./typed-time.ts";
import type { ViewState } from "./view-state.ts";
import { zone } from "./zone.ts";

interface FlagFormProps {
  experiments: readonly Experiment[];
  reading: Reading;
  state: ViewState;
  onSet: () => void;
  onClose: () => void;
}

/** The fields that show by themselves what is wrong with them. */
const FIELDS = ["from", "to", "sensor", "measure_type", "reason"];

/** Says of a range that its measures are not to be used; at first of the range that is shown. */
export function FlagForm({ experiments, reading, state, onSet, onClose }: FlagFormProps) {
  const inZone = zone.value;
  const { range, choice } = state;
  // The first full second after the newest measure, as the form for a range has it.
  const end = range.kind === "fixed" ? range.to : ((reading.to + SECOND - 1n) / SECOND) * SECOND;
  const begin = range.kind === "fixed" ? range.from : reading.from;
  const [texts, setTexts] = useState({ from: readableTime(begin, inZone), to: readableTime(end, inZone) });
  const [experimentId, setExperimentId] = useState(experiments[0]?.experiment_id ?? 0);
  const known = reading.known.filter((each) => each.experimentId === experimentId);
  const chosen = chosenOf(known, choice);
  const sensors = [...new Set(chosen.map(({ sensor }) => sensor ?? ""))];
  const types = [...new Set(chosen.map(({ type }) => type))];
  // Who looks at one sensor or type alone means that one.
  const [sensor, setSensor] = useState(
    known.some((each) => !sensors.includes(each.sensor ?? "")) ? only(sensors) : null,
  );
  const [type, setType] = useState(known.some((each) => !types.includes(each.type)) ? only(types) : null);
  const [reason, setReason] = useState("");
  const doing = useDoing();
  const error = (field: string) => fieldError(doing.problem, field);
  const meant = (text: string) => readTyped(text, inZone, dayOrder(navigator.language));
  const time = (field: "from" | "to") => {
    const moment = meant(texts[field]);
    if (moment === null) {
      const wrong = `\`${field}\` must be a time from 1970 to 2262, such as 2022-04-06 07:00 or now-1h`;
      throw new Problem(400, "invalid_argument", wrong);
    }
    return resolved(moment, nowNanos());
  };
  const set = () =>
    doing.run(async () => {
      const [from, to] = [time("from"), time("to")];
      if (to <= from) {
        throw new Problem(400, "invalid_argument", "`to` must be after the beginning");
      }
      const flagged = { from: formatTime(from), to: formatTime(to) };
      await createFlag(experimentId, { ...flagged, sensor, measure_type: type, reason });
      onSet();
    });
  const field = (name: "from" | "to", label: string, calendarName: string) => (
    <TimeField
      label={`${label} (${inZone === "utc" ? "UTC" : "local time"})`}
      calendarName={calendarName}
      text={texts[name]}
      meant={meant(texts[name])}
      error={error(name)}
      inZone={inZone}
      onType={(typed) => setTexts({ ...texts, [name]: typed })}
    />
  );
  return (
    <FormDialog
      title="Flag measures"
      action="Flag"
      doing={doing}
      fields={FIELDS}
      onSubmit={() => void set()}
      onClose={onClose}
    >
      <p class="soft">Flagged measures are not to be used: they are kept, and left out of readings.</p>
      {field("from", "From", "beginning")}
      {field("to", "Until", "end")}
      {experiments.length > 1 && (
        <Choice
          label="Experiment"
          value={String(experimentId)}
          choices={experiments.map(({ experiment_id, name }) => ({
            value: String(experiment_id),
            text: name,
          }))}
          onChange={(event) => {
            setExperimentId(Number(event.currentTarget.value));
            setSensor(null);
            setType(null);
          }}
        />
      )}
      {known.some((each) => each.sensor !== null) && (
        <Choice
          label="Sensor"
          {...choices("every sensor", sensors, sensor)}
          error={error("sensor")}
          onChange={(event) => setSensor(nameOf(event.currentTarget.value))}
        />
      )}
      <Choice
        label="Measure type"
        {...choices("every type", types, type)}
        error={error("measure_type")}
        onChange={(event) => setType(nameOf(event.currentTarget.value))}
      />
      <Field
        label="Reason"
        autocomplete="off"
        value={reason}
        error={error("reason")}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
    </FormDialog>
  );
}

const only = (names: readonly string[]): string | null => (names.length === 1 ? (names[0] ?? null) : null);

/** All of them, or one of these names. A name may be empty, or read like a word of the form. */
function choices(all: string, names: readonly string[], chosen: string | null) {
  return {
    value: chosen === null ? "" : `=${chosen}`,
    choices: [
      { value: "", text: all },
      ...names.map((name) => ({ value: `=${name}`, text: name || "measures without a sensor" })),
    ],
  };
}

const nameOf = (value: string): string | null => (value === "" ? null : value.slice(1));
