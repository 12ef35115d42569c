import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { isAborted, Problem } from "../api/problem.ts";
import { getExperiment, listMeasureTypes } from "../api/resources.ts";
import type { MeasureType } from "../api/shapes.ts";
import { announce } from "../design/announce.ts";
import { Button, Empty, Loading, ProblemNotice } from "../design/components.tsx";
import { amount } from "../design/counted.ts";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { address, href, navigate } from "../routing/address.ts";
import { refresh } from "../session/session.ts";
import { Download } from "./download.tsx";
import { Gutter } from "./gutter.ts";
import { MeasuresTable } from "./measures-table.tsx";
import { type Moves, Plot } from "./plot.tsx";
import { RangeForm } from "./range-form.tsx";
import { NO_MEASURES, newest, type Reading, read } from "./reading.ts";
import {
  fromSeconds,
  type Nanos,
  parseWindow,
  readableLength,
  readableTime,
  SECOND,
  toSeconds,
} from "./time.ts";
import {
  drawn,
  readViewState,
  SPANS,
  type Span,
  scaled,
  type ViewState,
  writeViewState,
} from "./view-state.ts";
import "./experiment-view.css";

/** How often is looked for new measures while they are followed. */
const FOLLOW_EVERY = 2_000;
/** Moves that follow each other so soon are one step back for the back button. */
const ONE_MOVE = 1_000;

/** An experiment: a plot for each type of measure, and from when to when. */
export function ExperimentView({ experimentId }: { experimentId: number }) {
  const experiment = useLoad((signal) => getExperiment(experimentId, signal), [experimentId]);
  const state = readViewState(address.value.query);
  const { range, types } = state;
  const asked = JSON.stringify(writeViewState({ ...state, follow: false }));
  const loaded = useLoad(
    (signal) => read({ experimentId, range, types, maxPoints: plotWidth() }, signal),
    [experimentId, asked],
  );
  const measureTypes = useLoad(listMeasureTypes, []);
  const known = useKnownTypes(loaded.value, types);
  const show = useShow(experimentId, state);
  const reading = loaded.value === undefined || loaded.value === NO_MEASURES ? null : loaded.value;
  const isRefused = loaded.state === "failed" && loaded.problem.isRefusal;
  const followed = { ...state, follow: state.follow && !isRefused };
  const isLost = useFollow(experimentId, followed, reading, loaded.reload);
  const wasShown = useRef(false);
  wasShown.current ||= loaded.value !== undefined;
  const retry = () => {
    for (const each of [experiment, loaded, measureTypes]) {
      if (each.state === "failed") {
        each.reload();
      }
    }
  };

  const title = experiment.value?.name ?? `Experiment ${experimentId}`;
  const problem =
    experiment.state === "failed" ? experiment.problem : loaded.state === "failed" ? loaded.problem : null;
  if (problem && !reading) {
    const wasTheirs = wasShown.current && problem.isRefusal;
    return <Refused experimentId={experimentId} problem={problem} wasTheirs={wasTheirs} retry={retry} />;
  }
  // Without the types the plots lack no more than their units.
  const trouble = problem ?? (measureTypes.state === "failed" ? measureTypes.problem : null);
  return (
    <View title={title} lead={<span class="number">Experiment {experimentId}</span>}>
      {loaded.value === NO_MEASURES ? (
        <NoMeasures state={state} show={show} />
      ) : (
        <>
          <Controls experimentId={experimentId} state={state} reading={reading} show={show} known={known} />
          {trouble && <ProblemNotice problem={trouble} retry={retry} />}
          {reading ? (
            <Plots
              reading={reading}
              state={state}
              show={show}
              isLoading={loaded.state === "loading"}
              isLost={isLost}
              measureTypes={measureTypes.value ?? []}
            />
          ) : (
            <Loading what="the measures" />
          )}
        </>
      )}
    </View>
  );
}

/** How many points a plot has room for: one for each pixel of its width. */
function plotWidth(): number {
  return Math.max(200, Math.min(innerWidth, 1_280) - 120);
}

type Show = (changed: Partial<ViewState>, options?: { isMove?: boolean }) => void;

/** Shows another part of the experiment; the address tells which. */
function useShow(experimentId: number, state: ViewState): Show {
  const moved = useRef(0);
  return (changed, { isMove = false } = {}) => {
    const now = Date.now();
    const replace = isMove && now - moved.current < ONE_MOVE;
    moved.current = isMove ? now : 0;
    navigate(href(["experiments", experimentId], writeViewState({ ...state, ...changed })), { replace });
  };
}

/** The types that have been seen here, and those that the address names. */
function useKnownTypes(read: Reading | typeof NO_MEASURES | undefined, chosen: readonly string[]): string[] {
  const seen = useRef(new Set<string>());
  for (const { type } of read && read !== NO_MEASURES ? read.series : []) {
    seen.current.add(type);
  }
  for (const type of chosen) {
    seen.current.add(type);
  }
  return [...seen.current].sort();
}

/** Looks again and again whether there are new measures, and shows them; tells whether the last look was in vain. */
function useFollow(
  experimentId: number,
  { follow, types }: ViewState,
  reading: Reading | null,
  reload: () => void,
): boolean {
  const [isLost, setLost] = useState(false);
  const last = reading ? reading.last : null;
  useEffect(() => {
    if (!follow) {
      setLost(false);
      return;
    }
    const aborter = new AbortController();
    let isLooking = false;
    let isRefused = false;
    const look = async () => {
      if (isLooking || document.visibilityState !== "visible") {
        return;
      }
      isLooking = true;
      try {
        const found = await newest(experimentId, types, aborter.signal);
        setLost(false);
        isRefused = false;
        if (found !== null && (last === null || found > last)) {
          reload();
        }
      } catch (failure) {
        const wasRefused = isRefused;
        isRefused = failure instanceof Problem && failure.isRefusal;
        if (isRefused) {
          // What is shown may be seen no more: asked for again, it is refused as well, and gone.
          if (!wasRefused) {
            reload();
          }
        } else if (!isAborted(failure)) {
          // It may work the next time.
          setLost(true);
        }
      } finally {
        isLooking = false;
      }
    };
    const timer = setInterval(() => void look(), FOLLOW_EVERY);
    return () => {
      clearInterval(timer);
      aborter.abort();
    };
  }, [experimentId, follow, types.join("\n"), last, reload]);
  return isLost;
}

const NO_LONGER = "This experiment is no longer yours";

interface RefusedProps {
  experimentId: number;
  problem: Problem;
  /** Whether it was shown here before. */
  wasTheirs: boolean;
  retry: () => void;
}

function Refused({ experimentId, problem, wasTheirs, retry }: RefusedProps) {
  useEffect(() => {
    if (wasTheirs) {
      announce(NO_LONGER);
      // Perhaps it is not this experiment alone.
      void refresh();
    }
  }, [wasTheirs]);
  const back = (
    <a class="button" href={href(["experiments"])}>
      Your experiments
    </a>
  );
  if (wasTheirs) {
    return (
      <View title={`Experiment ${experimentId}`} width="reading">
        <Empty title={NO_LONGER}>
          <p>
            You are not associated with it any more, so its measures are no longer shown. An administrator can
            change that.
          </p>
          {back}
        </Empty>
      </View>
    );
  }
  if (problem.status === 404) {
    return (
      <View title={`Experiment ${experimentId}`} width="reading">
        <Empty title="There is no such experiment for you">
          <p>
            Either there is none with this number, or you are not associated with it. An administrator can
            change that.
          </p>
          {back}
        </Empty>
      </View>
    );
  }
  if (problem.status === 403) {
    return (
      <View title={`Experiment ${experimentId}`} width="reading">
        <Empty title="Measures are for scientists">
          <p>
            Administrators manage users and experiments, and read no measures. The associated scientists do.
          </p>
          {back}
        </Empty>
      </View>
    );
  }
  // The type that an old link names may have been wrong from the beginning.
  return (
    <View title={`Experiment ${experimentId}`} width="reading">
      <ProblemNotice problem={problem} retry={retry} />
      <div class="row">{back}</div>
    </View>
  );
}

function NoMeasures({ state, show }: { state: ViewState; show: Show }) {
  const isChoice = state.types.length > 0;
  return (
    <Empty title={isChoice ? "No measures of these types" : "No measures yet"}>
      <p>
        {isChoice
          ? `This experiment has no measures of ${state.types.join(", ")}.`
          : "They appear here as soon as an adapter has published some for this experiment."}
      </p>
      {isChoice ? (
        <Button onClick={() => show({ types: [] })}>Show all types</Button>
      ) : state.follow ? (
        <p class="soft" role="status">
          Waiting for the first one …
        </p>
      ) : (
        <Button onClick={() => show({ follow: true })}>Wait for the first one</Button>
      )}
    </Empty>
  );
}

interface ControlsProps {
  experimentId: number;
  state: ViewState;
  reading: Reading | null;
  show: Show;
  known: readonly string[];
}

function Controls({ experimentId, state, reading, show, known }: ControlsProps) {
  const [open, setOpen] = useState<"range" | "download" | null>(null);
  const { range, types, follow } = state;
  const presets: readonly { span: Span; text: string }[] = [
    { span: "all", text: "All" },
    ...Object.entries(SPANS).map(([span, { text }]) => ({ span: span as Span, text })),
  ];
  const from = range.kind === "fixed" ? range.from : (reading?.from ?? null);
  // The first full second after the newest measure.
  const to = range.kind === "fixed" ? range.to : reading && ((reading.to + SECOND - 1n) / SECOND) * SECOND;
  const toggle = (type: string) => {
    const chosen = types.length > 0 ? types : known;
    const next = chosen.includes(type) ? chosen.filter((each) => each !== type) : [...chosen, type];
    // None at all would be no choice.
    show({ types: next.length === known.length ? [] : next });
  };
  return (
    <div class="stack controls">
      <div class="row row-between">
        <div class="row">
          <fieldset class="segments">
            <legend class="visually-hidden">The newest measures: how much of the time before</legend>
            {presets.map(({ span, text }) => (
              <Button
                key={span}
                small
                aria-pressed={range.kind === "newest" && range.span === span}
                onClick={() => show({ range: { kind: "newest", span } })}
              >
                {text}
              </Button>
            ))}
          </fieldset>
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
            aria-pressed={follow}
            onClick={() =>
              show(
                follow
                  ? { follow: false }
                  : { follow: true, range: range.kind === "newest" ? range : newestAll },
              )
            }
          >
            <span class={follow ? "live live-on" : "live"} aria-hidden="true" />
            Follow
          </Button>
          <Button small disabled={!reading || reading.count === 0} onClick={() => setOpen("download")}>
            Download …
          </Button>
        </div>
      </div>
      {open === "range" && (
        <RangeForm
          from={from}
          to={to}
          onCancel={() => setOpen(null)}
          onChoose={(chosen) => {
            setOpen(null);
            show({ range: chosen, follow: false });
          }}
        />
      )}
      {(known.length > 1 || types.length > 0) && (
        <fieldset class="row types">
          <legend class="visually-hidden">Types of measures</legend>
          {known.map((type) => {
            const isShown = types.length === 0 || types.includes(type);
            return (
              <Button key={type} small aria-pressed={isShown} onClick={() => toggle(type)}>
                {type}
              </Button>
            );
          })}
          {types.length > 0 && (
            <Button small look="quiet" onClick={() => show({ types: [] })}>
              All types
            </Button>
          )}
        </fieldset>
      )}
      {open === "download" && reading && (
        <Download experimentId={experimentId} reading={reading} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

const newestAll = { kind: "newest", span: "all" } as const;

interface PlotsProps {
  reading: Reading;
  state: ViewState;
  show: Show;
  isLoading: boolean;
  /** Whether new measures are followed, and cannot be asked for. */
  isLost: boolean;
  measureTypes: readonly MeasureType[];
}

function Plots({ reading, state, show, isLoading, isLost, measureTypes }: PlotsProps) {
  const { range } = state;
  const gutter = useMemo(() => new Gutter(), []);
  const ends = range.kind === "fixed" ? range : { from: reading.from, to: reading.to };
  const last = range.kind === "fixed" ? range.to : reading.last;
  const [from, to] =
    range.kind === "fixed" ? [toSeconds(range.from), toSeconds(range.to)] : withRoom(reading);
  const go = (next: ViewState["range"]) => show({ range: next, follow: false }, { isMove: true });
  const moves: Moves = {
    select: (one, other) => show({ range: drawn(fromSeconds(one), fromSeconds(other)), follow: false }),
    zoom: (factor, around) =>
      go(
        around === undefined
          ? scaled(ends, factor)
          : drawn(
              fromSeconds(around - (around - from) * factor),
              fromSeconds(around + (to - around) * factor),
            ),
      ),
    pan: (part) => go(scaled(ends, 1, part)),
    everything: () => show({ range: newestAll }),
  };
  const said = isLoading
    ? ""
    : `${amount(reading.count, "measure")} from ${readableTime(ends.from)} to ${readableTime(last)} UTC`;
  useEffect(() => {
    if (said) {
      announce(said);
    }
  }, [said]);
  return (
    <div class="stack plots" aria-busy={isLoading}>
      <div class="row row-between">
        <Status reading={reading} from={ends.from} to={last} isLoading={isLoading} isLost={isLost} />
        <fieldset class="segments">
          <legend class="visually-hidden">Move the range</legend>
          <Button small aria-label="Earlier" title="Earlier" onClick={() => moves.pan(-0.5)}>
            <Icon path="M15 5 8 12l7 7" />
          </Button>
          <Button small aria-label="Zoom out" title="Zoom out" onClick={() => moves.zoom(2)}>
            <Icon path="M5 12h14" />
          </Button>
          <Button small aria-label="Zoom in" title="Zoom in" onClick={() => moves.zoom(0.5)}>
            <Icon path="M5 12h14M12 5v14" />
          </Button>
          <Button small aria-label="Later" title="Later" onClick={() => moves.pan(0.5)}>
            <Icon path="m9 5 7 7-7 7" />
          </Button>
        </fieldset>
      </div>
      {reading.series.length === 0 && !isLoading && (
        <Empty title="Nothing was measured in this range">
          <p>Perhaps something was before it, or after.</p>
          <Button onClick={moves.everything}>Show everything</Button>
        </Empty>
      )}
      {reading.series.map((series, index) => {
        const type = measureTypes.find(({ name }) => name === series.type);
        const symbol = type?.symbol ?? "";
        return (
          <section key={series.type} class="card plot-card" aria-labelledby={idOf(series.type)}>
            <h2 id={idOf(series.type)}>
              {series.type} <span class="soft">{type && `${type.quantity}, ${symbol}`}</span>
            </h2>
            <Plot
              series={series}
              name={series.type}
              symbol={symbol}
              window={reading.window}
              from={from}
              to={to}
              moves={moves}
              gutter={gutter}
              hint={index === 0}
            />
            <MeasuresTable series={series} symbol={symbol} />
          </section>
        );
      })}
    </div>
  );
}

/** A name may hold spaces, and an id may not. */
function idOf(type: string): string {
  return `plot-${type.replaceAll(/\s+/g, "-")}`;
}

/** What is shown, in words; above all whether each point is a measure. */
function Status({
  reading,
  from,
  to,
  isLoading,
  isLost,
}: {
  reading: Reading;
  from: Nanos;
  to: Nanos;
  isLoading: boolean;
  isLost: boolean;
}) {
  const width = reading.window && parseWindow(reading.window);
  return (
    <div class="status">
      <div>
        {from !== to && (
          <>
            {readableTime(from)} <span class="soft">to</span>{" "}
          </>
        )}
        {readableTime(to)} <span class="soft">UTC</span>
      </div>
      <div class="row">
        <span class="soft">
          {amount(reading.count, "measure")}
          {!width && reading.count > 1 && ", each of them shown"}
        </span>
        {width && (
          <span class="badge badge-warning">
            Reduced to bins of {readableLength(width)}: mean as a line, least to greatest as a band
          </span>
        )}
        {isLoading && (
          <span class="row soft">
            <span class="spinner" aria-hidden="true" /> Reading …
          </span>
        )}
      </div>
      <div role="status">
        {isLost && (
          <span class="badge badge-warning">
            New measures cannot be asked for at the moment; they are shown as soon as MyMONIT answers again
          </span>
        )}
      </div>
    </div>
  );
}

/** Seconds: what is shorter is one moment to the plot, and the room that it has at least beside what it shows. */
const [SHORTEST, LEAST_ROOM] = [1e-6, 5e-4];

/** From the first to the last measure, with room beside them, so that none lies on the edge. */
function withRoom({ from, to, window }: Reading): [number, number] {
  const bin = toSeconds(window ? (parseWindow(window) ?? 0n) : 0n);
  const length = toSeconds(to) - toSeconds(from);
  // A single moment stands in the middle of a minute, and nothing is spread over more than can be told apart.
  const room = length < SHORTEST ? 30 : Math.max(length * 0.015, LEAST_ROOM);
  return [toSeconds(from) - room, toSeconds(to) + room + (bin < length ? 0 : bin)];
}

function Icon({ path }: { path: string }) {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      aria-hidden="true"
    >
      <path d={path} stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
