import { useState } from "preact/hooks";
import { eraseUser, updateUser } from "../api/resources.ts";
import type { User } from "../api/shapes.ts";
import { announce } from "../design/announce.ts";
import { Button, Confirm, Field, fieldError, Notice, ProblemNotice } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { refresh, session, signOut } from "../session/session.ts";

/** The own record: to see, to change, to erase. */
export function Account() {
  const now = session.value;
  if (now.state !== "signed-in") {
    return null;
  }
  return (
    <View title="Your record" width="reading" lead="What MyMONIT knows of you.">
      <Details user={now.user} />
      <Erasure user={now.user} />
    </View>
  );
}

function Details({ user }: { user: User }) {
  const [name, setName] = useState(user.name);
  const [email, setEmail] = useState(user.email);
  const [saved, setSaved] = useState(false);
  const { busy, problem, run } = useDoing();
  const nameError = fieldError(problem, "name");
  const emailError = fieldError(problem, "email");
  const save = () =>
    run(async () => {
      setSaved(false);
      const stored = await updateUser({ ...user, name, email });
      await refresh();
      setName(stored.name);
      setEmail(stored.email);
      setSaved(true);
      announce("Saved.");
    });
  return (
    <form
      class="card stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <dl class="details-list">
        <dt>Staff identification</dt>
        <dd>{user.user_id}</dd>
        <dt>Role</dt>
        <dd>{user.role === "ADMIN" ? "Administrator" : "Scientist"}</dd>
        <dt>Username (Firebase UID)</dt>
        <dd>
          <code>{user.username}</code>
        </dd>
      </dl>
      <Field
        label="Name"
        autocomplete="name"
        value={name}
        error={nameError}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <Field
        label="E-mail address"
        hint="Where MyMONIT's administrators reach you. The address for signing in is changed in Firebase."
        type="email"
        autocomplete="email"
        value={email}
        error={emailError}
        onInput={(event) => setEmail(event.currentTarget.value)}
      />
      {problem && !nameError && !emailError && <ProblemNotice problem={problem} />}
      {saved && !problem && <Notice look="good">Saved.</Notice>}
      <div class="row">
        <Button look="primary" type="submit" busy={busy}>
          Save
        </Button>
      </div>
    </form>
  );
}

function Erasure({ user }: { user: User }) {
  const [isAsked, setAsked] = useState(false);
  const { busy, problem, run, clear } = useDoing();
  const erase = () =>
    run(async () => {
      await eraseUser(user.user_id);
      await signOut("Your record has been erased.");
    });
  return (
    <section class="card stack" aria-labelledby="erasure-head">
      <h2 id="erasure-head">Erase your record</h2>
      <p>
        Your name, e-mail address, username and associations with experiments are removed permanently. You can
        no longer sign in to MyMONIT. Your staff identification is kept for the audit and cannot be used
        again. Measures stay as they are.
      </p>
      <div class="row">
        <Button look="danger" onClick={() => setAsked(true)}>
          Erase my record …
        </Button>
      </div>
      {isAsked && (
        <Confirm
          title="Erase your record permanently?"
          action="Erase it"
          typed={user.user_id}
          busy={busy}
          problem={problem}
          onConfirm={() => void erase()}
          onClose={() => {
            setAsked(false);
            clear();
          }}
        >
          <p>This cannot be undone, and you will be signed out.</p>
        </Confirm>
      )}
    </section>
  );
}
