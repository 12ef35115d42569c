import { expect, test } from "vitest";
import { claims, isAboutToExpire, secondsLeft } from "./token.ts";

/** What a browser does not verify: any text will do for header and signature. */
function token(payload: object): string {
  return `x.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.y`;
}

test("claims are read from base64url and UTF-8", () => {
  expect(claims(token({ sub: "ÿü>>?", exp: 5, iat: 1 }))).toEqual({ sub: "ÿü>>?", exp: 5, iat: 1 });
});

test("the time that is left is counted in whole seconds, and never below zero", () => {
  const an_hour = token({ exp: 3600 });
  expect(secondsLeft(an_hour, 1_500)).toBe(3598);
  expect(secondsLeft(an_hour, 4_000_000)).toBe(0);
});

test("a token is renewed before it expires", () => {
  const an_hour = token({ exp: 3600 });
  expect(isAboutToExpire(an_hour, 0)).toBe(false);
  expect(isAboutToExpire(an_hour, 3_500_000)).toBe(true);
});
