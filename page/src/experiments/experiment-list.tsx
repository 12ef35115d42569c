import { useEffect, useRef, useState } from "preact/hooks";
import { listExperiments, listSeries } from "../api/resources.ts";
import type { Experiment, ListedSeries } from "../api/shapes.ts";
import { Button, Empty, LoadState } from "../design/components.tsx";
import { Finder } from "../design/finder.tsx";
import { amount } from "../design/format-count.ts";
import { useLoad } from "../design/load.ts";
import { PagedList } from "../design/paged-list.tsx";
import { View } from "../frame/view.tsx";
import { address, href, navigate } from "../routing/address.ts";
import { age, isStale } from "./age.ts";
import { hasInIt } from "./search.ts";
import { parseTime, readableTime } from "./time.ts";
import "./experiment-list.css";

/** Up to this many need no search field. */
const MAX_UNSEARCHED = 12;

/** The experiments that one is associated with. */
export function ExperimentList() {
  const loaded = useLoad(listExperiments, []);
  return (
    <View title="Experiments" lead="Those that you are associated with.">
      <LoadState loaded={loaded} what="your experiments" />
      {loaded.value?.length === 0 && (
        <Empty title="No experiments yet">
          <p>
            An administrator of MyMONIT associates you with the experiments whose measures you may see. Ask
            them, and then load this page again.
          </p>
        </Empty>
      )}
      {loaded.value && loaded.value.length > 0 && <Found experiments={loaded.value} />}
    </View>
  );
}

function Found({ experiments }: { experiments: readonly Experiment[] }) {
  const search = address.value.query.get("search") ?? "";
  const found = experiments
    .filter(({ name, description }) => hasInIt(`${name} ${description}`, search))
    // Archived experiments come last; otherwise the order stays.
    .sort((one, other) => Number(one.archived) - Number(other.archived));
  return (
    <section class="stack" aria-label="Your experiments">
      {(experiments.length > MAX_UNSEARCHED || search !== "") && (
        <Finder
          placeholder="A part of name or description"
          text={search}
          onType={showFound}
          found={found.length}
          of={experiments.length}
          one="experiment"
        />
      )}
      {found.length > 0 ? (
        <PagedList key={search} rows={found}>
          {(shown) => (
            <ul class="experiments">
              {shown.map((experiment) => (
                <Card key={experiment.experiment_id} experiment={experiment} />
              ))}
            </ul>
          )}
        </PagedList>
      ) : (
        <Empty title="No experiment is found">
          <p>None of your experiments has this in its name or description.</p>
          <Button onClick={() => showFound("")}>Show all of them</Button>
        </Empty>
      )}
    </section>
  );
}

function Card({ experiment: { experiment_id, name, description, archived } }: { experiment: Experiment }) {
  const place = useRef<HTMLLIElement>(null);
  const series = useSeriesInSight(place, experiment_id);
  return (
    <li ref={place}>
      <a class="experiment" href={href(["experiments", experiment_id])}>
        <span class="experiment-name" title={name}>
          {name}
        </span>
        {description && (
          <span class="experiment-description" title={description}>
            {description}
          </span>
        )}
        <span class="row experiment-state">
          <span class="soft number">Experiment {experiment_id}</span>
          {archived && <span class="badge">archived</span>}
          {series && <State series={series} archived={archived} />}
        </span>
      </a>
    </li>
  );
}

/** How many series there are, and when the last measure was. */
function State({ series, archived }: { series: readonly ListedSeries[]; archived: boolean }) {
  const now = BigInt(Date.now()) * 1_000_000n;
  const ends = series.map(({ last }) => parseTime(last) ?? 0n).filter((last) => last <= now);
  if (series.length === 0) {
    return <span class="soft">no measures yet</span>;
  }
  // A clock that is wrong says nothing of the age.
  const last = ends.reduce<bigint | null>((one, other) => (one !== null && one > other ? one : other), null);
  return (
    <>
      <span class="soft number">{amount(series.length, "series", "series")}</span>
      {last !== null && (
        <span
          class={!archived && isStale(last, now) ? "badge badge-warning" : "soft number"}
          title={`${readableTime(last, "utc")} UTC`}
        >
          last measure {age(last, now)}
        </span>
      )}
    </>
  );
}

/**
 * The series of an experiment, loaded when its entry becomes visible: each list is a request, and
 * audited as a reading.
 */
function useSeriesInSight(place: { current: HTMLElement | null }, id: number): ListedSeries[] | null {
  const [series, setSeries] = useState<ListedSeries[] | null>(null);
  useEffect(() => {
    const aborter = new AbortController();
    const observer = new IntersectionObserver((seen) => {
      if (seen.some(({ isIntersecting }) => isIntersecting)) {
        observer.disconnect();
        // Without it, the experiment can be opened all the same.
        listSeries(id, aborter.signal).then(setSeries, () => {});
      }
    });
    if (place.current) {
      observer.observe(place.current);
    }
    return () => {
      observer.disconnect();
      aborter.abort();
    };
  }, [id]);
  return series;
}

function showFound(search: string): void {
  navigate(href(["experiments"], { search }), { replace: true });
}
