import { expect, test } from "vitest";
import type { User } from "../api/shapes.ts";
import { isMeant } from "./search.ts";

const ZOE: User = {
  user_id: "S-017",
  name: "Zoë van Kraal-Ito",
  username: "Vq3hJz0sT9cYw2",
  email: "z.kraal@home.cern",
  role: "SCIENTIST",
};

test.each([
  "",
  "  ",
  "zoe",
  "ZOË",
  "kra",
  "ito zo",
  "s-017",
  "017",
  "z.kraal@home",
  "cern",
  "Vq3h",
  "van, zoe",
])("%j finds her", (typed) => {
  expect(isMeant(ZOE, typed)).toBe(true);
});

test.each(["aal", "zoe peter", "s-018", "home.org"])("%j does not find her", (typed) => {
  expect(isMeant(ZOE, typed)).toBe(false);
});
