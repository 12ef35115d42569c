/** Why a message can be rejected, in words. */
export const REASONS: readonly { code: string; text: string }[] = [
  { code: "malformed_json", text: "Malformed JSON" },
  { code: "missing_field", text: "Missing field" },
  { code: "invalid_value", text: "Invalid value" },
  { code: "invalid_timestamp", text: "Invalid timestamp" },
  { code: "unknown_experiment", text: "Unknown experiment" },
  { code: "unknown_measure_type", text: "Unknown measure type" },
  { code: "experiment_archived", text: "Experiment archived" },
  { code: "not_permitted", text: "Not permitted to publish" },
  { code: "too_many_sensors", text: "Too many sensors" },
  { code: "too_large", text: "Too large" },
  { code: "empty", text: "Empty" },
];

/** The reason in words; an unknown one as the service's code. */
export function reasonText(code: string): string {
  return REASONS.find((reason) => reason.code === code)?.text ?? code;
}
