import { expect, test } from "vitest";
import { safeCsv } from "./safe-csv.ts";

const HEAD = "experiment,measure_type,timestamp,value\r\n";

test.each([
  ["=HYPERLINK(1)", "'=HYPERLINK(1)"],
  ["+1", "'+1"],
  ["-1", "'-1"],
  ["@x", "'@x"],
  [" =1", "' =1"],
  ["＝1", "'＝1"],
  ["cryostat", "cryostat"],
])("the name %j is written as %j", (name, safe) => {
  expect(safeCsv(`${HEAD}${name},hertz,2022-04-06T07:00:00Z,-1.5\r\n`)).toBe(
    `\ufeff${HEAD}${safe},hertz,2022-04-06T07:00:00Z,-1.5\r\n`,
  );
});

test("quotes, commas and lines within names stay within them", () => {
  const row = '"=cmd,""a""\r\nb",volt,2022-04-06T07:00:00Z,1\r\n';
  expect(safeCsv(HEAD + row)).toBe(`\ufeff${HEAD}"'${row.slice(1)}`);
});

test("bins keep their columns", () => {
  const bins =
    "experiment,measure_type,timestamp,count,min,max,mean,std\r\nx,hertz,2022-04-06T07:00:00Z,2,-1,1,0,1\r\n";
  expect(safeCsv(bins)).toBe(`\ufeff${bins}`);
});

test("a file without measures has its head", () => {
  expect(safeCsv(HEAD)).toBe(`\ufeff${HEAD}`);
});
