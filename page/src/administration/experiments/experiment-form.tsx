import { useState } from "preact/hooks";
import { createExperiment, renameExperiment } from "../../api/resources.ts";
import type { Experiment } from "../../api/shapes.ts";
import { Field, fieldError } from "../../design/components.tsx";
import { useDoing } from "../../design/load.ts";
import { FormDialog } from "../form-dialog.tsx";

interface ExperimentFormProps {
  /** What to rename; without one, an experiment is added. */
  experiment?: Experiment | undefined;
  /** The name to begin with. */
  name?: string;
  onClose: () => void;
  onSaved: (experiment: Experiment) => void;
}

export function ExperimentForm({ experiment, name = "", onClose, onSaved }: ExperimentFormProps) {
  const [typed, setTyped] = useState(experiment?.name ?? name);
  const doing = useDoing();
  const save = () =>
    doing.run(async () => {
      const saved = experiment
        ? await renameExperiment({ ...experiment, name: typed })
        : await createExperiment(typed);
      onSaved(saved);
    });
  return (
    <FormDialog
      title={
        experiment ? (
          <>
            Rename <bdi>{experiment.name}</bdi>
          </>
        ) : (
          "Add an experiment"
        )
      }
      action={experiment ? "Rename" : "Add"}
      doing={doing}
      fields={["name"]}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      <Field
        label="Name"
        hint={
          experiment
            ? "Adapters have to publish under the new name from then on: what comes under the old one is rejected."
            : "As adapters publish it, letter by letter."
        }
        autocomplete="off"
        spellcheck={false}
        value={typed}
        error={fieldError(doing.problem, "name")}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
