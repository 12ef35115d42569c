import { expect, test } from "vitest";
import { utcHour, utcTime } from "./utc-time.ts";

test("moments are shown as people read them", () => {
  expect(utcTime("2026-11-30T09:59:53Z")).toBe("2026-11-30 09:59:53 UTC");
  expect(utcHour("2026-11-30T09:00:00Z")).toBe("2026-11-30 09:00 UTC, within the hour");
});
