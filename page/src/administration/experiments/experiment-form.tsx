import { useState } from "preact/hooks";
import { createExperiment, updateExperiment } from "../../api/resources.ts";
import type { Experiment } from "../../api/shapes.ts";
import { Field, fieldError, TextArea } from "../../design/components.tsx";
import { useDoing } from "../../design/load.ts";
import { FormDialog } from "../form-dialog.tsx";

interface ExperimentFormProps {
  /** What to change; without one, an experiment is added. */
  experiment?: Experiment | undefined;
  /** The name to begin with. */
  name?: string;
  onClose: () => void;
  onSaved: (experiment: Experiment) => void;
}

export function ExperimentForm({ experiment, name = "", onClose, onSaved }: ExperimentFormProps) {
  const [typed, setTyped] = useState(experiment?.name ?? name);
  const [description, setDescription] = useState(experiment?.description ?? "");
  const [archived, setArchived] = useState(experiment?.archived ?? false);
  const doing = useDoing();
  const save = () =>
    doing.run(async () => {
      const saved = experiment
        ? await updateExperiment({ ...experiment, name: typed, description, archived })
        : await createExperiment({ name: typed, description });
      onSaved(saved);
    });
  return (
    <FormDialog
      title={
        experiment ? (
          <>
            Change <bdi>{experiment.name}</bdi>
          </>
        ) : (
          "Add an experiment"
        )
      }
      action={experiment ? "Save" : "Add"}
      doing={doing}
      fields={["name", "description"]}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      <Field
        label="Name"
        hint={
          experiment
            ? "If you change it, adapters have to publish under the new name: what comes under the old one is rejected."
            : "As adapters publish it, letter by letter."
        }
        autocomplete="off"
        spellcheck={false}
        value={typed}
        error={fieldError(doing.problem, "name")}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      <TextArea
        label="Description"
        value={description}
        error={fieldError(doing.problem, "description")}
        onInput={(event) => setDescription(event.currentTarget.value)}
      />
      {experiment && (
        <fieldset class="choices">
          <label>
            <input
              type="checkbox"
              checked={archived}
              onChange={(event) => setArchived(event.currentTarget.checked)}
            />
            Archived: it is over and takes no new measures
          </label>
        </fieldset>
      )}
    </FormDialog>
  );
}
