import { expect, test } from "vitest";
import { visible } from "./visible.ts";

test("text of any language stays as it is, with its lines and tabs", () => {
  const text = '{\n\t"experiment": "黒穴 ünï 😀"\n}';
  expect(visible(text)).toBe(text);
});

test("what would not be seen is shown", () => {
  expect(visible("a\u0000b\r\nc\u007f")).toBe("a⟨U+0000⟩b⟨U+000D⟩\nc⟨U+007F⟩");
  expect(visible("\u202edcba\u200b\u2028\ufeff")).toBe("⟨U+202E⟩dcba⟨U+200B⟩⟨U+2028⟩⟨U+FEFF⟩");
  expect(visible("\u{e0041}")).toBe("⟨U+E0041⟩");
});
