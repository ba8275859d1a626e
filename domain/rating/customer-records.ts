// What many customers are billed by. Most have no subscription, and what holds for one of these holds for all with the
// same catalog.
import { customerText, type TenantCustomer } from '../billing/billing-period-terms.ts';
import { groupBy } from '../composite-key.ts';
import type { CatalogHistory } from '../terms/catalog-history.ts';
import type { CustomerSubscription } from '../terms/customer-subscription.ts';
import { LONGEST_WINDOW_MS } from '../time/time-window.ts';
import { type BilledBy, billedBy, recordCount } from './billed-by.ts';
import type { CatalogsByTenant } from './rating-catalog.ts';

export class RecordsByCustomer {
  private readonly catalogs: CatalogsByTenant;
  private readonly subscriptions: ReadonlyMap<string, readonly CustomerSubscription[]>;
  private readonly known = new Map<string, BilledBy>();

  constructor(catalogs: CatalogsByTenant, subscriptions: readonly CustomerSubscription[]) {
    this.catalogs = catalogs;
    this.subscriptions = groupBy(subscriptions, customerText);
  }

  /**
   * `earliest`: the periods that are asked for, of this customer and each time, hold that instant or later ones. It
   * counts when the customer is asked for first.
   */
  of(customer: TenantCustomer, earliest = Number.NEGATIVE_INFINITY): BilledBy {
    const catalog = this.catalogs.of(customer.tenant);
    if (this.subscriptions.size === 0) return catalog.unsubscribed;
    const key = customerText(customer);
    const subscriptions = this.subscriptions.get(key);
    if (subscriptions === undefined) return catalog.unsubscribed;
    const { history } = catalog;
    const known = this.known.get(key) ?? billedBy(history, subscriptions, lookedFrom(history, subscriptions, earliest));
    this.known.set(key, known);
    return known;
  }

  /** How many records the customer's subscriptions have. */
  countOf(customer: TenantCustomer): number {
    return this.subscriptions.size === 0 ? 0 : recordCount(this.subscriptions.get(customerText(customer)) ?? []);
  }
}

/**
 * Where the periods begin at the earliest that hold an instant, or the window that does. Prices of a subscription's own
 * may have any length.
 */
function lookedFrom(
  { longestPeriodMs }: CatalogHistory,
  subscriptions: readonly CustomerSubscription[],
  earliest: number,
): number {
  const hasOwn = subscriptions.some(({ records }) =>
    records.some((record) => 'patches' in record && record.patches.some(({ patch }) => patch.overrides !== undefined)),
  );
  return hasOwn ? Number.NEGATIVE_INFINITY : earliest - LONGEST_WINDOW_MS - longestPeriodMs;
}

/** Whether a customer's records are not what they were, by how many there are now of those that have any. */
export function changedBy(
  records: RecordsByCustomer,
  counts: readonly (TenantCustomer & { readonly records: number })[],
): (customer: TenantCustomer) => boolean {
  if (counts.length === 0) return (customer) => records.countOf(customer) > 0;
  const known = new Map(counts.map((each) => [customerText(each), each.records]));
  return (customer) => records.countOf(customer) !== (known.get(customerText(customer)) ?? 0);
}
