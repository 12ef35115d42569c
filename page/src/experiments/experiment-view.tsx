import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { getExperiment, listExperiments, listMeasureTypes, listSensors } from "../api/resources.ts";
import type { Experiment } from "../api/shapes.ts";
import { announce } from "../design/announce.ts";
import { Button, Loading, ProblemNotice } from "../design/components.tsx";
import { useLoad } from "../design/load.ts";
import { View } from "../frame/view.tsx";
import { address, href, navigate } from "../routing/address.ts";
import { sensorKey } from "./choice.ts";
import { Controls, type Show } from "./controls.tsx";
import { FlagForm } from "./flag-form.tsx";
import { Flags } from "./flag-list.tsx";
import { readFlags, type ShownFlag } from "./flags.ts";
import { useFollow } from "./follow.ts";
import { Plots } from "./plots.tsx";
import { pictureOf } from "./png-export.ts";
import { type KnownSeries, NO_MEASURES, type Reading, read } from "./reading.ts";
import { SeriesForm } from "./series-form.tsx";
import { readableTime } from "./time.ts";
import { NoMeasures, Refused } from "./unavailable.tsx";
import { readViewState, type ViewState, writeViewState } from "./view-state.ts";
import { zone, zoneText } from "./zone.ts";
import "./experiment-view.css";

/** Moves within this many milliseconds are one step of the back button. */
const HISTORY_MERGE_MS = 1_000;
/** The strip of all measures needs no more points. */
const OVERVIEW_POINTS = 400;

/** An experiment: plots of its measures over a range of time. */
export function ExperimentView({ experimentId }: { experimentId: number }) {
  const experiment = useLoad((signal) => getExperiment(experimentId, signal), [experimentId]);
  const own = useLoad(listExperiments, []);
  const measureTypes = useLoad(listMeasureTypes, []);
  const state = readViewState(address.value.query);
  const experiments = experimentsOf(experiment.value ?? unnamed(experimentId), own.value ?? [], state);
  const ids = experiments.map(({ experiment_id }) => experiment_id);
  const { range, choice, flagged } = state;
  const lastKnown = useRef<{ ids: string; known: readonly KnownSeries[] } | null>(null);
  const known = lastKnown.current?.ids === ids.join() ? lastKnown.current.known : undefined;
  const asked = JSON.stringify([
    ids,
    writeViewState({ ...state, follow: false, layout: "stacked", y: {}, beside: [] }),
  ]);
  const loaded = useLoad(
    async (signal) => {
      const question = { experimentIds: ids, range, choice, known, flagged, maxPoints: plotWidth() };
      const [reading, flags] = await Promise.all([read(question, signal), readFlags(ids, signal)]);
      return { reading, flags };
    },
    [asked],
  );
  const show = useShow(experimentId, state);
  const isEmpty = loaded.value?.reading === NO_MEASURES;
  const reading = loaded.value && loaded.value.reading !== NO_MEASURES ? loaded.value.reading : null;
  const flags = loaded.value?.flags ?? NO_FLAGS;
  if (reading && loaded.state === "loaded") {
    lastKnown.current = { ids: ids.join(), known: reading.known };
  }
  const descriptions = useDescriptions(ids, reading);
  const [isChoosing, setChoosing] = useState(false);
  const [isFlagging, setFlagging] = useState(false);
  const whole = useWhole(ids, state, flags, loaded.state === "loaded" ? reading : null);
  const isRefused = loaded.state === "failed" && loaded.problem.isRefusal;
  const isLost = useFollow(ids, isRefused ? { ...state, follow: false } : state, reading, loaded.reload);
  const wasShown = useRef(false);
  wasShown.current ||= loaded.value !== undefined;
  const content = useRef<HTMLDivElement>(null);
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
    return (
      <Refused experimentId={experimentId} problem={problem} wasShown={wasShown.current} retry={retry} />
    );
  }
  // Without the types, the plots only lack their units.
  const failure = problem ?? (measureTypes.state === "failed" ? measureTypes.problem : null);
  const names = experiments.map(({ name }) => name).join(", ");
  const picture = () =>
    pictureOf(content.current as HTMLElement, { title: names, lines: captionOf(reading) });
  const others = (own.value ?? []).filter(({ experiment_id }) => !ids.includes(experiment_id));
  return (
    <View title={title} lead={<Lead experiments={experiments} state={state} show={show} />}>
      {isEmpty ? (
        <NoMeasures state={state} show={show} hasFlags={flags.length > 0} />
      ) : (
        <div class="stack" ref={content}>
          <Controls
            experiments={experiments}
            state={state}
            reading={reading}
            show={show}
            others={others}
            picture={picture}
            choose={() => setChoosing(true)}
            mark={() => setFlagging(true)}
            hasFlags={flags.length > 0}
          />
          {failure && <ProblemNotice problem={failure} retry={retry} />}
          {reading ? (
            <Plots
              experiments={experiments}
              reading={reading}
              whole={whole}
              state={state}
              show={show}
              descriptions={descriptions}
              choose={() => setChoosing(true)}
              isLoading={loaded.state === "loading"}
              isLost={isLost}
              measureTypes={measureTypes.value ?? []}
              flags={flags}
            />
          ) : (
            <Loading what="the measures" />
          )}
          {isChoosing && reading && (
            <SeriesForm
              names={reading.names}
              known={reading.known}
              choice={choice}
              descriptions={descriptions}
              onClose={() => setChoosing(false)}
              onChoose={(chosen) => {
                setChoosing(false);
                show({ choice: chosen });
              }}
            />
          )}
          {isFlagging && reading && (
            <FlagForm
              experiments={experiments}
              reading={reading}
              state={state}
              onClose={() => setFlagging(false)}
              onSet={() => {
                setFlagging(false);
                announce("The range is flagged.");
                loaded.reload();
              }}
            />
          )}
        </div>
      )}
      <Flags experiments={experiments} flags={flags} onWithdrawn={loaded.reload} />
    </View>
  );
}

const unnamed = (experimentId: number): Experiment => ({
  experiment_id: experimentId,
  name: `Experiment ${experimentId}`,
  description: "",
  archived: false,
});

/** This experiment, and those beside it that the user may read. */
function experimentsOf(main: Experiment, own: readonly Experiment[], { beside }: ViewState): Experiment[] {
  const others = beside.filter((id) => id !== main.experiment_id);
  return [main, ...others.flatMap((id) => own.find(({ experiment_id }) => experiment_id === id) ?? [])];
}

interface LeadProps {
  experiments: readonly Experiment[];
  state: ViewState;
  show: Show;
}

function Lead({ experiments: [main, ...beside], state, show }: LeadProps) {
  return (
    <div class="row">
      <span class="number">Experiment {main?.experiment_id}</span>
      {main?.archived && <span class="badge">archived</span>}
      {main?.description && <span class="experiment-about">{main.description}</span>}
      {beside.map(({ experiment_id, name }) => (
        <Button
          key={experiment_id}
          small
          aria-label={`Remove ${name} from the comparison`}
          onClick={() => show({ beside: state.beside.filter((id) => id !== experiment_id) })}
        >
          with <bdi>{name}</bdi> ✕
        </Button>
      ))}
    </div>
  );
}

/** How many points a plot has room for: one for each pixel of its width. */
function plotWidth(): number {
  return Math.max(200, Math.min(innerWidth, 1_280) - 120);
}

/** Shows another part of the experiment, by its address. */
function useShow(experimentId: number, state: ViewState): Show {
  const moved = useRef(0);
  return (changed, { isMove = false } = {}) => {
    const now = Date.now();
    const replace = isMove && now - moved.current < HISTORY_MERGE_MS;
    moved.current = isMove ? now : 0;
    navigate(href(["experiments", experimentId], writeViewState({ ...state, ...changed })), { replace });
  };
}

/** What the sensors are; read once there are some, and without it everything works. */
function useDescriptions(ids: readonly number[], reading: Reading | null): ReadonlyMap<string, string> {
  const hasSensors = reading?.known.some(({ sensor }) => sensor !== null) ?? false;
  const loaded = useLoad(
    async (signal) => {
      const of = async (id: number) =>
        (await listSensors(id, signal)).map(
          ({ name, description }) => [sensorKey(id, name), description] as const,
        );
      return new Map(hasSensors ? (await Promise.all(ids.map(of))).flat() : []);
    },
    [ids.join(), hasSensors],
  );
  return loaded.value ?? NO_DESCRIPTIONS;
}

const NO_FLAGS: readonly ShownFlag[] = [];
const NO_DESCRIPTIONS: ReadonlyMap<string, string> = new Map();

/** All measures, for the strip: those already shown, or read once if a view starts with a part. */
function useWhole(
  experimentIds: readonly number[],
  state: ViewState,
  flags: readonly ShownFlag[],
  reading: Reading | null,
): Reading | null {
  const [whole, setWhole] = useState<{ of: string; reading: Reading } | null>(null);
  const { range, choice, flagged } = state;
  const leftOut = flagged ? [] : flags.map(({ flag_id }) => flag_id);
  const of = JSON.stringify([experimentIds, choice, flagged, leftOut]);
  const isAll = range.kind === "newest" && range.span === "all";
  const isRead = reading !== null;
  useEffect(() => {
    if (reading && isAll) {
      setWhole({ of, reading });
    }
  }, [reading, isAll, of]);
  useEffect(() => {
    if (isAll || !isRead || whole?.of === of) {
      return;
    }
    const aborter = new AbortController();
    const all = {
      experimentIds,
      range: { kind: "newest", span: "all" },
      choice,
      known: reading?.known,
      flagged,
      maxPoints: OVERVIEW_POINTS,
    } as const;
    read(all, aborter.signal).then(
      (found) => found !== NO_MEASURES && setWhole({ of, reading: found }),
      // The strip is an extra: without it everything works.
      () => {},
    );
    return () => aborter.abort();
  }, [isAll, isRead, of, whole?.of]);
  return useMemo(() => (whole?.of === of ? whole.reading : null), [whole, of]);
}

/** What a picture says of its range. */
function captionOf(reading: Reading | null): string[] {
  if (!reading) {
    return [];
  }
  const inZone = zone.value;
  const windows = new Set(reading.series.flatMap(({ window }) => window ?? []));
  const reduced =
    windows.size > 0 ? [`Bins of ${[...windows].join(", ")}: mean as a line, min to max as a band`] : [];
  const ends = `${readableTime(reading.from, inZone)} to ${readableTime(reading.last, inZone)}`;
  return [`${ends} ${zoneText(Number(reading.from / 1_000_000n), inZone)}`, ...reduced];
}
