import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button, Dialog, fieldError, ProblemNotice } from "../design/components.tsx";
import type { Doing } from "../design/load.ts";

interface FormDialogProps {
  title: ComponentChildren;
  /** The label of the submit button. */
  action: string;
  doing: Doing;
  /** The fields that show by themselves what is wrong with them. */
  fields: readonly string[];
  onSubmit: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

/** A form over everything else. Errors are shown at their field, or else above the form. */
export function FormDialog({ title, action, doing, fields, onSubmit, onClose, children }: FormDialogProps) {
  const { busy, problem } = doing;
  const form = useRef<HTMLFormElement>(null);
  const isAtField = fields.some((field) => fieldError(problem, field) !== undefined);
  useEffect(() => {
    // The first field with an error.
    form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [problem]);
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        ref={form}
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        {problem && !isAtField && <ProblemNotice problem={problem} />}
        {children}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={busy}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
