import { describe, expect, test } from "vitest";
import { aboutText, isAbout, isFlagged, newestFirst, overlaps, type ShownFlag, shadesOf } from "./flags.ts";
import { measuresPath } from "./reading.ts";

function flag(from: bigint, to: bigint, about: Partial<ShownFlag> = {}): ShownFlag {
  const none = { flag_id: 1, sensor: null, measure_type: null, reason: "x", user_id: "u", created_at: "" };
  return { ...none, experimentId: 1, from, to, ...about };
}

const hertz = { experimentId: 1, type: "hertz", sensor: null };
const ofSensor = { ...hertz, sensor: "t-1" };

describe("a flag", () => {
  test.each([
    [{}, true, true],
    [{ sensor: "" }, true, false],
    [{ sensor: "t-1" }, false, true],
    [{ measure_type: "hertz" }, true, true],
    [{ measure_type: "volt" }, false, false],
    [{ sensor: "t-1", measure_type: "hertz" }, false, true],
    [{ experimentId: 2 }, false, false],
  ])("about %j is about the right series", (about, plain, sensor) => {
    expect([isAbout(flag(0n, 1n, about), hertz), isAbout(flag(0n, 1n, about), ofSensor)]).toEqual([
      plain,
      sensor,
    ]);
  });

  test("holds from its beginning until before its end", () => {
    const flags = [flag(10n, 20n)];
    expect([9n, 10n, 19n, 20n].map((at) => isFlagged(flags, hertz, at))).toEqual([false, true, true, false]);
  });

  test.each([
    [{ sensor: null, measure_type: null }, "all measures"],
    [{ sensor: null, measure_type: "hertz" }, "hertz"],
    [{ sensor: "", measure_type: null }, "without a sensor"],
    [{ sensor: "t-1", measure_type: "hertz" }, "t-1, hertz"],
  ])("says of %j that it is about %j", (about, text) => {
    expect(aboutText(about)).toBe(text);
  });
});

test("the newest flag comes first", () => {
  const flags = [2, 10, 9].map((flag_id) => flag(0n, 1n, { flag_id }));
  expect(newestFirst(flags).map(({ flag_id }) => flag_id)).toEqual([10, 9, 2]);
});

describe("shades", () => {
  test("are those of the series, by time, joined where they meet", () => {
    const flags = [
      flag(50n, 60n),
      flag(10n, 30n),
      flag(15n, 20n),
      flag(30n, 40n),
      flag(70n, 80n, { sensor: "t-2" }),
    ];
    expect(shadesOf(flags, [ofSensor])).toEqual([
      { from: 10n, to: 40n },
      { from: 50n, to: 60n },
    ]);
  });

  test("overlap only what they share a time with", () => {
    const shade = { from: 10n, to: 20n };
    expect(overlaps(shade, { from: 20n, to: 30n })).toBe(false);
    expect(overlaps(shade, { from: 19n, to: 30n })).toBe(true);
  });
});

test("flagged measures are asked for only where they are wanted", () => {
  const query = { types: [], sensors: [] };
  expect(measuresPath(1, query)).not.toContain("flagged");
  expect(measuresPath(1, { ...query, flagged: true })).toContain("flagged=include");
});
