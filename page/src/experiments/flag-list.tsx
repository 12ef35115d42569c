import { useState } from "preact/hooks";
import { ResultNotice } from "../administration/result-notice.tsx";
import { withdrawFlag } from "../api/resources.ts";
import type { Experiment } from "../api/shapes.ts";
import { Button, type Column, Confirm, Table } from "../design/components.tsx";
import { useDoing } from "../design/load.ts";
import { PagedList } from "../design/paged-list.tsx";
import { aboutText, type ShownFlag } from "./flags.ts";
import { type Nanos, parseTime, readableTime } from "./time.ts";
import { zone } from "./zone.ts";

interface FlagsProps {
  experiments: readonly Experiment[];
  flags: readonly ShownFlag[];
  onWithdrawn: () => void;
}

/** The flags of the experiments, each of which can be withdrawn. */
export function Flags({ experiments, flags, onWithdrawn }: FlagsProps) {
  const [chosen, setChosen] = useState<ShownFlag | null>(null);
  const [withdrawn, setWithdrawn] = useState<ShownFlag | null>(null);
  const { busy, problem, run, clear } = useDoing();
  const inZone = zone.value;
  const close = () => {
    setChosen(null);
    clear();
  };
  const withdraw = async (flag: ShownFlag) => {
    if (
      await run(async () => {
        await withdrawFlag(flag.experimentId, flag.flag_id);
      })
    ) {
      close();
      setWithdrawn(flag);
      onWithdrawn();
    }
  };
  if (flags.length === 0 && !withdrawn) {
    return null;
  }
  const zoneName = inZone === "utc" ? "UTC" : "local";
  const rangeText = ({ from, to }: { from: Nanos; to: Nanos }) =>
    `${readableTime(from, inZone)} to ${readableTime(to, inZone)}`;
  const nameOf = (id: number) => experiments.find(({ experiment_id }) => experiment_id === id)?.name;
  const columns: readonly Column<ShownFlag>[] = [
    { head: `Range (${zoneName})`, cell: rangeText, kind: "text", names: true },
    ...(experiments.length > 1
      ? [
          {
            head: "Experiment",
            cell: ({ experimentId }: ShownFlag) => <bdi>{nameOf(experimentId)}</bdi>,
            kind: "text" as const,
          },
        ]
      : []),
    { head: "Measures", cell: (flag) => <bdi>{aboutText(flag)}</bdi>, kind: "text" },
    { head: "Reason", cell: ({ reason }) => <bdi>{reason}</bdi>, kind: "text" },
    { head: "By", cell: ({ user_id }) => <bdi>{user_id}</bdi> },
    {
      head: `Set at (${zoneName})`,
      cell: ({ created_at }) => readableTime(parseTime(created_at) ?? 0n, inZone).slice(0, 19),
    },
    {
      head: "Actions",
      kind: "actions",
      cell: (flag) => (
        <Button
          small
          look="quiet"
          aria-label={`Withdraw the flag of ${rangeText(flag)} (${flag.flag_id}) …`}
          onClick={() => setChosen(flag)}
        >
          Withdraw …
        </Button>
      ),
    },
  ];
  return (
    <section class="stack" aria-labelledby="flags-head">
      <h2 id="flags-head">Flags</h2>
      {withdrawn && (
        <ResultNotice key={`${withdrawn.experimentId} ${withdrawn.flag_id}`}>
          The flag of {rangeText(withdrawn)} is withdrawn.
        </ResultNotice>
      )}
      {flags.length > 0 && (
        <>
          <p class="soft">
            Flagged ranges are hatched in the plots. Their measures are left out unless they are shown.
          </p>
          <PagedList rows={flags}>
            {(shown) => (
              <Table
                caption="List of flags"
                columns={columns}
                rows={shown}
                rowKey={({ experimentId, flag_id }) => `${experimentId} ${flag_id}`}
                stacks
              />
            )}
          </PagedList>
        </>
      )}
      {chosen && (
        <Confirm
          title="Withdraw the flag?"
          action="Withdraw it"
          busy={busy}
          problem={problem}
          onConfirm={() => void withdraw(chosen)}
          onClose={close}
        >
          <p>
            {rangeText(chosen)}: <bdi>{chosen.reason}</bdi>
          </p>
          <p>Readings then have these measures again.</p>
        </Confirm>
      )}
    </section>
  );
}
