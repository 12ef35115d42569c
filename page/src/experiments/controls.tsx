import { useState } from "preact/hooks";
import type { Experiment } from "../api/shapes.ts";
import { Button } from "../design/components.tsx";
import { formatCount } from "../design/format-count.ts";
import { chosenOf, isAll } from "./choice.ts";
import { Download } from "./download.tsx";
import { RangeForm } from "./range-form.tsx";
import type { Reading } from "./reading.ts";
import { Setting } from "./setting.tsx";
import { Share } from "./share.tsx";
import { SECOND } from "./time.ts";
import type { Moment } from "./typed-time.ts";
import { MAX_COMPARED, type Range, SPANS, type Span, type ViewState } from "./view-state.ts";
import { chooseZone, localZoneName, type Zone, zone } from "./zone.ts";

export type Show = (changed: Partial<ViewState>, options?: { isMove?: boolean }) => void;

interface ControlsProps {
  experiments: readonly Experiment[];
  state: ViewState;
  reading: Reading | null;
  show: Show;
  /** Experiments that can be shown beside this one. */
  others: readonly Experiment[];
  picture: () => Promise<Blob>;
  /** Lets the reader choose series. */
  choose: () => void;
  /** Lets the reader flag a range. */
  mark: () => void;
  hasFlags: boolean;
}

/** What is shown of an experiment, and what can be taken from it. */
export function Controls(props: ControlsProps) {
  const { experiments, state, reading, show, others, picture, choose, mark, hasFlags } = props;
  const [open, setOpen] = useState<"range" | "download" | "share" | null>(null);
  const { range, follow } = state;
  const isMoving = range.kind === "moving";
  const isEmpty = !reading || reading.count === 0;
  const names = reading?.names ?? [];
  return (
    <div class="stack controls">
      <div class="row row-between">
        <div class="row">
          <Presets range={range} show={show} />
          <Button
            small
            aria-pressed={range.kind === "fixed"}
            aria-expanded={open === "range"}
            onClick={() => setOpen(open === "range" ? null : "range")}
          >
            Range …
          </Button>
        </div>
        <div class="row">
          <Button
            small
            aria-pressed={follow || isMoving}
            title="Shows new measures as they are stored"
            onClick={() => show(followed(state, reading))}
          >
            <span class={follow || isMoving ? "live live-on" : "live"} aria-hidden="true" />
            Follow
          </Button>
          <Button small disabled={!reading} onClick={mark}>
            Flag …
          </Button>
          <Button small disabled={isEmpty} onClick={() => setOpen("download")}>
            Download …
          </Button>
          <Button small disabled={!reading} onClick={() => setOpen("share")}>
            Share …
          </Button>
        </div>
      </div>
      {open === "range" && (
        <RangeForm
          // In another zone, the texts mean other times.
          key={zone.value}
          {...ends(range, reading)}
          onCancel={() => setOpen(null)}
          onChoose={(chosen) => {
            setOpen(null);
            show({ range: chosen, follow: false });
          }}
        />
      )}
      <div class="row settings">
        <Setting
          label="Times"
          value={zone.value}
          choices={[
            ["utc", "UTC"],
            ["local", `Local (${localZoneName()})`],
          ]}
          onChoose={(chosen) => chooseZone(chosen as Zone)}
        />
        {names.length > 1 && (
          <Button small aria-haspopup="dialog" onClick={choose}>
            {isAll(state.choice)
              ? `Series: all ${formatCount(names.length)} …`
              : `Series: ${formatCount(chosenOf(names, state.choice).length)} of ${formatCount(names.length)} …`}
          </Button>
        )}
        <Setting
          label="Plots"
          value={state.layout}
          choices={[
            ["stacked", "One for each type"],
            ["together", "All in one"],
          ]}
          onChoose={(chosen) => show({ layout: chosen as ViewState["layout"] })}
        />
        {others.length > 0 && state.beside.length < MAX_COMPARED && (
          <Setting
            label="Compare with"
            value=""
            choices={[
              ["", "No other experiment"],
              ...others.map(({ experiment_id, name }) => [String(experiment_id), name] as const),
            ]}
            onChoose={(chosen) => show({ beside: [...state.beside, Number(chosen)] })}
          />
        )}
        {(hasFlags || state.flagged) && (
          <Button small aria-pressed={state.flagged} onClick={() => show({ flagged: !state.flagged })}>
            Show flagged measures
          </Button>
        )}
      </div>
      {open === "download" && reading && (
        <Download
          experiments={experiments}
          reading={reading}
          picture={picture}
          onClose={() => setOpen(null)}
        />
      )}
      {open === "share" && reading && (
        <Share experiments={experiments} reading={reading} state={state} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

/** Lengths of time before the newest measure, or before now. */
function Presets({ range, show }: { range: Range; show: Show }) {
  const [isToNow, setToNow] = useState(range.kind === "moving");
  const presets: readonly { span: Span; text: string }[] = [
    { span: "all", text: "All" },
    ...Object.entries(SPANS).map(([span, { text }]) => ({ span: span as Span, text })),
  ];
  const preset = (span: Span, toNow: boolean): Range =>
    toNow && span !== "all"
      ? { kind: "moving", from: { ago: SPANS[span].length }, to: { ago: 0n } }
      : { kind: "newest", span };
  const current = presets.find(({ span }) => isPreset(range, span))?.span;
  return (
    <>
      <fieldset class="segments">
        <legend class="visually-hidden">
          Length of time before {isToNow ? "now" : "the newest measure"}
        </legend>
        {presets.map(({ span, text }) => (
          <Button
            key={span}
            small
            aria-pressed={span === current}
            onClick={() => show({ range: preset(span, isToNow) })}
          >
            {text}
          </Button>
        ))}
      </fieldset>
      <Setting
        label="before"
        value={isToNow ? "now" : "newest"}
        choices={[
          ["newest", "newest measure"],
          ["now", "now"],
        ]}
        onChoose={(chosen) => {
          setToNow(chosen === "now");
          if (current !== undefined && current !== "all") {
            show({ range: preset(current, chosen === "now"), follow: false });
          }
        }}
      />
    </>
  );
}

function isPreset(range: Range, span: Span): boolean {
  if (range.kind === "moving" && span !== "all") {
    const { from, to } = range;
    return "ago" in from && "ago" in to && to.ago === 0n && from.ago === SPANS[span].length;
  }
  return range.kind === "newest" && range.span === span;
}

/** Starts or stops following; what moves with the clock stops where it is. */
function followed({ range, follow }: ViewState, reading: Reading | null): Partial<ViewState> {
  if (range.kind === "moving") {
    return reading ? { range: { kind: "fixed", from: reading.from, to: reading.to } } : {};
  }
  return follow
    ? { follow: false }
    : { follow: true, range: range.kind === "newest" ? range : { kind: "newest", span: "all" } };
}

/** The ends that the form for a range starts with. */
function ends(range: Range, reading: Reading | null): { from: Moment | null; to: Moment | null } {
  if (range.kind === "moving") {
    return range;
  }
  if (range.kind === "fixed") {
    return { from: { at: range.from }, to: { at: range.to } };
  }
  // The first full second after the newest measure.
  const to = reading && ((reading.to + SECOND - 1n) / SECOND) * SECOND;
  return { from: reading && { at: reading.from }, to: to === null ? null : { at: to } };
}
