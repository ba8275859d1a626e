// What customers are billed by: the versions of the catalog that are in force and the records of their subscriptions.
// Most customers have none, and what holds for one of these holds for all.
import { customerText, type TenantCustomer } from '../billing/billing-period-terms.ts';
import { groupBy } from '../composite-key.ts';
import type { CatalogHistory } from '../terms/catalog-history.ts';
import { type CustomerSubscription, historyOf } from '../terms/customer-subscription.ts';
import { CustomerFees } from '../terms/fees.ts';
import { CustomerTerms } from '../terms/price-terms.ts';
import { LONGEST_WINDOW_MS } from '../time/time-window.ts';

/** What the records of a customer say. */
export interface BilledBy {
  readonly terms: CustomerTerms;
  readonly fees: CustomerFees;
  /** How many records its subscriptions have. They are only ever added: the same number is the same records. */
  readonly records: number;
}

const countOf = (subscriptions: readonly CustomerSubscription[]): number =>
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
    records: countOf(subscriptions),
  };
}

export class RecordsByCustomer {
  private readonly catalog: CatalogHistory;
  /** By what whoever has no subscription is billed. */
  private readonly unsubscribed: BilledBy;
  private readonly subscriptions: ReadonlyMap<string, readonly CustomerSubscription[]>;
  private readonly known = new Map<string, BilledBy>();

  constructor(
    catalog: { readonly history: CatalogHistory; readonly unsubscribed: BilledBy },
    subscriptions: readonly CustomerSubscription[],
  ) {
    this.catalog = catalog.history;
    this.unsubscribed = catalog.unsubscribed;
    this.subscriptions = groupBy(subscriptions, customerText);
  }

  /**
   * `earliest`: the periods that are asked for, of this customer and each time, hold that instant or later ones. It
   * counts when the customer is asked for first.
   */
  of(customer: TenantCustomer, earliest = Number.NEGATIVE_INFINITY): BilledBy {
    if (this.subscriptions.size === 0) return this.unsubscribed;
    const key = customerText(customer);
    const subscriptions = this.subscriptions.get(key);
    if (subscriptions === undefined) return this.unsubscribed;
    const known =
      this.known.get(key) ?? billedBy(this.catalog, subscriptions, this.lookedFrom(subscriptions, earliest));
    this.known.set(key, known);
    return known;
  }

  /** How many records the customer's subscriptions have. */
  countOf(customer: TenantCustomer): number {
    return this.subscriptions.size === 0 ? 0 : countOf(this.subscriptions.get(customerText(customer)) ?? []);
  }

  /**
   * Where the periods begin at the earliest that hold an instant, or the window that does. Prices of a subscription's
   * own may have any length.
   */
  private lookedFrom(subscriptions: readonly CustomerSubscription[], earliest: number): number {
    const hasOwn = subscriptions.some(({ records }) =>
      records.some(
        (record) => 'patches' in record && record.patches.some(({ patch }) => patch.overrides !== undefined),
      ),
    );
    return hasOwn ? Number.NEGATIVE_INFINITY : earliest - LONGEST_WINDOW_MS - this.catalog.longestPeriodMs;
  }
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
