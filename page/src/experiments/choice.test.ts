import { describe, expect, test } from "vitest";
import { href, parseAddress } from "../routing/address.ts";
import {
  ALL_SERIES,
  bySeries,
  type Choice,
  choiceOf,
  chosenOf,
  filtersOf,
  isAll,
  keyOf,
  readChoice,
  type SeriesName,
  writeChoice,
} from "./choice.ts";

const known: SeriesName[] = ["hertz", "volt"].flatMap((type) =>
  [null, "t-1", "t-2"].map((sensor) => ({ type, sensor })),
);
const names = (of: readonly SeriesName[]) => of.map(({ type, sensor }) => `${type} ${sensor}`);

describe("a choice of series", () => {
  test.each<[string[], Choice]>([
    [names(known), ALL_SERIES],
    [["volt t-1"], { types: ["volt"], sensors: ["t-1"], hidden: [] }],
    [["hertz null", "volt null"], { types: [], sensors: [""], hidden: [] }],
    [["hertz null", "hertz t-1", "hertz t-2"], { types: ["hertz"], sensors: [], hidden: [] }],
    [
      ["hertz null", "hertz t-1", "hertz t-2", "volt null", "volt t-2"],
      { types: [], sensors: [], hidden: ["volt\tt-1"] },
    ],
    [["hertz t-1", "volt t-2"], { types: [], sensors: ["t-1", "t-2"], hidden: ["hertz\tt-2", "volt\tt-1"] }],
  ])("is as short as it can be and chooses %j", (wanted, choice) => {
    const chosen = known.filter(({ type, sensor }) => wanted.includes(`${type} ${sensor}`));
    expect(choiceOf(new Set(chosen.map(keyOf)), known)).toEqual(choice);
    expect(names(chosenOf(known, choice))).toEqual(wanted);
    const { query } = parseAddress(href(["experiments", 1], writeChoice(choice)));
    expect(readChoice(query)).toEqual(choice);
    expect(isAll(choice)).toBe(choice === ALL_SERIES);
  });

  test("is read by as few requests as it takes", () => {
    const chosen = known.filter(({ type, sensor }) => type === "hertz" || sensor === "t-1");
    expect(filtersOf(chosen)).toEqual([
      { types: ["hertz"], sensors: ["", "t-2"] },
      { types: ["hertz", "volt"], sensors: ["t-1"] },
    ]);
    expect(filtersOf(known)).toEqual([{ types: ["hertz", "volt"], sensors: ["", "t-1", "t-2"] }]);
    expect(filtersOf([])).toEqual([]);
  });

  test("has a natural order", () => {
    const sensors = ["t-10", null, "t-2", "T-2", "a"].map((sensor) => ({ type: "hertz", sensor }));
    expect(sensors.sort(bySeries).map(({ sensor }) => sensor)).toEqual([null, "a", "t-2", "T-2", "t-10"]);
  });
});
