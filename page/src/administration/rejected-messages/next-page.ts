/**
 * The target of `rel="next"` in a `Link` header (RFC 8288), in the plain form of this service;
 * `null` if absent.
 */
export function nextPage(link: string | null): string | null {
  const match = link?.match(/^<([^>]*)>; rel="next"$/);
  return match?.[1] ?? null;
}

/** The cursor in it. */
export function nextCursor(link: string | null): string | null {
  const next = nextPage(link);
  return next === null ? null : new URLSearchParams(next.slice(next.indexOf("?"))).get("cursor");
}
