// Which prices of a customer another history of the catalog would change, and from when on: of each price of each
// subscription the first instant at which the two say different things of it.
import type { BillingPeriod } from '../time/billing-period.ts';
import { type PriceLine, segmentPeriod } from './price-lines.ts';
import { type PriceSegment, saysTheSame } from './price-segments.ts';
import type { CustomerTerms } from './price-terms.ts';

export interface ChangedPrice {
  /** Null: of the default plan. */
  readonly subscription: string | null;
  readonly price: string;
  /** Milliseconds since the epoch; for usage the start of a window. */
  readonly from: number;
  /** added: nothing was charged by the slug then; gone: nothing would be. */
  readonly change: 'added' | 'changed' | 'gone';
  /** That of the price which holds from then on, or held. */
  readonly period: BillingPeriod;
}

interface HeldSegment {
  readonly line: PriceLine;
  readonly segment: PriceSegment;
}

/** By subscription and slug. */
function heldAfter({ everyLine }: CustomerTerms, since: number): Map<string, HeldSegment[]> {
  const held = new Map<string, HeldSegment[]>();
  for (const line of everyLine) {
    for (const segment of line.segments) {
      if (segment.to <= since) continue;
      const key = JSON.stringify([segment.subscription, line.slug]);
      held.set(key, [...(held.get(key) ?? []), { line, segment }]);
    }
  }
  return held;
}

/** What differs from an instant on, by subscription and price. */
export function changedPrices(before: CustomerTerms, after: CustomerTerms, since: number): ChangedPrice[] {
  const [old, fresh] = [heldAfter(before, since), heldAfter(after, since)];
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((key): ChangedPrice[] => {
    const [one, other] = [old.get(key) ?? [], fresh.get(key) ?? []];
    const bounds = [...one, ...other].flatMap(({ segment }) => [segment.from, segment.to]);
    const instants = [since, ...bounds].filter((instant) => instant >= since && Number.isFinite(instant));
    for (const from of [...new Set(instants)].sort((a, b) => a - b)) {
      const [was, is] = [heldAt(one, from), heldAt(other, from)];
      if (was === is || (was !== undefined && is !== undefined && saysTheSame(was.segment, is.segment))) continue;
      const { line, segment } = is ?? was!;
      const change = was === undefined ? 'added' : is === undefined ? 'gone' : 'changed';
      const period = segmentPeriod(line, segment, from);
      return [{ subscription: segment.subscription, price: line.slug, from, change, period }];
    }
    return [];
  });
}

const heldAt = (held: readonly HeldSegment[], instant: number): HeldSegment | undefined =>
  held.find(({ segment }) => segment.from <= instant && instant < segment.to);
