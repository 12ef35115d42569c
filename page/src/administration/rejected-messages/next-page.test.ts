import { expect, test } from "vitest";
import { nextCursor, nextPage } from "./next-page.ts";

const LINK = '</rejected-messages/?reason=empty&limit=50&cursor=a%2Bb%3D>; rel="next"';

test("a link to a next page is found, and the cursor in it", () => {
  expect(nextPage(LINK)).toBe("/rejected-messages/?reason=empty&limit=50&cursor=a%2Bb%3D");
  expect(nextCursor(LINK)).toBe("a+b=");
});

test.each([null, "", '</x?cursor=1>; rel="prev"'])("%j leads to no next page", (link) => {
  expect(nextPage(link)).toBeNull();
  expect(nextCursor(link)).toBeNull();
});
