import { computed, signal } from "@preact/signals";
import { arrive, followPlaces, leave, showRows } from "./scroll-positions.ts";

/**
 * The current view, from the `#` of the address: a view can be shared, the back button works, and
 * no server receives it.
 */
export interface Address {
  /** `/experiments/1` is `["experiments", "1"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export function parseAddress(hash: string): Address {
  const [path = "", query = ""] = split(hash.replace(/^#/, ""), "?");
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: new URLSearchParams(query),
  };
}

/** The address as an `href`. Empty parameters are omitted, except in a list. */
export function href(path: readonly (string | number)[], query: QueryInit = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : value ? [value] : []) {
      parameters.append(name, each);
    }
  }
  const behind = parameters.size > 0 ? `?${readable(parameters)}` : "";
  return `#/${path.map((part) => encodeURIComponent(String(part))).join("/")}${behind}`;
}

export type QueryInit = Record<string, string | readonly string[] | undefined>;

/** Goes to a view; with `replace`, the back button does not lead to the one before. */
export function navigate(to: string, { replace = false } = {}): void {
  if (to === location.hash) {
    return;
  }
  if (replace) {
    history.replaceState(history.state, "", to);
    // Another search finds another list.
    showRows(null);
  } else {
    leave();
    history.pushState(null, "", to);
    arrive();
  }
  current.value = location.hash;
}

const current = signal(typeof location === "undefined" ? "" : location.hash);

/** The view that is shown now. */
export const address = computed(() => parseAddress(current.value));

/** Follows links and the back button from now on. */
export function followAddress(): void {
  followPlaces();
  const follow = () => {
    // Both events report one step, and the previous view is still shown.
    if (current.value !== location.hash) {
      leave();
    }
    arrive();
    current.value = location.hash;
  };
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
}

function split(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** People read addresses: a time keeps its colons. */
function readable(parameters: URLSearchParams): string {
  return parameters.toString().replaceAll("%3A", ":");
}
