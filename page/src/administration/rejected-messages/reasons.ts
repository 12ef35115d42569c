/** Why a message can be rejected (specification §4), in words. */
export const REASONS: readonly { code: string; text: string }[] = [
  { code: "malformed_json", text: "Malformed JSON" },
  { code: "missing_field", text: "Missing field" },
  { code: "invalid_value", text: "Invalid value" },
  { code: "invalid_timestamp", text: "Invalid timestamp" },
  { code: "unknown_experiment", text: "Unknown experiment" },
  { code: "unknown_measure_type", text: "Unknown measure type" },
  { code: "too_large", text: "Too large" },
  { code: "empty", text: "Empty" },
];

/** The reason in words; one that this page does not know yet, as the service calls it. */
export function reasonText(code: string): string {
  return REASONS.find((reason) => reason.code === code)?.text ?? code;
}
