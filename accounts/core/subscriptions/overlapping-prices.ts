// Whether what a customer would have prices the same usage twice (P3).
import { Problem } from '../../../domain/problem.ts';
import type { CatalogHistory } from '../../../domain/terms/catalog-history.ts';
import type { CustomerSubscription, UnnumberedRecord } from '../../../domain/terms/customer-subscription.ts';
import { priceOverlap } from '../../../domain/terms/overlaps.ts';
import { CustomerTerms } from '../../../domain/terms/price-terms.ts';
import { saysFrom } from '../../../domain/terms/record-rules.ts';
import type { SubscriptionHistory } from '../../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';

/**
 * From when on a record may make prices overlap: what was rated before stays as it is, unless the record reaches behind
 * it.
 */
export const overlapsFrom = (
  { opening }: Pick<CustomerSubscription, 'opening'>,
  record: UnnumberedRecord,
  ratedUpTo: number | null,
): number => Math.min(ratedUpTo ?? opening.billedFrom, saysFrom(record));

/** Throws a `Problem` where two of a customer's subscriptions would price the same usage after an instant. */
export function requireNoOverlap(
  subscriptions: readonly SubscriptionHistory[],
  catalog: CatalogHistory,
  after: number,
): void {
  // One alone overlaps with nothing.
  if (subscriptions.length < 2) return;
  const overlap = priceOverlap(new CustomerTerms({ catalog, subscriptions }), after);
  if (overlap === null) return;
  const { one, other, from } = overlap;
  throw new Problem(
    'overlapping_prices',
    `From ${formatRfc3339(from)} on price ${one.price} of subscription ${one.subscription} and price ${other.price} of ` +
      `subscription ${other.subscription} would both charge the same usage.`,
    { members: { overlap: { from: formatRfc3339(from), prices: [one, other] } } },
  );
}
