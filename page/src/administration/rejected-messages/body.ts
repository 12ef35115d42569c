import type { RejectedMessage } from "../../api/shapes.ts";

/** The bytes of a message that was asked for with its body, as they were published. */
export function bytesOf({ body = "", body_encoding }: RejectedMessage): Uint8Array<ArrayBuffer> {
  if (body_encoding !== "base64") {
    return new TextEncoder().encode(body);
  }
  const binary = atob(body);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** The experiments or measure types that a message names; none if it cannot be parsed. */
export function namesIn(
  { body = "", body_encoding }: RejectedMessage,
  field: "experiment" | "measure",
): string[] {
  if (body_encoding !== "utf-8") {
    return [];
  }
  let measures: unknown;
  try {
    measures = JSON.parse(body);
  } catch {
    return [];
  }
  const names = (Array.isArray(measures) ? measures : [measures]).map(
    (measure: Partial<Record<typeof field, unknown>> | null) => measure?.[field],
  );
  return [...new Set(names.filter((name) => typeof name === "string"))].map((name) => name.trim());
}
