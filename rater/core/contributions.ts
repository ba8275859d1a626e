// How much each window adds to a period's cumulative quantity, by aggregation. The contributions of a period always add
// up to what the meter says for the whole period, so that a price of the cumulative quantity means the same for every
// meter.
import { type Aggregation, aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import type { Contribution } from './rate.ts';

/**
 * A window's own merged value, or that of some that follow each other; for `unique`, how many values no earlier window
 * of the period has seen.
 */
export interface WindowValue {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly quantity: Quantity;
}

/** Of closed windows of one period, in any order, each given once. */
export function contributionsOf(
  aggregation: Aggregation,
  windowMs: number,
  windows: readonly WindowValue[],
): Contribution[] {
  const { mergeWindows } = aggregationRules(aggregation);
  let running: Quantity | null = null;
  return windows
    .toSorted((a, b) => a.windowStart - b.windowStart)
    .map(({ windowStart, quantity }) => {
      const before = running;
      running = mergeWindows(before, quantity);
      return { windowStart, windowEnd: windowStart + windowMs, quantity: running - (before ?? 0n) };
    });
}

/**
 * Windows of usage or of line items, in time order: those before `detailFrom` as one that starts with the period and is
 * otherwise like the last of them, the others as they are.
 */
export function earlierAsOne<Window extends { readonly windowStart: number; readonly quantity: Quantity }>(
  windows: readonly Window[],
  { periodStart, detailFrom }: { readonly periodStart: number; readonly detailFrom: number },
): Window[] {
  const earlier = windows.filter(({ windowStart }) => windowStart < detailFrom);
  const last = earlier.at(-1);
  if (last === undefined) return [...windows];
  const quantity = earlier.reduce((sum, window) => sum + window.quantity, 0n);
  const later = windows.filter(({ windowStart }) => windowStart >= detailFrom);
  return [{ ...last, windowStart: periodStart, quantity }, ...later];
}
