import { expect, test } from "vitest";
import { fromField, toField, utcTime } from "./utc-time.ts";

test("a moment is read in UTC, to the second", () => {
  expect(utcTime("2026-11-21T12:15:30.123456789Z")).toBe("2026-11-21 12:15:30 UTC");
  expect(utcTime("yesterday")).toBe("yesterday");
});

test("a field holds UTC, wherever the browser is", () => {
  expect(fromField("2026-11-21T12:15")).toBe("2026-11-21T12:15:00.000Z");
  expect(toField("2026-11-21T12:15:00.000Z")).toBe("2026-11-21T12:15");
  expect([fromField(""), toField(""), toField("yesterday")]).toEqual(["", "", ""]);
});
