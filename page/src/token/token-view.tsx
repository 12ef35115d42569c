import { useEffect, useState } from "preact/hooks";
import { Button, CopyButton, Loading, ProblemNotice } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { session } from "../session/session.ts";
import { secondsLeft } from "../session/token.ts";
import { lifetime } from "./lifetime.ts";

/** The token for programs, with what they do with it. */
export function TokenView() {
  const now = session.value;
  const door = now.state === "signed-in" ? now.door : null;
  const isAdministrator = now.state === "signed-in" && now.user.role === "ADMIN";
  const [renewals, setRenewals] = useState(0);
  const loaded = useLoad(async () => (await door?.token(renewals > 0)) ?? "", [door, renewals]);
  return (
    <View
      title="Your token"
      width="reading"
      lead="Programs show it to MyMONIT to do what you may do. Give it to nobody else."
    >
      {loaded.state === "failed" && <ProblemNotice problem={loaded.problem} retry={loaded.reload} />}
      {loaded.value === undefined && loaded.state === "loading" && <Loading what="the token" />}
      {loaded.value && (
        <Token
          token={loaded.value}
          path={isAdministrator ? "/users/" : "/experiments/"}
          isRenewing={loaded.state === "loading"}
          renew={() => setRenewals((before) => before + 1)}
        />
      )}
    </View>
  );
}

interface TokenProps {
  token: string;
  path: string;
  isRenewing: boolean;
  renew: () => void;
}

function Token({ token, path, isRenewing, renew }: TokenProps) {
  const left = useSecondsLeft(token);
  const command = `curl -H "Authorization: Bearer ${token}" ${location.origin}${path}`;
  return (
    <>
      <section class="card stack" aria-labelledby="token-head">
        <div class="row row-between">
          <h2 id="token-head">ID token</h2>
          <span class={left > 0 ? "badge badge-accent number" : "badge badge-warning"} role="timer">
            {left > 0 ? `good for ${lifetime(left)}` : "expired"}
          </span>
        </div>
        <pre class="code-block" id="token">
          {token}
        </pre>
        <div class="row">
          <CopyButton text={token} label="Copy the token" look="primary" />
          <Button small busy={isRenewing} onClick={renew}>
            Get a new one
          </Button>
        </div>
      </section>
      <section class="card stack" aria-labelledby="curl-head">
        <h2 id="curl-head">Try it in a terminal</h2>
        <pre class="code-block" id="curl">
          {command}
        </pre>
        <div class="row">
          <CopyButton text={command} label="Copy the command" />
          <a href="/docs">All that can be asked</a>
        </div>
      </section>
    </>
  );
}

function useSecondsLeft(token: string): number {
  const [left, setLeft] = useState(() => secondsLeft(token));
  useEffect(() => {
    setLeft(secondsLeft(token));
    const timer = setInterval(() => setLeft(secondsLeft(token)), 1_000);
    return () => clearInterval(timer);
  }, [token]);
  return left;
}
