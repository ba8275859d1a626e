// What of a subject's level counts for a customer that has the subject for a part of the time only (G3): the share of
// the time of the terms in which it is the customer's, cut out exactly (P7). So the parts of two customers who price it
// alike add up to the level.
//
// As of a window, the stretch that runs then is held on to the end of the terms: that it will leave is not told before.
// When the subject leaves, what it counts becomes less in the window that it leaves with, and no earlier window
// changes.
import type { AssignedSubject } from '../accounts/assignments.ts';
import { stretchesIn } from '../accounts/ownership.ts';
import { aggregationRules, countsUnits } from '../aggregation/aggregations.ts';
import { closedBefore } from '../billing/item-span.ts';
import type { Meter } from '../metering/meter.ts';
import type { Quantity } from '../number/quantity.ts';
import { quantityAfter } from '../terms/exact-share.ts';
import { windowSizeMs } from '../time/time-window.ts';
import { ALWAYS, type WindowSpan } from './window-span.ts';

/** Whether it counts by the time for which a subject is the customer's. Events of a mean stay where they were. */
export const isLevel = ({ aggregation }: Pick<Meter, 'aggregation'>): boolean =>
  !countsUnits(aggregation) && !aggregationRules(aggregation).isMean;

interface SubjectsOfCustomer {
  readonly customer: string;
  /** Whatever is its subject at some time. */
  readonly subjects: readonly AssignedSubject[];
}

// A customer may have very many, and each is asked for.
const named = new WeakMap<readonly AssignedSubject[], ReadonlyMap<string, AssignedSubject>>();

function namedIn(subjects: readonly AssignedSubject[]): ReadonlyMap<string, AssignedSubject> {
  const known = named.get(subjects) ?? new Map(subjects.map((each) => [each.subject, each]));
  named.set(subjects, known);
  return known;
}

/**
 * When a subject is the customer's, by the windows that are closed; null: it is through all of the terms, or the meter
 * counts units, which stay where they were used.
 */
export function heldTimes(
  meter: Meter,
  { customer, subjects }: SubjectsOfCustomer,
  subject: string,
  terms: readonly WindowSpan[],
  closedUpTo: number,
): readonly WindowSpan[] | null {
  if (!isLevel(meter)) return null;
  const assigned = namedIn(subjects).get(subject)!;
  if (assigned.assignments.length === 0) return null;
  const closed = closedBefore(meter, closedUpTo);
  const held = stretchesIn([assigned], customer, windowSizeMs[meter.window], ALWAYS)
    .filter(({ from }) => from < closed)
    .map(({ from, to }) => ({ from, to: to < closed ? to : ALWAYS.to }));
  const [begin, end] = [terms[0]!.from, terms.at(-1)!.to];
  return held.some(({ from, to }) => from <= begin && end <= to) ? null : held;
}

/** A subject's share of the time of some terms, which are by time and without overlap. */
export class HeldShare {
  private readonly terms: readonly WindowSpan[];
  private readonly held: readonly WindowSpan[];
  private readonly whole: bigint;

  constructor(terms: readonly WindowSpan[], held: readonly WindowSpan[]) {
    this.terms = terms;
    this.held = held;
    this.whole = this.elapsed(ALWAYS.to);
  }

  /** The windows of the terms with which the share becomes another one, each with the number of its term. */
  get moves(): { readonly at: number; readonly index: number }[] {
    const times = new Set(this.held.flatMap(({ from, to }) => [from, to]));
    return [...times].flatMap((time) => {
      const index = this.terms.findIndex(({ to }) => time < to);
      return index === -1 || time <= this.terms[0]!.from
        ? []
        : [{ at: Math.max(time, this.terms[index]!.from), index }];
    });
  }

  /** How much of a level counts as of a window. */
  of(level: Quantity, windowStart: number): Quantity {
    let counted = 0n;
    for (const { from, to } of this.held) {
      if (from > windowStart) continue;
      const end = to > windowStart ? this.whole : this.elapsed(to);
      counted += quantityAfter(level, end, this.whole) - quantityAfter(level, this.elapsed(from), this.whole);
    }
    return counted;
  }

  /** How much of the terms' time is over at an instant. */
  private elapsed(instant: number): bigint {
    let sum = 0;
    for (const { from, to } of this.terms) sum += Math.max(0, Math.min(instant, to) - from);
    return BigInt(sum);
  }
}
