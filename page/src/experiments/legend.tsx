import type { ComponentChildren } from "preact";
import { Button } from "../design/components.tsx";
import { amount, formatCount } from "../design/format-count.ts";
import {
  ALL_SERIES,
  type Choice,
  choiceOf,
  chosenOf,
  isAll,
  keyOf,
  MOST_SERIES,
  nameText,
  type SeriesName,
  sensorKey,
} from "./choice.ts";
import { type PlotAxis, type Shown, Swatch } from "./plot.tsx";
import { wording } from "./value-axis.ts";

interface LegendProps {
  axes: readonly PlotAxis[];
  shown: readonly Shown[];
  /** All series, shown or not. */
  names: readonly SeriesName[];
  choice: Choice;
  /** What the sensors are, by `sensorKey`. */
  descriptions: ReadonlyMap<string, string>;
  /** The last value of each series by its key; absent while it is read. */
  last: ReadonlyMap<string, number> | undefined;
  onShow: (choice: Choice) => void;
}

/** What each series holds in the range that is shown; hides series, and shows one alone. */
export function Legend({ axes, shown, names, choice, descriptions, last, onShow }: LegendProps) {
  const withType = new Set(names.map(({ type }) => type)).size > 1;
  const chosen = chosenOf(names, choice);
  const chosenKeys = new Set(chosen.map(keyOf));
  const hidden = names.filter((name) => !chosenKeys.has(keyOf(name)));
  // Of too many series, those beyond the limit have no row.
  const shownKeys = new Set(shown.map(({ series }) => keyOf(series)));
  const silent = chosen.slice(0, MOST_SERIES).filter((name) => !shownKeys.has(keyOf(name)));
  const toggle = (name: SeriesName) => {
    const key = keyOf(name);
    const next = new Set(chosenKeys);
    if (!next.delete(key)) {
      next.add(key);
    }
    // An empty choice means all series.
    onShow(choiceOf(next, names));
  };
  const hasChoice = names.length > 1;
  return (
    // Roles are explicit: as cards on a narrow screen, a table is none to browsers.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keys
    <section class="table-scroll series-legend" tabIndex={0} aria-label="Legend">
      {/* biome-ignore-start lint/a11y/noRedundantRoles: see above */}
      <table class="table" role="table">
        <caption class="visually-hidden">Statistics of each series in the range shown</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col" role="columnheader">
              Series
            </th>
            {["Last", "Min", "Max", "Mean", "Std", "Count"].map((head) => (
              <th key={head} scope="col" role="columnheader" class="cell-number" title={TITLES[head]}>
                {head}
              </th>
            ))}
            {hasChoice && (
              <th scope="col" role="columnheader" class="cell-actions">
                {isAll(choice) ? (
                  <span class="visually-hidden">Alone</span>
                ) : (
                  <Button small look="quiet" onClick={() => onShow(ALL_SERIES)}>
                    All series
                  </Button>
                )}
              </th>
            )}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((each) => {
            const { series, label, colour } = each;
            const axis = axes.find(({ members }) => members.includes(each))?.axis;
            const { near, deviation, exact } = wording(axis ?? axes[0]?.axis ?? NO_AXIS);
            const value = last?.get(series.key);
            const detail = descriptions.get(sensorKey(series.experimentId, series.sensor ?? ""));
            return (
              <tr role="row" key={series.key}>
                <th scope="row" role="rowheader">
                  <span class="legend-name">
                    <Swatch colour={colour} />
                    {hasChoice ? (
                      <Button
                        small
                        look="quiet"
                        aria-pressed={true}
                        title={`Hide ${nameText(series, true)}`}
                        onClick={() => toggle(series)}
                      >
                        {label}
                      </Button>
                    ) : (
                      <bdi>{label}</bdi>
                    )}
                  </span>
                  {detail && (
                    <span class="soft legend-detail" title={detail}>
                      {detail}
                    </span>
                  )}
                </th>
                <td
                  role="cell"
                  data-head="Last"
                  class="cell-number"
                  title={value === undefined ? undefined : exact(value)}
                >
                  {value === undefined ? "…" : near(value)}
                </td>
                <td role="cell" data-head="Min" class="cell-number" title={exact(series.min)}>
                  {near(series.min)}
                </td>
                <td role="cell" data-head="Max" class="cell-number" title={exact(series.max)}>
                  {near(series.max)}
                </td>
                <td role="cell" data-head="Mean" class="cell-number">
                  {near(series.mean)}
                </td>
                <td role="cell" data-head="Std" class="cell-number">
                  {deviation(series.std)}
                </td>
                <td role="cell" data-head="Count" class="cell-number">
                  {formatCount(series.count)}
                </td>
                {hasChoice && (
                  <td role="cell" class="cell-actions">
                    {chosen.length > 1 && (
                      <Button
                        small
                        look="quiet"
                        aria-label={`Show ${nameText(series, withType)} alone`}
                        onClick={() => onShow(choiceOf(new Set([keyOf(series)]), names))}
                      >
                        Alone
                      </Button>
                    )}
                  </td>
                )}
              </tr>
            );
          })}
          {silent.map((name) => (
            <Absent key={keyOf(name)} text="No measures in this range">
              <Button small look="quiet" aria-pressed={true} title="Hide" onClick={() => toggle(name)}>
                {nameText(name, withType)}
              </Button>
            </Absent>
          ))}
          {hidden.slice(0, MOST_SERIES).map((name) => (
            <Absent key={keyOf(name)} text="Hidden" isHidden>
              <Button
                small
                look="quiet"
                aria-pressed={false}
                title={`Show ${nameText(name, true)}`}
                onClick={() => toggle(name)}
              >
                {nameText(name, withType)}
              </Button>
            </Absent>
          ))}
          {hidden.length > MOST_SERIES && (
            <Absent text="Hidden" isHidden>
              {amount(hidden.length - MOST_SERIES, "other series", "other series")}
            </Absent>
          )}
        </tbody>
      </table>
      {/* biome-ignore-end lint/a11y/noRedundantRoles: see above */}
    </section>
  );
}

interface AbsentProps {
  text: string;
  isHidden?: boolean;
  children: ComponentChildren;
}

/** A row of a series without statistics. */
function Absent({ text, isHidden = false, children }: AbsentProps) {
  return (
    // biome-ignore-start lint/a11y/noRedundantRoles: see `Legend`
    <tr role="row" class={isHidden ? "legend-hidden" : undefined}>
      <th scope="row" role="rowheader">
        <span class="legend-name">
          <span class="swatch" aria-hidden="true" />
          {children}
        </span>
      </th>
      <td role="cell" colSpan={7} class="soft">
        {text}
      </td>
    </tr>
    // biome-ignore-end lint/a11y/noRedundantRoles: see `Legend`
  );
}

const TITLES: Record<string, string> = {
  Last: "The latest measure in the range",
  Std: "Standard deviation of all measures in the range (population)",
  Count: "Number of measures in the range",
};

const NO_AXIS = { isLog: false, offset: 0, power: 0, unit: "", symbol: "", valuePower: 0, min: 0, max: 1 };
