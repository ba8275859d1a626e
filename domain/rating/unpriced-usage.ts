// Usage that nothing prices (P3): of a customer, by meter and time, what no price in any of its active subscriptions
// takes. It is told as an `otherwise` price of everything would be, so it is read as the usage of such a price is. What
// is free in a trial is held, and not unpriced.
import type { Plan } from '../catalog/catalog.ts';
import { isMatrix } from '../pricing/matrix-cells.ts';
import { partsOf } from '../pricing/parts.ts';
import { isUsagePrice, type UsagePrice } from '../pricing/prices.ts';
import { isMatched, type Match, matchesGroups, restOf, type TakenUsage } from '../pricing/taken-usage.ts';
import type { PriceSegment } from '../terms/price-segments.ts';
import type { CustomerTerms } from '../terms/price-terms.ts';
import type { WindowSpan } from './window-span.ts';

const EVERYTHING: Match = {};

const isAll = (match: Match): boolean => Object.keys(match).length === 0;

/** Windows of a span in which something may be left, in order of time; of usage with some group values, or of any. */
export function unpricedIn(
  terms: CustomerTerms,
  meter: string,
  span: WindowSpan,
  groups: Match = EVERYTHING,
): TakenUsage[] {
  const isTakenWhole = (match: Match): boolean => isAll(match) || (!isAll(groups) && isMatched(match, groups));
  return restOf(groups, span, terms.usagePricesOf(meter)).filter(({ leftOut }) => !leftOut.some(isTakenWhole));
}

/** By meter, group values that usage has; null: they are too many to be named. */
export type GroupsInUse = ReadonlyMap<string, readonly Match[] | null>;

/** What is known of prices that hold at once. */
interface HeldTogether {
  readonly next: Map<PriceSegment['price'], HeldTogether>;
  leavesAny: boolean | null;
}

/**
 * Whether prices leave any group that is in use. Most customers hold the same few prices, and for each set of them it
 * is found once.
 */
export class LeftGroups {
  private readonly groups: GroupsInUse;
  private readonly first: HeldTogether = { next: new Map(), leavesAny: null };

  constructor(groups: GroupsInUse) {
    this.groups = groups;
  }

  /** Of the prices that hold in a window, or would where the window is one of their meter's. */
  mayLeave({ usageLines }: CustomerTerms, windowStart: number): boolean {
    const held: UsagePrice[] = [];
    let known = this.first;
    for (const { segments } of usageLines) {
      for (const { from, to, price } of segments) {
        if (from > windowStart || windowStart >= to) continue;
        held.push(price as UsagePrice);
        let next = known.next.get(price);
        if (next === undefined) {
          next = { next: new Map(), leavesAny: null };
          known.next.set(price, next);
        }
        known = next;
      }
    }
    known.leavesAny ??= this.isLeft(held);
    return known.leavesAny;
  }

  private isLeft(held: readonly UsagePrice[]): boolean {
    for (const [meter, groups] of this.groups) {
      const prices = held.filter((price) => price.meter === meter);
      if (prices.some((price) => !isMatrix(price) && isAll(price.match))) continue;
      if (groups === null || groups.some((each) => !prices.some((price) => matchesGroups(price, each)))) return true;
    }
    return false;
  }
}

/** The meters that any plan prices: what no plan prices is not meant to be paid for. */
export const pricedMeters = (plans: readonly Pick<Plan, 'prices'>[]): Set<string> =>
  new Set(
    plans.flatMap(({ prices }) => prices.flatMap(partsOf).flatMap((price) => (isUsagePrice(price) ? price.meter : []))),
  );
