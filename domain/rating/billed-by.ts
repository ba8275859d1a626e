// What a customer is billed by: the versions of its tenant's catalog that are in force and the records of its
// subscriptions.
import type { CatalogHistory } from '../terms/catalog-history.ts';
import { type CustomerSubscription, historyOf } from '../terms/customer-subscription.ts';
import { CustomerFees } from '../terms/fees.ts';
import { nextDueAfter } from '../terms/next-due.ts';
import { CustomerTerms } from '../terms/price-terms.ts';
import { CustomerMinimums } from './minimums.ts';

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

/**
 * When a customer is next to be looked at although no window of its usage closes, as a watermark, after the one up to
 * which all is rated: where anything is said, begins, ends or is due, and where a period with a minimum will be closed.
 * Windows close behind the watermark, so that is due later by as much. Null: nothing is known that will be due.
 */
export function nextDueOf(
  { terms, fees, minimums }: BilledBy,
  { watermark, closedUpTo }: { readonly watermark: number; readonly closedUpTo: number },
): number | null {
  const due = nextDueAfter(terms, fees, watermark);
  const closing = minimums.isEmpty ? null : minimums.nextClosing(closedUpTo);
  if (closing === null) return due;
  const closed = closing + (watermark - closedUpTo);
  return due === null ? closed : Math.min(due, closed);
}
