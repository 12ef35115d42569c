import { useEffect, useMemo } from "preact/hooks";
import type { Experiment, MeasureType } from "../api/shapes.ts";
import { announce } from "../design/announce.ts";
import { Button, Empty } from "../design/components.tsx";
import { amount } from "../design/format-count.ts";
import { useLoad } from "../design/load.ts";
import { chosenOf, MOST_SERIES, nameText } from "./choice.ts";
import type { Show } from "./controls.tsx";
import { overlaps, type ShownFlag, shadesOf } from "./flags.ts";
import { Legend } from "./legend.tsx";
import { MeasuresTable } from "./measures-table.tsx";
import { Overview } from "./overview.tsx";
import { Plot, plotAxes, type Shown, Swatch } from "./plot.tsx";
import type { Moves } from "./plot-gestures.ts";
import { PlotGroup } from "./plot-group.ts";
import { type Reading, readLast } from "./reading.ts";
import type { Strays } from "./stray-measures.ts";
import {
  fromSeconds,
  type Nanos,
  parseWindow,
  readableLength,
  readableTime,
  SECOND,
  toSeconds,
} from "./time.ts";
import { drawn, MIN_SPAN, type Range, scaled, type ViewState } from "./view-state.ts";
import { zone, zoneText } from "./zone.ts";

interface PlotsProps {
  experiments: readonly Experiment[];
  reading: Reading;
  /** All measures, once they are read. */
  whole: Reading | null;
  state: ViewState;
  show: Show;
  /** What the sensors of the experiments are, by `sensorKey`. */
  descriptions: ReadonlyMap<string, string>;
  /** Lets the reader choose series. */
  choose: () => void;
  isLoading: boolean;
  /** Whether new measures are followed and cannot be read. */
  isLost: boolean;
  measureTypes: readonly MeasureType[];
  flags: readonly ShownFlag[];
}

const ALL: Range = { kind: "newest", span: "all" };
const CLOSEST = `This is the closest zoom: timestamps are whole nanoseconds, and a range has at least ${MIN_SPAN}.`;

/** The plots with their legend, the strip of all measures, and the buttons that move them. */
export function Plots(props: PlotsProps) {
  const { experiments, reading, whole, state, show, isLoading, isLost, measureTypes, flags } = props;
  const { range } = state;
  const group = useMemo(() => new PlotGroup(), []);
  const ends = range.kind === "fixed" ? range : { from: reading.from, to: reading.to };
  const last = range.kind === "fixed" ? range.to : reading.last;
  const origin = reading.from;
  const [from, to] =
    range.kind === "newest"
      ? withRoom(reading)
      : [toSeconds(ends.from - origin), toSeconds(ends.to - origin)];
  const isClosest = ends.to - ends.from <= MIN_SPAN;
  const moves = movesOf({ ends, origin, from, to, isClosest, show });
  const shown = useMemo(
    () => shownOf(reading, experiments, measureTypes),
    [reading, measureTypes, experiments.length],
  );
  const lastValues = useLoad((signal) => readLast(reading, flags, signal), [reading, flags]);
  const inZone = zone.value;
  const said = isLoading
    ? ""
    : `${amount(reading.count, "measure")} from ${readableTime(ends.from, inZone)} to ${readableTime(last, inZone)} ${zoneText(Number(last / 1_000_000n), inZone)}`;
  useEffect(() => {
    if (said) {
      announce(said);
    }
  }, [said]);
  const onY = (types: readonly string[], mode: ViewState["y"][string]) =>
    show({ y: { ...state.y, ...Object.fromEntries(types.map((type) => [type, mode])) } });
  const cards = useMemo(() => cardsOf(shown, state.layout), [shown, state.layout]);
  const colours = new Map(shown.map(({ series, colour }) => [series.key, colour]));
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
          <Button
            small
            aria-label="Zoom in"
            title={isClosest ? CLOSEST : "Zoom in"}
            busy={isClosest}
            onClick={() => moves.zoom(0.5)}
          >
            <Icon path="M5 12h14M12 5v14" />
          </Button>
          <Button small aria-label="Later" title="Later" onClick={() => moves.pan(0.5)}>
            <Icon path="m9 5 7 7-7 7" />
          </Button>
        </fieldset>
      </div>
      {isClosest && <p class="soft">{CLOSEST}</p>}
      {reading.strays.map((strays) => (
        <StrayNotice key={String(strays.from)} strays={strays} show={show} />
      ))}
      {whole && whole.count > 1 && (
        <Overview
          whole={whole}
          colours={colours}
          from={ends.from}
          to={ends.to}
          onMove={(begin, end) =>
            show({
              range: drawn(whole.from + fromSeconds(begin), whole.from + fromSeconds(end)),
              follow: false,
            })
          }
          onPan={moves.pan}
        />
      )}
      {reading.series.length === 0 && !isLoading && (
        <Empty title="No measures in this range">
          <p>There may be some before or after it.</p>
          <div class="row">
            <Button onClick={moves.everything}>Show everything</Button>
            {!state.flagged && flags.some((flag) => overlaps(flag, ends)) && (
              <Button onClick={() => show({ flagged: true })}>Show flagged measures</Button>
            )}
          </div>
        </Empty>
      )}
      <TooMany reading={reading} state={state} choose={props.choose} />
      {reading.known.length > 0 && (
        <Legend
          axes={plotAxes(shown, {})}
          shown={shown}
          names={reading.names}
          choice={state.choice}
          descriptions={props.descriptions}
          last={lastValues.value}
          onShow={(choice) => show({ choice })}
        />
      )}
      {cards.map(({ name, detail, members }, index) => (
        <section key={name} class="card plot-card" aria-labelledby={idOf(name)}>
          <Plot
            name={name}
            heading={
              <div>
                <h2 id={idOf(name)}>
                  {name} <span class="soft">{detail}</span>
                </h2>
                {members.length > 1 && (
                  <div class="row plot-keys">
                    {members.map(({ series, label, symbol, colour }) => (
                      <span key={series.key} class="plot-series">
                        <Swatch colour={colour} /> {label} <span class="soft">{symbol}</span>
                      </span>
                    ))}
                  </div>
                )}
              </div>
            }
            shown={members}
            y={state.y}
            onY={onY}
            origin={origin}
            from={from}
            to={to}
            shades={shadesOf(
              flags,
              members.map(({ series }) => series),
            )}
            moves={moves}
            group={group}
            hint={index === 0}
          />
          <MeasuresTable shown={members} />
        </section>
      ))}
    </div>
  );
}

interface MovesInit {
  ends: { from: Nanos; to: Nanos };
  origin: Nanos;
  from: number;
  to: number;
  isClosest: boolean;
  show: Show;
}

function movesOf({ ends, origin, from, to, isClosest, show }: MovesInit): Moves {
  const go = (range: Range) => show({ range, follow: false }, { isMove: true });
  const between = (one: number, other: number) =>
    drawn(origin + fromSeconds(one), origin + fromSeconds(other));
  return {
    select: (one, other) => show({ range: between(one, other), follow: false }),
    settle: (one, other) => go(between(one, other)),
    zoom: (factor, around) => {
      if (factor < 1 && isClosest) {
        announce(CLOSEST);
      } else if (around === undefined) {
        go(scaled(ends, factor));
      } else {
        go(between(around - (around - from) * factor, around + (to - around) * factor));
      }
    },
    pan: (part) => go(scaled(ends, 1, part)),
    everything: () => show({ range: ALL }),
  };
}

/** Of more series, those that are drawn count for the colours, not those that are known. */
const MAX_FIXED_COLOURS = 24;

/** The series with their labels and colours. */
function shownOf(
  { series, known }: Reading,
  experiments: readonly Experiment[],
  measureTypes: readonly MeasureType[],
): Shown[] {
  const types = new Set(known.map(({ type }) => type)).size;
  return series.map((each, index) => {
    const experiment = experiments.find(({ experiment_id }) => experiment_id === each.experimentId);
    const of = experiments.length > 1 ? ` of ${experiment?.name}` : "";
    // A series keeps its colour while others are hidden.
    const place = known.length > MAX_FIXED_COLOURS ? -1 : known.findIndex(({ key }) => key === each.key);
    return {
      series: each,
      label: nameText(each, types > 1) + of,
      labelInType: nameText(each, false) + of,
      colour: place < 0 ? index : place,
      symbol: measureTypes.find(({ name }) => name === each.type)?.symbol ?? "",
      detail: detailOf(measureTypes.find(({ name }) => name === each.type)),
    };
  });
}

function detailOf(type: MeasureType | undefined): string {
  return type ? `${type.quantity}, ${type.symbol}` : "";
}

interface Card {
  name: string;
  detail: string;
  members: Shown[];
}

/** A plot for each type, with that type of all experiments; or one plot for all. */
function cardsOf(shown: readonly Shown[], layout: ViewState["layout"]): Card[] {
  if (layout === "together" && shown.length > 1) {
    return [{ name: "All series", detail: "", members: [...shown] }];
  }
  const types = [...new Set(shown.map(({ series }) => series.type))];
  return types.map((name) => {
    const members = shown
      .filter(({ series }) => series.type === name)
      .map((each) => ({ ...each, label: each.labelInType }));
    return { name, detail: members[0]?.detail ?? "", members };
  });
}

/** Says that there are more series than can be distinguished. */
function TooMany({
  reading: { known, parts },
  state: { choice },
  choose,
}: Pick<PlotsProps, "reading" | "state" | "choose">) {
  const ids = new Set(parts.map(({ experimentId }) => experimentId));
  const most = Math.max(
    0,
    ...[...ids].map(
      (id) =>
        chosenOf(
          known.filter(({ experimentId }) => experimentId === id),
          choice,
        ).length,
    ),
  );
  if (most <= MOST_SERIES) {
    return null;
  }
  return (
    <p class="beyond">
      <span class="badge badge-warning">
        The first {MOST_SERIES} of {amount(most, "series", "series")} are shown
      </span>{" "}
      <Button small onClick={choose}>
        Choose series …
      </Button>
    </p>
  );
}

/** A name may hold spaces, an id may not. */
function idOf(name: string): string {
  return `plot-${name.replaceAll(/\s+/g, "-")}`;
}

/** Says that measures far from all others are left out, and shows them. */
function StrayNotice({ strays: { count, from, to }, show }: { strays: Strays; show: Show }) {
  const inZone = zone.value;
  const when =
    from === to ? readableTime(from, inZone) : `${readableTime(from, inZone)} to ${readableTime(to, inZone)}`;
  const room = 30n * SECOND;
  return (
    <p class="beyond">
      <span class="badge badge-warning">
        {amount(count, "measure")} far from all others {count === 1 ? "is" : "are"} not shown: {when}{" "}
        {zoneText(Number(from / 1_000_000n), inZone)}
      </span>{" "}
      <Button small onClick={() => show({ range: drawn(from - room, to + room), follow: false })}>
        Show {count === 1 ? "it" : "them"}
      </Button>
    </p>
  );
}

interface StatusProps {
  reading: Reading;
  from: Nanos;
  to: Nanos;
  isLoading: boolean;
  isLost: boolean;
}

/** Describes the plot, above all whether each point is a measure. */
function Status({ reading, from, to, isLoading, isLost }: StatusProps) {
  const windows = [...new Set(reading.series.flatMap(({ window }) => window ?? []))];
  const widths = windows.map((window) => readableLength(parseWindow(window) ?? 0n));
  const inZone = zone.value;
  return (
    <div class="status">
      <div>
        {from !== to && (
          <>
            {readableTime(from, inZone)} <span class="soft">to</span>{" "}
          </>
        )}
        {readableTime(to, inZone)} <span class="soft">{zoneText(Number(to / 1_000_000n), inZone)}</span>
      </div>
      <div class="row">
        <span class="soft">
          {amount(reading.count, "measure")}
          {widths.length === 0 && reading.count > 1 && ", each of them shown"}
        </span>
        {widths.length > 0 && (
          <span class="badge badge-warning">
            Reduced to bins of {widths.join(" and ")}: mean as a line, min to max as a band
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
            New measures cannot be read at the moment; the page keeps trying
          </span>
        )}
      </div>
    </div>
  );
}

/** Seconds of room beside a single measure, and at least beside others. */
const [ROOM_OF_ONE, LEAST_ROOM] = [30, 2e-9];

/** From the first to the last measure, with room beside them, so that none is at the edge. */
function withRoom({ from, to, series }: Reading): [number, number] {
  const bins = series.map(({ window }) => toSeconds((window && parseWindow(window)) || 0n));
  const bin = Math.max(0, ...bins);
  const length = toSeconds(to - from);
  const room = to - from <= 1n ? ROOM_OF_ONE : Math.max(length * 0.015, LEAST_ROOM);
  return [-room, length + room + (bin < length ? 0 : bin)];
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
