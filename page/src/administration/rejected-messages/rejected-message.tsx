import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Problem } from "../../api/problem.ts";
import {
  discardRejectedMessage,
  getRejectedMessage,
  listExperiments,
  listMeasureTypes,
} from "../../api/resources.ts";
import type { RejectedMessage } from "../../api/shapes.ts";
import {
  Button,
  Confirm,
  Empty,
  Loading,
  Notice,
  ProblemNotice,
  sentence,
  Wording,
} from "../../design/components.tsx";
import { amount } from "../../design/format-count.ts";
import { useDoing, useLoad } from "../../design/load.ts";
import { View } from "../../frame/view.tsx";
import { href } from "../../routing/address.ts";
import { bytesText } from "../bytes.ts";
import { ExperimentForm } from "../experiments/experiment-form.tsx";
import { MeasureTypeForm } from "../measure-types/measure-type-form.tsx";
import { ResultNotice } from "../result-notice.tsx";
import { namesIn } from "./body.ts";
import { BodyView } from "./body-view.tsx";
import { reasonText } from "./reasons.ts";
import { type Replay, replay } from "./requests.ts";
import { utcTime } from "./utc-time.ts";
import { visible } from "./visible.ts";

const LIST = href(["administration", "rejected-messages"]);

/** How many missing names are offered to be added. */
const MAX_OFFERED = 10;

/** The result of a replay or discard. */
type Outcome = Replay | { outcome: "discarded" };

/** One rejected message, whole. */
export function RejectedMessageView({ id }: { id: number }) {
  const loaded = useLoad((signal) => getRejectedMessage(id, signal), [id]);
  const replaying = useDoing();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [isDiscarding, setDiscarding] = useState(false);
  const message = loaded.value;
  const isGone = outcome?.outcome === "stored" || outcome?.outcome === "discarded";
  const tryAgain = () =>
    replaying.run(async () => {
      setOutcome(null);
      const became = await replay(id);
      setOutcome(became);
      if (became.outcome === "rejected") {
        loaded.reload();
      }
    });
  return (
    <View title={`Rejected message ${id}`} lead={<a href={LIST}>Rejected messages</a>}>
      {outcome && <OutcomeNotice outcome={outcome} />}
      {replaying.problem && <ProblemNotice problem={replaying.problem} />}
      {loaded.state === "failed" && <Failed problem={loaded.problem} retry={loaded.reload} />}
      {loaded.state === "loading" && !message && <Loading what="the message" />}
      {message && !isGone && (
        <>
          <Facts message={message}>
            <Button look="primary" busy={replaying.busy} onClick={() => void tryAgain()}>
              Replay
            </Button>
            <Button look="danger" onClick={() => setDiscarding(true)}>
              Discard …
            </Button>
          </Facts>
          {message.reason === "unknown_experiment" && <Missing message={message} kind="experiment" />}
          {message.reason === "unknown_measure_type" && <Missing message={message} kind="measure" />}
          <BodyView message={message} />
        </>
      )}
      {isDiscarding && (
        <Discarding
          id={id}
          onClose={() => setDiscarding(false)}
          onDiscarded={() => {
            setDiscarding(false);
            setOutcome({ outcome: "discarded" });
          }}
        />
      )}
    </View>
  );
}

function OutcomeNotice({ outcome }: { outcome: Outcome }) {
  switch (outcome.outcome) {
    case "stored":
      return (
        <ResultNotice>
          <p>Stored: {amount(outcome.measures, "measure")}. The message is no longer rejected.</p>
          <a href={LIST}>Other rejected messages</a>
        </ResultNotice>
      );
    case "discarded":
      return (
        <ResultNotice>
          <p>The message was discarded.</p>
          <a href={LIST}>Other rejected messages</a>
        </ResultNotice>
      );
    case "rejected":
      return (
        <ResultNotice look="warning">
          <p>
            <strong>It still cannot be stored.</strong> <Wording text={sentence(outcome.detail)} /> It stays
            here, as “{reasonText(outcome.reason)}”.
          </p>
        </ResultNotice>
      );
  }
}

function Failed({ problem, retry }: { problem: Problem; retry: () => void }) {
  if (problem.status !== 404) {
    return <ProblemNotice problem={problem} retry={retry} />;
  }
  return (
    <Empty title="Message not found">
      <p>It may have been replayed or discarded.</p>
      <a class="button" href={LIST}>
        Rejected messages
      </a>
    </Empty>
  );
}

function Facts({ message, children }: { message: RejectedMessage; children: ComponentChildren }) {
  const { reason, detail, received_at, message_id, properties, size } = message;
  return (
    <section class="card stack" aria-labelledby="facts-head">
      <h2 id="facts-head">Why and when</h2>
      <dl class="details-list">
        <dt>Reason</dt>
        <dd>
          <span class="badge badge-warning">{reasonText(reason)}</span>
        </dd>
        <dt>Detail</dt>
        <dd>
          <Wording text={visible(sentence(detail))} />
        </dd>
        <dt>Received</dt>
        <dd>
          <time dateTime={received_at} title={received_at}>
            {utcTime(received_at)}
          </time>
        </dd>
        <dt>Message id</dt>
        <dd>{message_id === null ? <span class="soft">None</span> : <code>{idText(message_id)}</code>}</dd>
        <dt>Size</dt>
        <dd>{bytesText(size)}</dd>
      </dl>
      {Object.keys(properties).length > 0 && (
        <details>
          <summary>AMQP properties</summary>
          <pre class="code-block">{visible(JSON.stringify(properties, null, 2))}</pre>
        </details>
      )}
      <div class="row">{children}</div>
    </section>
  );
}

function idText(messageId: string | { $base64: string }): string {
  return typeof messageId === "string" ? visible(messageId) : `${messageId.$base64} (base64)`;
}

interface MissingProps {
  message: RejectedMessage;
  /** The field that has the names. */
  kind: "experiment" | "measure";
}

/** Offers to add the experiments or measure types that the message names and that do not exist. */
function Missing({ message, kind }: MissingProps) {
  const loaded = useLoad((signal) => listKnown(kind, signal), [kind]);
  const [adding, setAdding] = useState<string | null>(null);
  const [added, setAdded] = useState<string | null>(null);
  if (!loaded.value) {
    return null;
  }
  const known = new Set(loaded.value);
  const missing = namesIn(message, kind).filter((name) => name !== "" && !known.has(name));
  const [one, many, Form] =
    kind === "experiment"
      ? (["an experiment", "experiments", ExperimentForm] as const)
      : (["a measure type", "measure types", MeasureTypeForm] as const);
  return (
    <>
      {added !== null && (
        <ResultNotice key={added}>
          {visible(added)} was added. Replay the message now, or all with this reason.
        </ResultNotice>
      )}
      {missing.length > 0 && (
        <Notice>
          <p>
            {missing.length === 1
              ? `The message names ${one} that does not exist.`
              : `The message names ${many} that do not exist.`}{" "}
            If the publisher is right, add {missing.length === 1 ? "it" : "them"}, then replay.
          </p>
          <div class="row">
            {missing.slice(0, MAX_OFFERED).map((name) => (
              <Button key={name} small onClick={() => setAdding(name)}>
                Add {visible(name)} …
              </Button>
            ))}
          </div>
        </Notice>
      )}
      {adding !== null && (
        <Form
          name={adding}
          onClose={() => setAdding(null)}
          onSaved={({ name }: { name: string }) => {
            setAdding(null);
            setAdded(name);
            loaded.reload();
          }}
        />
      )}
    </>
  );
}

/** The names that are known; a measure may name the symbol of its type. */
async function listKnown(kind: MissingProps["kind"], signal: AbortSignal): Promise<string[]> {
  return kind === "experiment"
    ? (await listExperiments(signal)).map(({ name }) => name)
    : (await listMeasureTypes(signal)).flatMap(({ name, symbol }) => [name, symbol]);
}

interface DiscardingProps {
  id: number;
  onClose: () => void;
  onDiscarded: () => void;
}

function Discarding({ id, onClose, onDiscarded }: DiscardingProps) {
  const { busy, problem, run } = useDoing();
  const discard = async () => {
    const isDiscarded = await run(async () => {
      await discardRejectedMessage(id);
    });
    if (isDiscarded) {
      onDiscarded();
    }
  };
  return (
    <Confirm
      title="Discard the message permanently?"
      action="Discard permanently"
      busy={busy}
      problem={problem}
      onConfirm={() => void discard()}
      onClose={onClose}
    >
      <p>
        Its measures will never be stored, and the message cannot be restored. Download it first if in doubt.
      </p>
    </Confirm>
  );
}
