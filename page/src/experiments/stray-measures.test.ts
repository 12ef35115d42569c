import { expect, test } from "vitest";
import { EDGE, endsOf } from "./stray-measures.ts";
import { DAY, HOUR, MINUTE, type Nanos } from "./time.ts";

const NOW = 20_000n * DAY;
const FAR_FUTURE = 49_700n * DAY;

/** What the service gives of these times. */
function ends(times: readonly Nanos[]) {
  const sorted = [...times].sort((one, other) => (one < other ? -1 : 1));
  return endsOf(sorted.slice(0, EDGE), sorted.slice(-EDGE).reverse());
}

const minutes = (count: number) => Array.from({ length: count }, (_, index) => NOW + BigInt(index) * MINUTE);

test.each([4, 10, 19, 20, 21, 39, 40, 500])("one measure in 2106 is a stray beside %d of today", (count) => {
  expect(ends([...minutes(count), FAR_FUTURE])).toEqual({
    first: NOW,
    last: NOW + BigInt(count - 1) * MINUTE,
    strays: [{ count: 1, from: FAR_FUTURE, to: FAR_FUTURE }],
  });
});

test("strays on both sides are returned with their counts", () => {
  expect(ends([0n, 1n, ...minutes(100), FAR_FUTURE])?.strays).toEqual([
    { count: 2, from: 0n, to: 1n },
    { count: 1, from: FAR_FUTURE, to: FAR_FUTURE },
  ]);
});

test("pauses are no reason to leave anything out", () => {
  const campaigns = [0n, 3n, 20n, 60n].flatMap((day) => minutes(200).map((time) => time + day * DAY));
  expect(ends(campaigns)?.strays).toEqual([]);
  expect(ends([NOW, NOW + 100n * DAY])?.strays).toEqual([]);
  expect(ends([...minutes(50), NOW + 5n * HOUR])?.strays).toEqual([]);
});

test("an experiment without measures has no ends", () => {
  expect(endsOf([], [])).toBeNull();
});
