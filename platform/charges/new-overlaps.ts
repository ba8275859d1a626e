// Customers with two subscriptions that would both charge the same usage by a catalog, and do not without it (P3).
import { customerText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { groupBy } from '../../domain/composite-key.ts';
import type { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { historyOf } from '../../domain/terms/customer-subscription.ts';
import { type PriceOverlap, priceOverlap } from '../../domain/terms/overlaps.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { readSeveralSubscribers, readSubscriptionsOfCustomers } from '../account-store/subscriptions.ts';
import type { CustomerPage } from '../billing-store/due-customers.ts';
import type { Queries } from '../postgres/table-columns.ts';

export interface CustomerOverlap extends PriceOverlap {
  readonly tenant: string;
  readonly customer: string;
}

export interface OverlapsWanted {
  readonly tenants: TenantsOfVersion;
  /** Without the catalog, and with it. */
  readonly before: CatalogHistory;
  readonly after: CatalogHistory;
  /** What is before it is not looked at; milliseconds since the epoch. */
  readonly from: number;
}

export interface OverlapPage {
  readonly overlaps: readonly CustomerOverlap[];
  /** The last customer that was looked at; null: nobody is left. */
  readonly last: TenantCustomer | null;
}

/** One a customer, of so many customers after one. */
export async function readNewOverlaps(
  queries: Queries,
  wanted: OverlapsWanted,
  page: CustomerPage,
): Promise<OverlapPage> {
  const customers = await readSeveralSubscribers(queries, wanted.tenants, page);
  const overlaps = await newOverlapsOf(queries, wanted, customers);
  return { overlaps, last: customers.length < page.customersMax ? null : customers.at(-1)! };
}

/** One a customer. */
export async function newOverlapsOf(
  queries: Queries,
  { before, after, from }: Omit<OverlapsWanted, 'tenants'>,
  customers: readonly TenantCustomer[],
): Promise<CustomerOverlap[]> {
  const byCustomer = groupBy(await readSubscriptionsOfCustomers(queries, customers), customerText);
  return customers.flatMap((customer): CustomerOverlap[] => {
    const subscriptions = (byCustomer.get(customerText(customer)) ?? []).map(historyOf);
    const by = (catalog: CatalogHistory) => priceOverlap(new CustomerTerms({ catalog, subscriptions }), from);
    const overlap = by(after);
    return overlap === null || by(before) !== null ? [] : [{ ...customer, ...overlap }];
  });
}
