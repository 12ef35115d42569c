import { useEffect, useState } from "preact/hooks";
import { isAborted, Problem } from "../api/problem.ts";
import { edge, filtersOfEach, type Reading } from "./reading.ts";
import type { ViewState } from "./view-state.ts";

/** Milliseconds between two polls for new measures. */
const POLL = 2_000;
/** A moving range is read again after this part of its length, within these milliseconds. */
const [REFRESHES, SOONEST, LATEST] = [500, 2_000, 60_000];

/** Keeps the view up to date; returns whether the last attempt failed. */
export function useFollow(
  experimentIds: readonly number[],
  { follow, range, choice, flagged }: ViewState,
  reading: Reading | null,
  reload: () => void,
): boolean {
  const [isLost, setLost] = useState(false);
  const isMoving = range.kind === "moving";
  const length = reading && isMoving ? Number(reading.to - reading.from) / 1e6 : 0;
  useEffect(() => {
    if (!isMoving) {
      return;
    }
    const every = Math.min(Math.max(length / REFRESHES, SOONEST), LATEST);
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), every);
    return () => clearInterval(timer);
  }, [isMoving, length, reload]);

  const newest = reading?.newest ?? null;
  useEffect(() => {
    if (!follow) {
      setLost(false);
      return;
    }
    const aborter = new AbortController();
    let isLooking = false;
    let isRefused = false;
    const look = async () => {
      if (isLooking || document.visibilityState !== "visible") {
        return;
      }
      isLooking = true;
      try {
        // Without a reading no sensor is known to be there.
        const wanted = reading ? choice : { ...choice, sensors: [] };
        const filters = await filtersOfEach(experimentIds, wanted, reading?.known ?? []);
        const ends = filters.map(([id, filter]) => edge(id, { ...filter, flagged }, "desc", aborter.signal));
        const found = (await Promise.all(ends)).flat();
        setLost(false);
        isRefused = false;
        const isKnown = (at: bigint) =>
          (newest !== null && at <= newest) ||
          reading?.strays.some(({ from, to }) => at >= from && at <= to) === true;
        if (found.some((at) => !isKnown(at))) {
          reload();
        }
      } catch (failure) {
        const wasRefused = isRefused;
        isRefused = failure instanceof Problem && failure.isRefusal;
        if (isRefused) {
          // Access may have been withdrawn: the reload is refused too, and removes what is shown.
          if (!wasRefused) {
            reload();
          }
        } else if (!isAborted(failure)) {
          setLost(true);
        }
      } finally {
        isLooking = false;
      }
    };
    const timer = setInterval(() => void look(), POLL);
    return () => {
      clearInterval(timer);
      aborter.abort();
    };
  }, [experimentIds.join(), follow, JSON.stringify(choice), flagged, newest, reading, reload]);
  return isLost;
}
