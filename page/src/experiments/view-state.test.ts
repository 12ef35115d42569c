import { describe, expect, test } from "vitest";
import { href, parseAddress } from "../routing/address.ts";
import { ALL_SERIES } from "./choice.ts";
import { HOUR, LATEST, parseTime } from "./time.ts";
import { fixed, MIN_SPAN, readViewState, scaled, type ViewState, writeViewState } from "./view-state.ts";

function throughAddress(state: ViewState): ViewState {
  return readViewState(parseAddress(href(["experiments", 1], writeViewState(state))).query);
}

const SEVEN = parseTime("2022-04-06T07:00:00Z") ?? 0n;

describe("the view in the address", () => {
  const plain = {
    choice: ALL_SERIES,
    follow: false,
    layout: "stacked",
    y: {},
    beside: [],
    flagged: false,
  } as const;
  const states: ViewState[] = [
    { ...plain, range: { kind: "newest", span: "all" } },
    {
      ...plain,
      range: { kind: "newest", span: "24h" },
      choice: { types: ["hertz", "degree Celsius"], sensors: ["", "t-1"], hidden: [] },
      follow: true,
    },
    {
      ...plain,
      range: { kind: "fixed", from: SEVEN + 1n, to: SEVEN + HOUR },
      choice: { types: ["ohm"], sensors: [], hidden: ["ohm\tt-2", "ohm\t"] },
    },
    { ...plain, range: { kind: "moving", from: { ago: HOUR }, to: { ago: 0n } }, layout: "together" },
    {
      ...plain,
      range: { kind: "moving", from: { at: SEVEN }, to: { ago: 0n } },
      beside: [2, 7],
      flagged: true,
    },
    {
      ...plain,
      range: { kind: "newest", span: "all" },
      y: { "a:b": { kind: "robust" }, volt: { kind: "fixed", min: -1, max: 1e-6 } },
    },
  ];
  test.each(states)("comes back: %#", (state) => {
    expect(throughAddress(state)).toEqual(state);
  });

  test.each([
    "",
    "range=2h",
    "y=hertz&y=:log&y=hertz:1..0&beside=x&layout=other",
    "range=constructor&flagged=only",
    "from=x&to=y",
    "from=2022-04-06T07:00:00Z",
    "from=2022-04-06T08:00:00Z&to=2022-04-06T07:00:00Z",
  ])("shows everything for %j", (query) => {
    expect(readViewState(new URLSearchParams(query)).range).toEqual({ kind: "newest", span: "all" });
  });

  test("does not follow what has an end", () => {
    const query = new URLSearchParams("from=2022-04-06T07:00:00Z&to=2022-04-06T08:00:00Z&follow=1");
    expect(readViewState(query).follow).toBe(false);
  });
});

describe("ranges", () => {
  const hour = { from: SEVEN, to: SEVEN + HOUR };

  test("are halved and doubled around their middle", () => {
    expect(scaled(hour, 0.5)).toEqual({
      kind: "fixed",
      from: SEVEN + HOUR / 4n,
      to: SEVEN + (HOUR * 3n) / 4n,
    });
    expect(scaled(hour, 2)).toEqual({ kind: "fixed", from: SEVEN - HOUR / 2n, to: SEVEN + (HOUR * 3n) / 2n });
  });

  test("are moved by a part of their length", () => {
    expect(scaled(hour, 1, 0.5)).toEqual({
      kind: "fixed",
      from: SEVEN + HOUR / 2n,
      to: SEVEN + (HOUR * 3n) / 2n,
    });
  });

  test("are never too short to be seen, nor beyond what can be asked for", () => {
    const range = scaled({ from: SEVEN, to: SEVEN + MIN_SPAN }, 0.5);
    expect(range.kind === "fixed" && range.to - range.from).toBe(MIN_SPAN);
    expect(MIN_SPAN).toBe(10n);
    expect(scaled({ from: 0n, to: HOUR }, 4)).toMatchObject({ from: 0n });
    expect(fixed(LATEST, LATEST + HOUR)).toMatchObject({ to: LATEST });
  });
});
