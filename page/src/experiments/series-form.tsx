import { useMemo, useState } from "preact/hooks";
import { Button, Dialog } from "../design/components.tsx";
import { Finder } from "../design/finder.tsx";
import { amount, formatCount } from "../design/format-count.ts";
import { PagedList } from "../design/paged-list.tsx";
import {
  type Choice,
  choiceOf,
  chosenOf,
  keyOf,
  MOST_SERIES,
  nameText,
  type SeriesName,
  sensorKey,
} from "./choice.ts";
import type { KnownSeries } from "./reading.ts";
import { hasInIt } from "./search.ts";

interface SeriesFormProps {
  names: readonly SeriesName[];
  known: readonly KnownSeries[];
  choice: Choice;
  descriptions: ReadonlyMap<string, string>;
  onChoose: (choice: Choice) => void;
  onClose: () => void;
}

/** Chooses the series that are shown, by sensor and type. */
export function SeriesForm({ names, known, choice, descriptions, onChoose, onClose }: SeriesFormProps) {
  const [chosen, setChosen] = useState(() => new Set(chosenOf(names, choice).map(keyOf)));
  const [search, setSearch] = useState("");
  const rows = useMemo(() => rowsOf(names, known, descriptions), [names, known, descriptions]);
  const found = rows.filter(({ name, detail }) => hasInIt(`${nameText(name, true)} ${detail}`, search));
  const toggle = (key: string) => {
    const next = new Set(chosen);
    if (!next.delete(key)) {
      next.add(key);
    }
    setChosen(next);
  };
  return (
    <Dialog title="Series" onClose={onClose} wide>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (chosen.size > 0) {
            onChoose(choiceOf(chosen, names));
          }
        }}
      >
        <Finder
          placeholder="A part of sensor, type or description"
          text={search}
          onType={setSearch}
          found={found.length}
          of={names.length}
          one="series"
          many="series"
        />
        <div class="row">
          <Button small onClick={() => setChosen(new Set(found.map(({ key }) => key)))}>
            {search === "" ? "Choose all" : `Choose only the ${formatCount(found.length)} found`}
          </Button>
          <Button small onClick={() => setChosen(new Set())}>
            Choose none
          </Button>
        </div>
        <fieldset class="choices choices-many">
          <legend class="visually-hidden">Series</legend>
          <PagedList key={search} rows={found}>
            {(shown) => (
              <ul class="choices">
                {shown.map(({ name, key, detail }) => (
                  <li key={key}>
                    <label>
                      <input type="checkbox" checked={chosen.has(key)} onChange={() => toggle(key)} />
                      <span class="choice-text">
                        <bdi>{name.sensor ?? "without a sensor"}</bdi> <span class="soft">{name.type}</span>
                        {detail && <span class="soft series-detail">{detail}</span>}
                      </span>
                    </label>
                  </li>
                ))}
              </ul>
            )}
          </PagedList>
        </fieldset>
        <p class="soft" role="status">
          {amount(chosen.size, "series", "series")} chosen
          {chosen.size > MOST_SERIES && `; the first ${MOST_SERIES} of an experiment are drawn`}.
        </p>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={chosen.size === 0}>
            Show
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface Row {
  name: SeriesName;
  key: string;
  /** What the sensor is; of several experiments all that is said. */
  detail: string;
}

function rowsOf(
  names: readonly SeriesName[],
  known: readonly KnownSeries[],
  descriptions: ReadonlyMap<string, string>,
): Row[] {
  const details = new Map<string, Set<string>>();
  for (const each of known) {
    const detail = descriptions.get(sensorKey(each.experimentId, each.sensor ?? ""));
    if (detail) {
      details.set(keyOf(each), (details.get(keyOf(each)) ?? new Set()).add(detail));
    }
  }
  return names.map((name) => {
    const key = keyOf(name);
    return { name, key, detail: [...(details.get(key) ?? [])].join("; ") };
  });
}
