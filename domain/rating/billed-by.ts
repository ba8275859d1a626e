// What a customer is billed by: the versions of its tenant's catalog that are in force and the records of its
// subscriptions.
import type { CatalogHistory } from '../terms/catalog-history.ts';
import { type CustomerSubscription, historyOf } from '../terms/customer-subscription.ts';
import { CustomerFees } from '../terms/fees.ts';
import { CustomerMinimums } from '../terms/minimums.ts';
import { CustomerTerms } from '../terms/price-terms.ts';

/** What the records of a customer say. */
export interface BilledBy {
  readonly terms: CustomerTerms;
  readonly fees: CustomerFees;
  readonly minimums: CustomerMinimums;
  /** How many records its subscriptions have. They are only ever added: the same number is the same records. */
  readonly records: number;
}

/** How many records they have. */
export const recordCount = (subscriptions: readonly CustomerSubscription[]): number =>
  subscriptions.reduce((count, { records }) => count + records.length, 0);

/** `lookedFrom`: no period is asked for that starts before it. */
export function billedBy(
  catalog: CatalogHistory,
  subscriptions: readonly CustomerSubscription[],
  lookedFrom = Number.NEGATIVE_INFINITY,
): BilledBy {
  const records = { catalog, subscriptions: subscriptions.map(historyOf) };
  const terms = new CustomerTerms(records, lookedFrom);
  return {
    terms,
    fees: new CustomerFees(records, terms),
    minimums: new CustomerMinimums(terms),
    records: recordCount(subscriptions),
  };
}
