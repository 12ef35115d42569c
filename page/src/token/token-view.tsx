import { useEffect, useState } from "preact/hooks";
import { Button, CopyButton, LoadState } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { session } from "../session/session.ts";
import { secondsLeft } from "../session/token.ts";
import { ApiTokens } from "./api-tokens.tsx";
import { lifetime } from "./lifetime.ts";

/** The token for programs, with what they do with it. */
export function TokenView() {
  const now = session.value;
  const credentials = now.state === "signed-in" ? now.credentials : null;
  const isAdministrator = now.state === "signed-in" && now.user.role === "ADMIN";
  const [renewals, setRenewals] = useState(0);
  const loaded = useLoad(async () => (await credentials?.token(renewals > 0)) ?? "", [credentials, renewals]);
  return (
    <View
      title="Your token"
      width="reading"
      lead="With this token, programs have your rights in MyMONIT. Keep it secret."
    >
      <LoadState loaded={loaded} what="the token" />
      {loaded.value && (
        <Token
          token={loaded.value}
          path={isAdministrator ? "/users/" : "/experiments/"}
          isRenewing={loaded.state === "loading"}
          renew={() => setRenewals((before) => before + 1)}
        />
      )}
      <ApiTokens />
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
          <a href="/docs">All operations of the API</a>
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
