import { useState } from "preact/hooks";
import { createMeasureType, updateMeasureType } from "../../api/resources.ts";
import type { MeasureType } from "../../api/shapes.ts";
import { Field, fieldError } from "../../design/components.tsx";
import { useDoing } from "../../design/load.ts";
import { FormDialog } from "../form-dialog.tsx";

interface MeasureTypeFormProps {
  /** What to change; without one, a type is added. */
  type?: MeasureType | undefined;
  /** The name to begin with. */
  name?: string;
  onClose: () => void;
  onSaved: (type: MeasureType) => void;
}

export function MeasureTypeForm({ type, name = "", onClose, onSaved }: MeasureTypeFormProps) {
  const [typed, setTyped] = useState(type ?? { name, symbol: "", quantity: "" });
  const doing = useDoing();
  const save = () =>
    doing.run(async () => {
      onSaved(type ? await updateMeasureType({ ...type, ...typed }) : await createMeasureType(typed));
    });
  const field = (key: "name" | "symbol" | "quantity", label: string, hint: string) => (
    <Field
      label={label}
      hint={hint}
      autocomplete="off"
      spellcheck={false}
      value={typed[key]}
      readOnly={key === "name" && type !== undefined}
      error={fieldError(doing.problem, key)}
      onInput={(event) => setTyped({ ...typed, [key]: event.currentTarget.value })}
    />
  );
  return (
    <FormDialog
      title={
        type ? (
          <>
            Change <bdi>{type.name}</bdi>
          </>
        ) : (
          "Add a measure type"
        )
      }
      action={type ? "Save" : "Add"}
      doing={doing}
      fields={["name", "symbol", "quantity"]}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      {field(
        "name",
        "Name",
        type
          ? "Publishers name it so, so it cannot be changed here."
          : "As adapters publish it: metre per second.",
      )}
      {field("symbol", "Symbol", "The unit, as plots show it: m/s.")}
      {field("quantity", "Quantity", "What is measured: velocity.")}
    </FormDialog>
  );
}
