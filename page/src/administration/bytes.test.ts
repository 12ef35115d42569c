import { expect, test } from "vitest";
import { bytesText } from "./bytes.ts";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1_000, "1.0 kB"],
  [48_250, "48.3 kB"],
  [4_194_304, "4.2 MB"],
  [250_000_000, "250 MB"],
  [5e12, "5000 GB"],
])("%d bytes are %s", (count, text) => {
  expect(bytesText(count)).toBe(text);
});
