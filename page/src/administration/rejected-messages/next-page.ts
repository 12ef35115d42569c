/** The target of the `Link` header's `rel="next"` (RFC 8288), of this service's plain form; `null` if there is none. */
export function nextPage(link: string | null): string | null {
  const match = link?.match(/^<([^>]*)>; rel="next"$/);
  return match?.[1] ?? null;
}

/** The cursor in it. */
export function nextCursor(link: string | null): string | null {
  const next = nextPage(link);
  return next === null ? null : new URLSearchParams(next.slice(next.indexOf("?"))).get("cursor");
}
