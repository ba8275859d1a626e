// What a catalog that is not applied yet would do to usage and customers that there are: group values of the last 30
// days that no price would take, prices that charge the same usage, in a plan and between a customer's subscriptions.
// Each part looks at so much at most, and says where there is more.

import { customerText } from '../../domain/billing/billing-period-terms.ts';
import { type Catalog, type CatalogVersion, emptyCatalog } from '../../domain/catalog/catalog.ts';
import {
  type DoublePrices,
  doublePrices,
  type UntakenGroup,
  untakenGroups,
} from '../../domain/catalog/price-coverage.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { historyOf } from '../../domain/terms/customer-subscription.ts';
import { type PriceOverlap, priceOverlap } from '../../domain/terms/overlaps.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { readSeveralSubscribers, readSubscriptionsOfCustomers } from '../account-store/subscriptions.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { readUsedGroups } from '../usage-store/group-subjects.ts';

const DAY_MS = 86_400_000;
const LATELY_MS = 30 * DAY_MS;
const GROUPS_MAX = 2_000;
const CUSTOMERS_MAX = 2_000;

export interface WantedCatalog {
  /** Null: of all tenants. */
  readonly tenant: string | null;
  /** Those that hold by now, ascending. */
  readonly versions: readonly CatalogVersion[];
  readonly catalog: Catalog;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface UntakenUsage {
  /** From when on usage was looked at; milliseconds. */
  readonly since: number;
  readonly groups: readonly UntakenGroup[];
  /** False: usage has more group values, of fewer subjects each, than were looked at. */
  readonly isComplete: boolean;
}

export async function readUntakenUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  { tenant, versions, catalog, now }: WantedCatalog,
): Promise<UntakenUsage> {
  const since = now - LATELY_MS;
  const meters = catalog.meters.map(({ slug }) => slug);
  const used = await readUsedGroups(clickhouse, { tenant, meters, from: since, groupsMax: GROUPS_MAX + 1 });
  const groups = untakenGroups(versions.at(-1)?.catalog ?? emptyCatalog, catalog, used.slice(0, GROUPS_MAX));
  return { since, groups, isComplete: used.length <= GROUPS_MAX };
}

export interface CustomerOverlap extends PriceOverlap {
  readonly tenant: string;
  readonly customer: string;
}

export interface PriceOverlaps {
  readonly inPlans: readonly DoublePrices[];
  /** That are not there by the catalog that holds now, one a customer. */
  readonly ofCustomers: readonly CustomerOverlap[];
  /** False: more customers have several subscriptions than were looked at. */
  readonly isComplete: boolean;
}

export async function readPriceOverlaps(
  queries: Queries,
  { tenant, versions, catalog, now }: WantedCatalog,
): Promise<PriceOverlaps> {
  const found = await readSeveralSubscribers(queries, tenant, CUSTOMERS_MAX + 1);
  const customers = found.slice(0, CUSTOMERS_MAX);
  const wanted: CatalogVersion = { version: (versions.at(-1)?.version ?? 0) + 1, effectiveAt: now, catalog };
  const [before, after] = [new CatalogHistory(versions), new CatalogHistory([...versions, wanted])];
  const byCustomer = groupBy(await readSubscriptionsOfCustomers(queries, customers), customerText);
  const ofCustomers = customers.flatMap((customer): CustomerOverlap[] => {
    const subscriptions = (byCustomer.get(customerText(customer)) ?? []).map(historyOf);
    const by = (history: CatalogHistory) => priceOverlap(new CustomerTerms({ catalog: history, subscriptions }), now);
    const overlap = by(after);
    return overlap === null || by(before) !== null ? [] : [{ ...customer, ...overlap }];
  });
  return { inPlans: doublePrices(catalog), ofCustomers, isComplete: found.length <= CUSTOMERS_MAX };
}
