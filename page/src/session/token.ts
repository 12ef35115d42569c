/** The claims of a token that the page reads. The service verifies them. */
export interface Claims {
  sub: string;
  /** Unix seconds. */
  exp: number;
  iat: number;
}

/** Tokens are renewed when they are good for less than this. */
const MARGIN_SECONDS = 120;

export function claims(token: string): Claims {
  const payload = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
    c.charCodeAt(0),
  );
  return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
}

/** For how many seconds the token is still good. */
export function secondsLeft(token: string, now = Date.now()): number {
  return Math.max(0, Math.floor(claims(token).exp - now / 1000));
}

export function isAboutToExpire(token: string, now = Date.now()): boolean {
  return secondsLeft(token, now) < MARGIN_SECONDS;
}
