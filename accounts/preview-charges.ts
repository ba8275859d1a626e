// What a customer is charged without an act and with it.
import type { TenantCustomer } from '../domain/billing/billing-period-terms.ts';
import { billedBy } from '../domain/rating/billed-by.ts';
import type { RatingCatalog } from '../domain/rating/rating-catalog.ts';
import { invalidParameter } from '../domain/requests/parameters.ts';
import type { CustomerSubscription } from '../domain/terms/customer-subscription.ts';
import { readChargesAhead, STEPS_MAX } from '../platform/charges/charges-ahead.ts';
import type { AccountContext } from './account-route.ts';
import type { PreviewedCharges } from './core/subscriptions/preview-answer.ts';

export interface PreviewWanted {
  readonly customer: TenantCustomer;
  /** All subscriptions of the customer. */
  readonly before: readonly CustomerSubscription[];
  readonly after: readonly CustomerSubscription[];
  /** From when on they differ, now, and how far to look; milliseconds since the epoch. */
  readonly from: number;
  readonly now: number;
  readonly until: number;
}

/** Throws a `Problem`. */
export async function readPreviewedCharges(
  { reads, usage }: Pick<AccountContext, 'reads' | 'usage'>,
  catalog: RatingCatalog,
  { customer, before, after, from, now, until }: PreviewWanted,
): Promise<PreviewedCharges> {
  const by = (subscriptions: readonly CustomerSubscription[]) => billedBy(catalog.history, subscriptions);
  const wanted = { ...customer, sides: [by(before), by(after)] as const, from, now, until };
  const { charges, usageUpTo } = await readChargesAhead(reads, usage, catalog, [wanted]);
  const [sides] = charges;
  if (sides == null) {
    const what = `more than ${STEPS_MAX} charges are due by then; ask for an earlier instant`;
    throw invalidParameter('until', what);
  }
  return { before: sides[0], after: sides[1], currency: catalog.newest.currency, until, usageUpTo };
}
