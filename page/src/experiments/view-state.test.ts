import { describe, expect, test } from "vitest";
import { href, parseAddress } from "../routing/address.ts";
import { HOUR, LATEST, parseTime } from "./time.ts";
import { fixed, LEAST_SPAN, readViewState, scaled, type ViewState, writeViewState } from "./view-state.ts";

function throughAddress(state: ViewState): ViewState {
  return readViewState(parseAddress(href(["experiments", 1], writeViewState(state))).query);
}

const SEVEN = parseTime("2022-04-06T07:00:00Z") ?? 0n;

describe("the view in the address", () => {
  const states: ViewState[] = [
    { range: { kind: "newest", span: "all" }, types: [], follow: false },
    { range: { kind: "newest", span: "24h" }, types: ["hertz", "degree Celsius"], follow: true },
    { range: { kind: "fixed", from: SEVEN + 1n, to: SEVEN + HOUR }, types: ["ohm"], follow: false },
  ];
  test.each(states)("comes back: %#", (state) => {
    expect(throughAddress(state)).toEqual(state);
  });

  test.each([
    "",
    "range=2h",
    "range=constructor",
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
    const range = scaled({ from: SEVEN, to: SEVEN + LEAST_SPAN }, 0.5);
    expect(range.kind === "fixed" && range.to - range.from).toBe(LEAST_SPAN);
    expect(scaled({ from: 0n, to: HOUR }, 4)).toMatchObject({ from: 0n });
    expect(fixed(LATEST, LATEST + HOUR)).toMatchObject({ to: LATEST });
  });
});
