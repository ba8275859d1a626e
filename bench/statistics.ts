// What is said of several runs, and of many latencies.

/** The middle value, or the mean of the two middle ones. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least `share` (0 to 1) of all values do not exceed. NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** To so many significant digits, as a number: JSON lines with fifteen digits of noise are hard to read. */
export const rounded = (value: number, digits = 4): number =>
  Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
