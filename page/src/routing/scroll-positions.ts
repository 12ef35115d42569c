/**
 * The scroll position of each view in the history. Browsers restore it only if the content is there
 * at once; here it comes from the service, and long lists are shown in parts.
 */
interface Place {
  /** How far the view was scrolled, in pixels. */
  top: number;
  /** The link that had the focus, usually the followed one; it gets the focus again on return. */
  link: string | null;
  /** How many rows of its list were shown, if more than at first. */
  rows: number | null;
}

const TOP: Place = { top: 0, link: null, rows: null };
/** The storage key of the places, which survive a reload and a visit to `/docs`. */
const STORAGE_KEY = "mymonit-places";
/** The number of history entries that are kept. */
const MAX_ENTRIES = 50;

const places = new Map<string, Place>();
/** Names the entry of the tab's history that is shown. */
let here = "";
let count = 0;
/** The position to restore, once the view is long enough. */
let wanted: Place | null = null;
let observer: MutationObserver | null = null;

/** Remembers places from now on. */
export function followPlaces(): void {
  history.scrollRestoration = "manual";
  for (const [key, place] of kept()) {
    places.set(key, place);
  }
  arrive();
  // A user who has begun something else is not moved.
  for (const deed of ["keydown", "pointerdown", "touchmove", "wheel"]) {
    addEventListener(deed, () => want(null), { capture: true, passive: true });
  }
  addEventListener("pagehide", () => {
    leave();
    keep();
  });
}

/** To be called while what is shown is still what is left. */
export function leave(): void {
  const { activeElement } = document;
  const place = {
    top: scrollY,
    link: activeElement?.closest("main a")?.getAttribute("href") ?? null,
    rows: rowsShown(),
  };
  // The last one that was left comes last.
  places.delete(here);
  places.set(here, place);
}

/** To be called when the history has another entry, or perhaps has. */
export function arrive(): void {
  const known: unknown = (history.state as { place?: unknown } | null)?.place;
  if (typeof known === "string") {
    if (known !== here) {
      here = known;
      want(places.get(here) ?? null);
    }
    return;
  }
  count += 1;
  here = `${performance.timeOrigin}-${count}`;
  history.replaceState({ place: here }, "");
  want(null);
}

/** Shows the beginning of a view that was opened; after a return, restores the place. */
export function showBeginning(): void {
  if (!wanted) {
    scrollTo({ top: 0, behavior: "instant" });
  }
}

/** The rows shown when the view was left; `null` if not left, or at the initial number. */
export function rowsShown(): number | null {
  return places.get(here)?.rows ?? null;
}

/** Says how many rows of the view's list are shown; `null`: as many as at first. */
export function showRows(rows: number | null): void {
  places.set(here, { ...(places.get(here) ?? TOP), rows });
}

function want(place: Place | null): void {
  wanted = place;
  observer?.disconnect();
  if (place) {
    observer ??= new MutationObserver(comeBack);
    observer.observe(document.body, { childList: true, subtree: true });
    // The view may be complete already.
    requestAnimationFrame(comeBack);
  }
}

function comeBack(): void {
  if (!wanted) {
    return;
  }
  const { top, link } = wanted;
  scrollTo({ top, behavior: "instant" });
  const target = [...document.querySelectorAll("main a")].find((each) => each.getAttribute("href") === link);
  if (Math.abs(scrollY - top) > 1 || (link !== null && !target)) {
    // The rest is still to come.
    return;
  }
  if (target instanceof HTMLElement) {
    target.focus({ preventScroll: true });
  }
  want(null);
}

function kept(): [string, Place][] {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]") as [string, Place][];
  } catch {
    // The browser may keep nothing for pages.
    return [];
  }
}

function keep(): void {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify([...places].slice(-MAX_ENTRIES)));
  } catch {
    // See above.
  }
}
