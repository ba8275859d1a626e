// Which billing periods a batch of customers has to rate, by which prices, and from where on window by window.
import type { AssignedSubject } from '../../domain/accounts/assignments.ts';
import {
  customerText,
  NO_SUBSCRIPTION,
  type PeriodKey,
  type RatedPeriod,
} from '../../domain/billing/billing-period-terms.ts';
import { itemBoundBefore } from '../../domain/billing/item-span.ts';
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { type CustomerWork, timesOf } from './customer-work.ts';
import { type PricedInPeriod, periodPrices } from './period-prices.ts';
import type { RatingBasis } from './rating-basis.ts';
import { type RatingTarget, ratingTargets } from './rating-targets.ts';

export interface PeriodTarget extends RatingTarget, PeriodKey {
  /** Whatever is the customer's subject at some time. */
  readonly subjects: readonly AssignedSubject[];
  readonly prices: readonly PricedTarget[];
  /**
   * Line items that start before are compared as one sum, and all their windows start before; milliseconds since the
   * epoch, the period's start or later.
   */
  readonly detailFrom: number;
}
/** `isCharged`: false for a price the period has no more, whose line items have to cancel out. */
type PricedTarget = PricedInPeriod & { readonly isCharged: boolean };

/** Which windows are looked at one by one: from the first touched one of a period on, or all of them. */
export type Detail = 'touched' | 'all';

/** In the order of the customers, then of time. */
export function periodTargets(
  detail: Detail,
  basis: Pick<RatingBasis, 'book' | 'versions'>,
  work: readonly CustomerWork[],
  stored: readonly RatedPeriod[],
): PeriodTarget[] {
  const storedByCustomer = groupBy(stored, customerText);
  return work.flatMap((ofCustomer) => {
    const { tenant, customer, subjects } = ofCustomer;
    const times = timesOf(ofCustomer);
    const known = storedByCustomer.get(customerText(ofCustomer)) ?? [];
    return ratingTargets(basis.book.timeline(ofCustomer), known, times).map((target) => {
      const before = known.find((period) => period.periodStart === target.periodStart);
      const prices = pricesOf(basis.versions, target, before);
      const isAsBefore = detail === 'touched' && before !== undefined && target.planChangedFrom === null;
      const detailFrom = isAsBefore ? firstTouchedItem(target, prices, times) : target.periodStart;
      return { ...target, tenant, customer, subscription: NO_SUBSCRIPTION, subjects, prices, detailFrom };
    });
  });
}

/** The period's start where nothing touched it: it is looked at for another reason. */
function firstTouchedItem(
  { periodStart, periodEnd }: RatingTarget,
  prices: readonly PricedTarget[],
  times: Iterable<number>,
): number {
  let first = periodEnd;
  for (const time of times) if (time >= periodStart && time < first) first = time;
  if (first === periodEnd) return periodStart;
  const meters = prices.flatMap(({ meter }) => meter ?? []);
  return itemBoundBefore(first, periodStart, meters);
}

function pricesOf(
  versions: readonly CatalogVersion[],
  target: RatingTarget,
  before: RatedPeriod | undefined,
): PricedTarget[] {
  const charged = periodPrices(versions, target).map((price) => ({ ...price, isCharged: true }));
  if (before === undefined || before.plan === target.plan) return charged;
  const kept = new Set(charged.map(({ price }) => price.slug));
  const dropped = periodPrices(versions, before).filter(({ price }) => !kept.has(price.slug));
  return [...charged, ...dropped.map((price) => ({ ...price, isCharged: false }))];
}
