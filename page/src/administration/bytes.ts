const UNITS = ["bytes", "kB", "MB", "GB"];

/** So many bytes, as people read it. */
export function bytesText(count: number): string {
  let [amount, unit] = [count, 0];
  while (amount >= 1000 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 100 ? 0 : 1;
  return count === 1 ? "1 byte" : `${amount.toFixed(digits)} ${UNITS[unit]}`;
}
