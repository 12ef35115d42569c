import { describe, expect, test } from "vitest";
import { href, parseAddress } from "./address.ts";

describe("the address", () => {
  test("comes back as it was written", () => {
    const query = { from: "2022-04-06T07:00:00Z", type: ["hertz", "degree Celsius"], to: undefined };
    const written = href(["experiments", 1], query);
    expect(written).toBe("#/experiments/1?from=2022-04-06T07:00:00Z&type=hertz&type=degree+Celsius");
    const { path, query: read } = parseAddress(written);
    expect(path).toEqual(["experiments", "1"]);
    expect(read.getAll("type")).toEqual(["hertz", "degree Celsius"]);
    expect(read.get("to")).toBeNull();
  });

  test("takes parts of any text", () => {
    const part = "a/b?c#d %&ä";
    expect(parseAddress(href(["users", part])).path).toEqual(["users", part]);
  });

  test("survives what is no address", () => {
    expect(parseAddress("").path).toEqual([]);
    expect(parseAddress("#").path).toEqual([]);
    expect(parseAddress("#/a/%zz?x").path).toEqual(["a", "%zz"]);
  });
});
