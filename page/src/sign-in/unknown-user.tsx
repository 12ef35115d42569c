import { useState } from "preact/hooks";
import { Button, CopyButton, Notice, ProblemNotice } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import type { Visitor } from "../session/credentials.ts";
import { refresh } from "../session/session.ts";

/** For users who can sign in and have no record in MyMONIT yet. */
export function UnknownUser({ visitor }: { visitor: Visitor }) {
  const { busy, problem, run } = useDoing();
  const [asked, setAsked] = useState(false);
  return (
    <View
      title="Almost there"
      width="reading"
      lead={visitor.email && `You are signed in as ${visitor.email}.`}
    >
      <div class="card stack">
        <p>
          MyMONIT does not know you yet: an administrator has to create your record and associate it with your
          experiments. Send them your e-mail address and this identification of your account (UID):
        </p>
        <pre class="code-block" id="uid">
          {visitor.uid}
        </pre>
        <div class="row">
          <CopyButton text={visitor.uid} label="Copy the UID" />
        </div>
      </div>
      {problem && <ProblemNotice problem={problem} />}
      {asked && !problem && !busy && <Notice look="warning">You have no record yet.</Notice>}
      <div class="row">
        <Button
          look="primary"
          busy={busy}
          onClick={() => {
            void run(refresh).then(() => setAsked(true));
          }}
        >
          It has been created: look again
        </Button>
      </div>
    </View>
  );
}
