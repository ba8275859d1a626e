// How much each window adds to the value of a price's terms in a period, by aggregation, and so each line item, which
// is of one window or several. What is added always comes to what the meter says for all of the windows, so that a
// price of the cumulative quantity means the same for every meter. Where several subjects are billed as one, that is
// what their values come to by the meter's `across`. Of a level of a subject that moves it is the customer's share
// (G3).
import { valueAcross } from '../aggregation/across.ts';
import { type KeptUsage, PeriodValue } from '../aggregation/period-value.ts';
import { itemSpan } from '../billing/item-span.ts';
import { EARLIER } from '../billing/line-item.ts';
import { acrossOf, type Meter } from '../metering/meter.ts';
import type { Quantity } from '../number/quantity.ts';
import type { AddedUsage } from '../terms/term-amounts.ts';
import { HeldShare } from './held-share.ts';
import type { WindowSpan } from './window-span.ts';

/**
 * What is kept of a window, or of some of one term that follow each other; for `unique`, how many values no earlier
 * window of the terms has seen.
 */
export interface WindowValue extends KeptUsage {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  /** Of a matrix: the values of its dimensions. One window may have several, each with a value of its own. */
  readonly groups?: readonly string[];
}

/** How much the windows of a line item add to the term's cumulative quantity. Milliseconds; end exclusive. */
export interface Contribution {
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly quantity: Quantity;
}

/** The windows of a subject. */
export interface SubjectUsage {
  readonly windows: readonly WindowValue[];
  /** When it is the customer's, of a level that counts by that (held-share.ts); absent or null: all of the time. */
  readonly held?: readonly WindowSpan[] | null;
}

/** What a window adds, with the bounds of its line item. */
interface AddedWindow extends AddedUsage {
  readonly at: number;
}

/** Window by window, in order of time; what is in none of the terms is left out. */
function addedWindows(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth'>,
  terms: readonly WindowSpan[],
  windows: readonly WindowValue[],
): AddedWindow[] {
  const value = new PeriodValue(meter.aggregation);
  const added: AddedWindow[] = [];
  let index = 0;
  for (const window of windows.toSorted((a, b) => a.windowStart - b.windowStart)) {
    const { windowStart: at } = window;
    while (index < terms.length && at >= terms[index]!.to) index += 1;
    const term = terms[index];
    if (term === undefined || at < term.from) continue;
    const { windowStart, windowEnd } = itemSpan(meter, at, term);
    added.push({ at, index, windowStart, windowEnd, quantity: value.add(window) });
  }
  return added;
}

/** The same of a subject: of a level that is held for a part of the time, its share, which changes where it moves. */
function addedOfSubject(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth'>,
  terms: readonly WindowSpan[],
  { windows, held = null }: SubjectUsage,
): AddedWindow[] {
  const added = addedWindows(meter, terms, windows);
  if (held === null) return added;
  const share = new HeldShare(terms, held);
  const moves = share.moves.map(({ at, index }): AddedWindow => {
    return { at, index, ...itemSpan(meter, at, terms[index]!), quantity: 0n };
  });
  let [level, counted] = [0n, 0n];
  return [...added, ...moves]
    .sort((a, b) => a.at - b.at)
    .map((window) => {
      const before = counted;
      level += window.quantity;
      counted = share.of(level, window.at);
      return { ...window, quantity: counted - before };
    });
}

/** One an item. Where a period has several terms, which of them gives back is told window by window (T6). */
function addedItems(added: readonly AddedWindow[], byWindow: boolean): AddedUsage[] {
  const items: AddedUsage[] = [];
  for (const { index, windowStart, windowEnd, quantity } of added) {
    const last = items.at(-1);
    if (byWindow || last?.windowStart !== windowStart) items.push({ index, windowStart, windowEnd, quantity });
    else items[items.length - 1] = { index, windowStart, windowEnd, quantity: last.quantity + quantity };
  }
  return items;
}

/**
 * In time order: of closed windows in any order, each given once, by itself or among some of its item. One an item, or,
 * `byWindow`, one a window, with the bounds of its item. `terms`: by time, without overlap; what is in none of them is
 * left out.
 */
export const addedByWindows = (
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth'>,
  terms: readonly WindowSpan[],
  windows: readonly WindowValue[],
  byWindow = false,
): AddedUsage[] => addedItems(addedWindows(meter, terms, windows), byWindow);

/**
 * As `addedByWindows`, of several subjects together: after each window what was added so far comes to what the values
 * of the subjects that have one by then come to.
 */
export function addedAcross(
  meter: Pick<Meter, 'aggregation' | 'window' | 'itemWidth' | 'across'>,
  terms: readonly WindowSpan[],
  subjects: readonly SubjectUsage[],
  byWindow = false,
): AddedUsage[] {
  if (subjects.length === 1) return addedItems(addedOfSubject(meter, terms, subjects[0]!), byWindow);
  const across = acrossOf(meter);
  const windows = new Map<number, { readonly window: AddedWindow; readonly added: [subject: number, Quantity][] }>();
  for (const [subject, usage] of subjects.entries()) {
    for (const window of addedOfSubject(meter, terms, usage)) {
      const known = windows.get(window.at);
      if (known === undefined) windows.set(window.at, { window, added: [[subject, window.quantity]] });
      else known.added.push([subject, window.quantity]);
    }
  }
  const values = new Map<number, Quantity>();
  let total: Quantity = 0n;
  const together = [...windows.values()]
    .sort((a, b) => a.window.at - b.window.at)
    .map(({ window, added }) => {
      for (const [subject, quantity] of added) values.set(subject, (values.get(subject) ?? 0n) + quantity);
      const before = total;
      total = valueAcross(across, values.values());
      return { ...window, quantity: total - before };
    });
  return addedItems(together, byWindow);
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
