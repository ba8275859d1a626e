// How much each window adds to the value of a price's terms in a period, by aggregation, and so each line item, which
// is of one window or several. What is added always comes to what the meter says for all of the windows, so that a
// price of the cumulative quantity means the same for every meter. Where several subjects are billed as one, that is
// what their values come to by the meter's `across`.
import { valueAcross } from '../../domain/aggregation/across.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { itemSpan } from '../../domain/billing/item-span.ts';
import { EARLIER } from '../../domain/billing/line-item.ts';
import { acrossOf, type Meter } from '../../domain/metering/meter.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import type { AddedUsage } from '../../domain/terms/term-amounts.ts';

/**
 * A window's own merged value, or that of some of one term that follow each other; for `unique`, how many values no
 * earlier window of the terms has seen.
 */
export interface WindowValue {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly quantity: Quantity;
}

/** A term has the windows that start from `from` on and before `to`. */
export interface WindowSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * One a line item, in time order: of closed windows in any order, each given once, by itself or among some of its item.
 * `terms`: by time, without overlap; what is in none of them is left out.
 */
export function addedByWindows(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth'>,
  terms: readonly WindowSpan[],
  windows: readonly WindowValue[],
): AddedUsage[] {
  const { mergeWindows } = aggregationRules(meter.aggregation);
  const items: AddedUsage[] = [];
  let running: Quantity | null = null;
  let index = 0;
  for (const { windowStart, quantity } of windows.toSorted((a, b) => a.windowStart - b.windowStart)) {
    while (index < terms.length && windowStart >= terms[index]!.to) index += 1;
    const term = terms[index];
    if (term === undefined || windowStart < term.from) continue;
    const before = running ?? 0n;
    running = mergeWindows(running, quantity);
    const span = itemSpan(meter, windowStart, term);
    const last = items.at(-1);
    const isOfLast = last?.windowStart === span.windowStart;
    const item = { ...span, index, quantity: running - before + (isOfLast ? last.quantity : 0n) };
    if (isOfLast) items[items.length - 1] = item;
    else items.push(item);
  }
  return items;
}

/**
 * As `addedByWindows`, of several subjects together: after each item what was added so far comes to what the values of
 * the subjects that have one by then come to.
 */
export function addedAcross(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth' | 'across'>,
  terms: readonly WindowSpan[],
  subjects: readonly (readonly WindowValue[])[],
): AddedUsage[] {
  if (subjects.length === 1) return addedByWindows(meter, terms, subjects[0]!);
  const across = acrossOf(meter);
  const items = new Map<number, { readonly item: AddedUsage; readonly added: [subject: number, Quantity][] }>();
  for (const [subject, windows] of subjects.entries()) {
    for (const item of addedByWindows(meter, terms, windows)) {
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

/** In time order: those before `detailFrom` as one, which comes before all others and ends as the last of them. */
export function earlierAsOne<Window extends { readonly windowStart: number; readonly quantity: Quantity }>(
  windows: readonly Window[],
  detailFrom: number,
): Window[] {
  const earlier = windows.filter(({ windowStart }) => windowStart < detailFrom);
  const last = earlier.at(-1);
  if (last === undefined) return [...windows];
  const quantity = earlier.reduce((sum, window) => sum + window.quantity, 0n);
  const later = windows.filter(({ windowStart }) => windowStart >= detailFrom);
  return [{ ...last, windowStart: EARLIER, quantity }, ...later];
}
