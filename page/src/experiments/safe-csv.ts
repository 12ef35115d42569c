/** A spreadsheet takes a cell that begins like this for a formula, in any width of the sign. */
const FORMULA = /^\s*[=+\-@\t\r＝＋－＠]/;
/** Of these columns of measures and bins the cells are names; all others hold times and numbers. */
const NAMES = ["experiment", "measure_type", "sensor"];
/** Tells Excel that the file is UTF-8. */
const BYTE_ORDER_MARK = "\ufeff";

/**
 * The CSV of the API for spreadsheets: a name that looks like a formula gets an apostrophe as a
 * prefix. The rest is unchanged.
 */
export function safeCsv(csv: string): string {
  const [head, ...rows] = records(csv);
  const columns = (head ?? []).map((name) => NAMES.includes(name));
  const safe = rows.map((cells) =>
    cells.map((cell, index) => quoted(columns[index] && FORMULA.test(cell) ? `'${cell}` : cell)).join(","),
  );
  return `${BYTE_ORDER_MARK}${[(head ?? []).join(","), ...safe].map((line) => `${line}\r\n`).join("")}`;
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** The records of a CSV file as RFC 4180 defines it. */
function records(csv: string): string[][] {
  const found: string[][] = [];
  let record: string[] = [];
  for (const [, inQuotes, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (record.length === 0 && end === "" && !inQuotes && !plain) {
      break;
    }
    record.push(inQuotes === undefined ? (plain ?? "") : inQuotes.replaceAll('""', '"'));
    if (end !== ",") {
      found.push(record);
      record = [];
    }
  }
  return found;
}
