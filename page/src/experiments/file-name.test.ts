import { expect, test } from "vitest";
import { fileName } from "./file-name.ts";
import { type Reading, seriesOf } from "./reading.ts";
import { parseTime } from "./time.ts";

function reading(...types: string[]): Pick<Reading, "series" | "from" | "last"> {
  const [from, to] = [parseTime("2022-04-06T07:00:00Z") ?? 0n, parseTime("2022-04-06T07:10:00Z") ?? 0n];
  const timestamp = "2022-04-06T07:00:00Z";
  const points = types.map((name) => {
    const [measure_type = "", sensor] = name.split("@");
    return { experiment: "x", measure_type, timestamp, value: 1, ...(sensor && { sensor }) };
  });
  return { from, last: to, series: seriesOf(1, from, null, points) };
}

test("a file is named by experiment, types, sensors, range and bins", () => {
  expect(fileName("device-vibrations", reading("hertz"), null, "csv")).toBe(
    "device-vibrations_hertz_20220406T070000Z-20220406T071000Z.csv",
  );
  expect(fileName("Kühlung / 2", reading("degree Celsius", "volt"), "60s", "csv")).toBe(
    "Kühlung-2_degree-Celsius+volt_20220406T070000Z-20220406T071000Z_bins-60s.csv",
  );
  expect(fileName("oven", reading("volt", "hertz@t 2", "volt@t-1"), null, "arrows")).toBe(
    "oven_hertz+volt_t-2+t-1_20220406T070000Z-20220406T071000Z.arrows",
  );
  expect(fileName("oven", reading("volt@a", "volt@b", "volt@c", "volt@d"), null, "csv")).toMatch(
    /^oven_volt_4-sensors_/,
  );
  expect(fileName("../../etc", reading("a", "b", "c", "d"), null, "png")).toMatch(/^etc_4-types_/);
  expect(fileName("x".repeat(255), reading("y".repeat(255)), null, "csv").length).toBeLessThan(200);
});
