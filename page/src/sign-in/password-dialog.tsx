import { useState } from "preact/hooks";
import { FormDialog } from "../administration/form-dialog.tsx";
import { Field } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { type PasswordRequest, passwordRequest } from "../session/sign-in-again.ts";

/** Asks for the password while something waits for a recent sign-in. */
export function PasswordDialog() {
  const request = passwordRequest.value;
  return request && <PasswordForm request={request} />;
}

function PasswordForm({ request }: { request: PasswordRequest }) {
  const [password, setPassword] = useState("");
  const doing = useDoing();
  const signIn = () =>
    doing.run(async () => {
      await request.credentials.reauthenticate(password);
      request.end(true);
    });
  return (
    <FormDialog
      title="Sign in again"
      action="Sign in"
      doing={doing}
      fields={[]}
      onSubmit={() => void signIn()}
      onClose={() => request.end(false)}
    >
      <p>This cannot be undone and needs a recent sign-in. It is done as soon as you have signed in.</p>
      <Field
        label="Password"
        type="password"
        name="password"
        autocomplete="current-password"
        required
        value={password}
        onInput={(event) => setPassword(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
