// How much each window adds to a period's cumulative quantity, by aggregation, and so each line item, which is of one
// window or several. The contributions of a period always add up to what the meter says for the whole period, so that a
// price of the cumulative quantity means the same for every meter. Where several subjects are billed as one, that is
// what their values come to by the meter's `across`.
import { valueAcross } from '../../domain/aggregation/across.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { PeriodTerms } from '../../domain/billing/billing-period-terms.ts';
import { itemSpan } from '../../domain/billing/item-span.ts';
import { acrossOf, type Meter } from '../../domain/metering/meter.ts';
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

/**
 * One a line item, in time order: of closed windows of one period, in any order, each given once, by itself or among
 * some of its item.
 */
export function contributionsOf(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth'>,
  period: Pick<PeriodTerms, 'periodStart' | 'periodEnd'>,
  windows: readonly WindowValue[],
): Contribution[] {
  const { mergeWindows } = aggregationRules(meter.aggregation);
  const items: Contribution[] = [];
  let running: Quantity | null = null;
  for (const { windowStart, quantity } of windows.toSorted((a, b) => a.windowStart - b.windowStart)) {
    const before = running ?? 0n;
    running = mergeWindows(running, quantity);
    const span = itemSpan(meter, windowStart, period);
    const last = items.at(-1);
    const isOfLast = last?.windowStart === span.windowStart;
    const item = { ...span, quantity: running - before + (isOfLast ? last.quantity : 0n) };
    if (isOfLast) items[items.length - 1] = item;
    else items.push(item);
  }
  return items;
}

/**
 * As `contributionsOf`, of several subjects together: after each item the contributions so far add up to what the
 * values of the subjects that have one by then come to.
 */
export function contributionsAcross(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth' | 'across'>,
  period: Pick<PeriodTerms, 'periodStart' | 'periodEnd'>,
  subjects: readonly (readonly WindowValue[])[],
): Contribution[] {
  if (subjects.length === 1) return contributionsOf(meter, period, subjects[0]!);
  const across = acrossOf(meter);
  const ofEach = subjects.map((windows) => contributionsOf(meter, period, windows));
  const items = new Map<number, { readonly item: Contribution; readonly added: [subject: number, Quantity][] }>();
  for (const [subject, contributions] of ofEach.entries()) {
    for (const item of contributions) {
      const known = items.get(item.windowStart);
      if (known === undefined) items.set(item.windowStart, { item, added: [[subject, item.quantity]] });
      else known.added.push([subject, item.quantity]);
    }
  }
  const values = new Map<number, Quantity>();
  let total: Quantity = 0n;
  return [...items.values()]
    .sort((a, b) => a.item.windowStart - b.item.windowStart)
    .map(({ item, added }) => {
      for (const [subject, quantity] of added) values.set(subject, (values.get(subject) ?? 0n) + quantity);
      const before = total;
      total = valueAcross(across, values.values());
      return { ...item, quantity: total - before };
    });
}

/**
 * Contributions or line items, in time order: those before `detailFrom` as one that starts with the period and is
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
