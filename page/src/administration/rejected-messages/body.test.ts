import { expect, test } from "vitest";
import type { RejectedMessage } from "../../api/shapes.ts";
import { bytesOf, namesIn } from "./body.ts";

function message(body: string, body_encoding: "utf-8" | "base64" = "utf-8"): RejectedMessage {
  return {
    id: 1,
    reason: "unknown_experiment",
    detail: "",
    received_at: "2026-11-21T12:00:00Z",
    message_id: null,
    properties: {},
    size: 0,
    body,
    body_encoding,
  };
}

test("the bytes are those that were published", () => {
  expect([...bytesOf(message("é\u0000"))]).toEqual([0xc3, 0xa9, 0]);
  expect([...bytesOf(message("Y2Fmww==", "base64"))]).toEqual([0x63, 0x61, 0x66, 0xc3]);
});

test("the experiments of a message are found, each once", () => {
  expect(namesIn(message('{"experiment":" one "}'), "experiment")).toEqual(["one"]);
  const three = message('[{"experiment":"one"},{"experiment":"two","measure":"m/s"},{"experiment":"one"}]');
  expect(namesIn(three, "experiment")).toEqual(["one", "two"]);
  expect(namesIn(three, "measure")).toEqual(["m/s"]);
});

test.each(["", "{", "7", "null", "[null, 7]", '{"experiment":7}'])("%j names no experiment", (body) => {
  expect(namesIn(message(body), "experiment")).toEqual([]);
});
