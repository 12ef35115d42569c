import type { QueryInit } from "../routing/address.ts";

/** What a series is called within its experiment. */
export interface SeriesName {
  type: string;
  /** `null`: measures without a sensor. */
  sensor: string | null;
}

/** Which series are shown: those of these types and sensors that are not hidden. */
export interface Choice {
  /** None: all of them. */
  types: readonly string[];
  /** None: all of them; an empty text is for measures without a sensor. */
  sensors: readonly string[];
  /** Keys of single series. */
  hidden: readonly string[];
}

/** Series that one request reads: each of these types with each of these sensors. */
export type Filter = Pick<Choice, "types" | "sensors">;

export const ALL_SERIES: Choice = { types: [], sensors: [], hidden: [] };

/** More series of an experiment at once cannot be distinguished. */
export const MOST_SERIES = 20;

/** A tab is in no name. */
const SEPARATOR = "\t";
const natural = new Intl.Collator("en", { numeric: true });

export function keyOf({ type, sensor }: SeriesName): string {
  return `${type}${SEPARATOR}${sensor ?? ""}`;
}

/** Names a sensor of an experiment among those of several. */
export function sensorKey(experimentId: number, sensor: string): string {
  return `${experimentId}${SEPARATOR}${sensor}`;
}

function named(key: string): SeriesName {
  const [type = "", sensor = ""] = key.split(SEPARATOR);
  return { type, sensor: sensor || null };
}

/** By type, those without a sensor first; `t-2` comes before `t-10`. */
export function bySeries(one: SeriesName, other: SeriesName): number {
  if (one.type !== other.type) {
    return one.type < other.type ? -1 : 1;
  }
  const [a, b] = [one.sensor ?? "", other.sensor ?? ""];
  return natural.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** The sensor; and the type, where it does not follow from the place. */
export function nameText({ type, sensor }: SeriesName, withType: boolean): string {
  return sensor === null ? type : withType ? `${sensor}, ${type}` : sensor;
}

export function readChoice(query: URLSearchParams): Choice {
  const all = (name: string) => [...new Set(query.getAll(name))];
  return {
    types: all("type").filter(Boolean),
    sensors: all("sensor"),
    hidden: all("hide").map((key) => keyOf(named(key))),
  };
}

/** The parameters from which `readChoice` reads the same choice. */
export function writeChoice({ types, sensors, hidden }: Choice): QueryInit {
  return { type: types, sensor: sensors, hide: hidden };
}

export function isAll({ types, sensors, hidden }: Choice): boolean {
  return types.length + sensors.length + hidden.length === 0;
}

/** Those of the known series that are chosen, in their order. */
export function chosenOf<Name extends SeriesName>(
  known: readonly Name[],
  { types, sensors, hidden }: Choice,
): Name[] {
  return known.filter(
    (name) =>
      (types.length === 0 || types.includes(name.type)) &&
      (sensors.length === 0 || sensors.includes(name.sensor ?? "")) &&
      !hidden.includes(keyOf(name)),
  );
}

/** The names of these series, each once, whatever the experiment; sorted. */
export function distinct(series: readonly SeriesName[]): SeriesName[] {
  return [
    ...new Map(series.map(({ type, sensor }) => [keyOf({ type, sensor }), { type, sensor }])).values(),
  ].sort(bySeries);
}

/** The shortest choice of exactly those of the known series that have these keys. */
export function choiceOf(keys: ReadonlySet<string>, known: readonly SeriesName[]): Choice {
  const chosen = known.filter((name) => keys.has(keyOf(name)));
  const part = (of: (name: SeriesName) => string) => {
    const some = [...new Set(chosen.map(of))];
    return some.length === new Set(known.map(of)).size ? [] : some;
  };
  const filter = { types: part(({ type }) => type), sensors: part(({ sensor }) => sensor ?? "") };
  const hidden = chosenOf(known, { ...filter, hidden: [] })
    .map(keyOf)
    .filter((key) => !keys.has(key));
  return { ...filter, hidden };
}

/** The requests that read these series and no others. */
export function filtersOf(chosen: readonly SeriesName[]): Filter[] {
  const bySensor = new Map<string, string[]>();
  for (const { type, sensor } of chosen) {
    bySensor.set(sensor ?? "", [...(bySensor.get(sensor ?? "") ?? []), type]);
  }
  const byTypes = new Map<string, Filter>();
  for (const [sensor, types] of bySensor) {
    const key = types.join(SEPARATOR);
    byTypes.set(key, { types, sensors: [...(byTypes.get(key)?.sensors ?? []), sensor] });
  }
  return [...byTypes.values()];
}
