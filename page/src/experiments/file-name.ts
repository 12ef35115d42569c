import type { Reading } from "./reading.ts";
import { formatTime, type Nanos } from "./time.ts";

/** File systems take 255 bytes; a letter may need four of them in a name that is encoded. */
const LONGEST_PART = 60;
/** More types or sensors are counted, not named. */
const NAMED = 3;

/**
 * The name of a file by its content:
 * `oven_hertz_t-1+t-2_20220406T070000Z-20220406T080000Z_bins-5s.csv`.
 */
export function fileName(
  experiment: string,
  { series, from, last }: Pick<Reading, "series" | "from" | "last">,
  window: string | null,
  extension: string,
): string {
  const parts = [
    part(experiment),
    some(
      series.map(({ type }) => type),
      "types",
    ),
    some(
      series.flatMap(({ sensor }) => sensor ?? []),
      "sensors",
    ),
    `${compact(from)}-${compact(last)}`,
    ...(window ? [`bins-${window}`] : []),
  ];
  return `${parts.filter(Boolean).join("_")}.${extension}`;
}

function some(names: readonly string[], kind: string): string {
  const different = [...new Set(names)];
  return different.length > NAMED ? `${different.length}-${kind}` : different.map(part).join("+");
}

/** Letters and digits of any script; all else becomes a hyphen. */
function part(name: string): string {
  return name
    .replaceAll(/[^\p{L}\p{N}.]+/gu, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, LONGEST_PART);
}

/** ISO 8601 without colons, which Windows does not allow. */
function compact(time: Nanos): string {
  return formatTime(time).replaceAll(/[-:]/g, "");
}
