import { useState } from "preact/hooks";
import { createUser, updateUser } from "../../api/resources.ts";
import type { Role, User } from "../../api/shapes.ts";
import { Choice, Field, fieldError } from "../../design/components.tsx";
import { useDoing } from "../../design/load.ts";
import { FormDialog } from "../form-dialog.tsx";

const FIELDS = ["user_id", "name", "email", "username", "role"];

const ROLES = [
  { value: "SCIENTIST", text: "Scientist" },
  { value: "ADMIN", text: "Administrator" },
];

const NEW_USER: User = { user_id: "", name: "", username: "", email: "", role: "SCIENTIST" };

interface UserFormProps {
  /** The user to change; without one, a user is added. */
  user?: User;
  onClose: () => void;
  onSaved: (user: User) => void;
}

export function UserForm({ user, onClose, onSaved }: UserFormProps) {
  const [draft, setDraft] = useState(user ?? NEW_USER);
  const doing = useDoing();
  const error = (field: string) => fieldError(doing.problem, field);
  const set = (field: keyof User) => (event: { currentTarget: HTMLInputElement }) =>
    setDraft({ ...draft, [field]: event.currentTarget.value });
  const save = () =>
    doing.run(async () => {
      onSaved(user ? await updateUser(draft) : await createUser(draft));
    });
  return (
    <FormDialog
      title={user ? `Change ${user.user_id}` : "Add a user"}
      action={user ? "Save" : "Add"}
      doing={doing}
      fields={FIELDS}
      onSubmit={() => void save()}
      onClose={onClose}
    >
      {!user && (
        <Field
          label="Staff identification"
          hint="It names the user permanently, also in the audit, and is never used again."
          autocomplete="off"
          spellcheck={false}
          value={draft.user_id}
          error={error("user_id")}
          onInput={set("user_id")}
        />
      )}
      <Field label="Name" autocomplete="off" value={draft.name} error={error("name")} onInput={set("name")} />
      <Field
        label="E-mail address"
        type="email"
        autocomplete="off"
        value={draft.email}
        error={error("email")}
        onInput={set("email")}
      />
      <Field
        label="Username (Firebase UID)"
        hint="Users see it after registration on this page and send it to you; the Firebase console shows it as well."
        mono
        autocomplete="off"
        spellcheck={false}
        autocapitalize="off"
        value={draft.username}
        error={error("username")}
        onInput={set("username")}
      />
      {!user && (
        <Choice
          label="Role"
          hint="Scientists read the measures of their experiments. Administrators manage everything and read no measures. It cannot be changed later."
          choices={ROLES}
          value={draft.role}
          error={error("role")}
          onChange={(event) => setDraft({ ...draft, role: event.currentTarget.value as Role })}
        />
      )}
    </FormDialog>
  );
}
