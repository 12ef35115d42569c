import type { Experiment } from "../api/shapes.ts";
import { Button, CopyButton, Dialog } from "../design/components.tsx";
import { href } from "../routing/address.ts";
import { fileName } from "./file-name.ts";
import { measuresPath, type Part, type Reading } from "./reading.ts";
import { type Nanos, SECOND } from "./time.ts";
import { type ViewState, writeViewState } from "./view-state.ts";

interface ShareProps {
  experiments: readonly Experiment[];
  reading: Reading;
  state: ViewState;
  onClose: () => void;
}

/** Links to this view, and code that reads its measures. */
export function Share({ experiments, reading: shown, state, onClose }: ShareProps) {
  const reading = { ...shown, to: roundEnd(shown) };
  const link = (view: ViewState) =>
    location.href.replace(/#.*/, "") +
    href(["experiments", experiments[0]?.experiment_id ?? 0], writeViewState(view));
  const isMoving = state.range.kind !== "fixed";
  const { from, to } = reading;
  return (
    <Dialog title="Share" onClose={onClose} wide>
      <Text name="Link to this view" copy="Copy link" text={link(state)} />
      {isMoving && (
        <Text
          name="Link to exactly this time"
          copy="Copy fixed link"
          text={link({ ...state, range: { kind: "fixed", from, to }, follow: false })}
        />
      )}
      <p class="soft">
        The code reads all measures of this range. It expects a token in <code>TOKEN</code>; copy one from{" "}
        <a href={href(["token"])}>Token</a>.
      </p>
      <Text name="curl" copy="Copy curl" text={curlCode(location.origin, experiments, reading)} />
      <Text name="Python" copy="Copy Python" text={pythonCode(location.origin, reading)} />
      <div class="dialog-actions">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

/** End of the newest measures: 1 ns after the last, rounded up by at most 1/500 of the range. */
function roundEnd({ from, to, newest }: Reading): Nanos {
  let grain = 1n;
  while (newest !== null && grain < SECOND && grain * 10n * 500n <= to - from) {
    grain *= 10n;
  }
  return ((to + grain - 1n) / grain) * grain;
}

function Text({ name, copy, text }: { name: string; copy: string; text: string }) {
  return (
    <section class="stack stack-small" aria-label={name}>
      <div class="row row-between">
        <h3>{name}</h3>
        <CopyButton text={text} label={copy} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keys */}
      <pre class="code-block" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}

function addressOf(origin: string, { experimentId, types, sensors }: Part, reading: Reading): string {
  const { from, to, flagged } = reading;
  return origin + measuresPath(experimentId, { from, to, types, sensors, format: "csv", flagged });
}

/** A command for each request. Its address is percent-encoded: it needs no escaping in quotes. */
function curlCode(origin: string, experiments: readonly Experiment[], reading: Reading): string {
  const commands = reading.parts.map((part) => {
    const experiment = experiments.find(({ experiment_id }) => experiment_id === part.experimentId);
    const name = fileName(experiment?.name ?? "", { ...reading, series: part.series }, null, "csv");
    return [
      `curl --fail-with-body --silent --show-error --compressed -H "Authorization: Bearer $TOKEN" \\`,
      `  -o '${name}' \\`,
      `  '${quotable(addressOf(origin, part, reading))}'`,
    ].join("\n");
  });
  return commands.join("\n");
}

function pythonCode(origin: string, reading: Reading): string {
  const addresses = reading.parts.map((part) => `    "${addressOf(origin, part, reading)}",`);
  return `import os

import pandas as pd

headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Accept-Encoding": "gzip"}
addresses = [
${addresses.join("\n")}
]
measures = pd.concat(
    pd.read_csv(address, storage_options=headers, float_precision="round_trip", keep_default_na=False)
    for address in addresses
)
measures["timestamp"] = measures["timestamp"].astype("datetime64[ns, UTC]")
print(measures)
`;
}

/** An apostrophe is the one character that ends a quoted word of the shell. */
function quotable(address: string): string {
  return address.replaceAll("'", "%27");
}
