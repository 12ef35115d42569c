import { useState } from "preact/hooks";
import { Button, Field, Notice, ProblemNotice } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { address, href } from "../routing/address.ts";
import type { Configuration, EvaluationConfiguration } from "../session/configuration.ts";
import type { FirebaseEntrance } from "../session/firebase.ts";
import { inWords } from "../session/firebase-errors.ts";
import { signInAs } from "../session/session.ts";
import "./sign-in.css";

interface SignInProps {
  configuration: Configuration;
  entrance: FirebaseEntrance | null;
  notice: string | null;
}

export function SignIn({ configuration, entrance, notice }: SignInProps) {
  if (configuration.sign_in === "evaluation") {
    return <ChooseUser configuration={configuration} notice={notice} />;
  }
  if (!entrance) {
    return <NotSetUp />;
  }
  const [view] = address.value.path;
  if (view === "register") {
    return <Register key="register" entrance={entrance} />;
  }
  if (view === "forgotten-password") {
    return <ForgottenPassword key="forgotten" entrance={entrance} />;
  }
  return <WithPassword key="sign-in" entrance={entrance} notice={notice} />;
}

function ChooseUser({
  configuration,
  notice,
}: {
  configuration: EvaluationConfiguration;
  notice: string | null;
}) {
  const { busy, problem, run } = useDoing();
  const [chosen, setChosen] = useState("");
  const choose = (userId: string) => {
    setChosen(userId);
    void run(() => signInAs(configuration, userId));
  };
  return (
    <View title="Who do you want to be?" width="narrow" lead="Evaluation mode needs no password.">
      {notice && <Notice look="warning">{notice}</Notice>}
      {problem && <ProblemNotice problem={problem} />}
      <ul class="people">
        {configuration.users.map(({ user_id, name, role }) => (
          <li key={user_id}>
            <button
              type="button"
              class="person"
              aria-disabled={busy ? true : undefined}
              onClick={() => choose(user_id)}
            >
              <span class="person-name">{name}</span>
              <span class="person-id">{user_id}</span>
              <span class={role === "ADMIN" ? "badge badge-accent" : "badge"}>
                {role === "ADMIN" ? "Administrator" : "Scientist"}
              </span>
              {busy && chosen === user_id && <span class="spinner" aria-hidden="true" />}
            </button>
          </li>
        ))}
      </ul>
      {configuration.users.length === 0 && (
        <Notice look="warning">
          There are no users yet: the database is being prepared. Reload the page in a moment.
        </Notice>
      )}
    </View>
  );
}

function NotSetUp() {
  return (
    <View title="Sign-in is not set up" width="reading">
      <Notice look="warning">
        <p>
          The public API key of the Firebase project is not configured, so signing in is not possible here.
          Programs with a token can use the <a href="/docs">REST API</a>.
        </p>
      </Notice>
      <div class="card stack">
        <h2>If you run this MyMONIT</h2>
        <p>
          Set the environment variable <code>FIREBASE_API_KEY</code> to the <code>apiKey</code> that the
          Firebase console shows at <em>Project settings, General, Your apps, Web app</em>, and start the
          service again. It is no secret. In the same console, the sign-in method <em>Email/Password</em> has
          to be enabled.
        </p>
      </div>
    </View>
  );
}

/** What was typed where, on the way from one form to the next. */
let typedEmail = "";

function EmailField({ email, setEmail }: { email: string; setEmail: (email: string) => void }) {
  return (
    <Field
      label="E-mail address"
      type="email"
      name="email"
      autocomplete="username"
      required
      value={email}
      onInput={(event) => {
        typedEmail = event.currentTarget.value;
        setEmail(typedEmail);
      }}
    />
  );
}

function WithPassword({ entrance, notice }: { entrance: FirebaseEntrance; notice: string | null }) {
  const [email, setEmail] = useState(typedEmail);
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useDoing();
  return (
    <View title="Sign in" width="narrow">
      {notice && <Notice look="warning">{notice}</Notice>}
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            await inWords(entrance.signIn(email.trim(), password));
            typedEmail = "";
          });
        }}
      >
        <EmailField email={email} setEmail={setEmail} />
        <Field
          label="Password"
          type="password"
          name="password"
          autocomplete="current-password"
          required
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
        {problem && <Notice look="danger">{problem.detail}</Notice>}
        <Button look="primary" type="submit" busy={busy}>
          Sign in
        </Button>
        <a href={href(["forgotten-password"])}>I have forgotten my password</a>
      </form>
      <p>
        New here? <a href={href(["register"])}>Register with your e-mail address</a>.
      </p>
    </View>
  );
}

/** Firebase's minimum; a project may require more, which its error then states. */
const LEAST_LENGTH = 6;

function Register({ entrance }: { entrance: FirebaseEntrance }) {
  const [email, setEmail] = useState(typedEmail);
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useDoing();
  return (
    <View
      title="Register"
      width="narrow"
      lead="Afterwards an administrator of MyMONIT has to know you before you can see measures."
    >
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            await inWords(entrance.register(email.trim(), password));
            typedEmail = "";
          });
        }}
      >
        <EmailField email={email} setEmail={setEmail} />
        <Field
          label="Password"
          hint={`At least ${LEAST_LENGTH} characters.`}
          type="password"
          name="new-password"
          autocomplete="new-password"
          required
          minLength={LEAST_LENGTH}
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
        {problem && <Notice look="danger">{problem.detail}</Notice>}
        <Button look="primary" type="submit" busy={busy}>
          Register
        </Button>
      </form>
      <p>
        Registered already? <a href={href([])}>Sign in</a>.
      </p>
    </View>
  );
}

function ForgottenPassword({ entrance }: { entrance: FirebaseEntrance }) {
  const [email, setEmail] = useState(typedEmail);
  const [sentTo, setSentTo] = useState<string | null>(null);
  const { busy, problem, run } = useDoing();
  return (
    <View title="Forgotten password" width="narrow" lead="You get an e-mail with a link to set a new one.">
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault();
          const to = email.trim();
          void run(async () => {
            await inWords(entrance.resetPassword(to));
            setSentTo(to);
          });
        }}
      >
        <EmailField email={email} setEmail={setEmail} />
        {problem && <Notice look="danger">{problem.detail}</Notice>}
        <div role="status">
          {sentTo && (
            <Notice look="good">
              <p>
                If <strong>{sentTo}</strong> is registered, an e-mail is on its way there. Check the spam
                folder, too.
              </p>
            </Notice>
          )}
        </div>
        <Button look="primary" type="submit" busy={busy}>
          Send the e-mail
        </Button>
      </form>
      <p>
        <a href={href([])}>Back to signing in</a>
      </p>
    </View>
  );
}
