// What a catalog that is not applied yet would do to usage and customers that there are: group values of the last 30
// days that no price would take, prices that charge the same usage, in a plan and between a customer's subscriptions.
// Each part looks at so much at most, and says where there is more.

import { customerText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { type Catalog, type CatalogVersion, emptyCatalog } from '../../domain/catalog/catalog.ts';
import {
  type DoublePrices,
  doublePrices,
  type UntakenGroup,
  untakenGroups,
} from '../../domain/catalog/price-coverage.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { billedBy } from '../../domain/rating/billed-by.ts';
import { totalOf } from '../../domain/rating/charged-ahead.ts';
import { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { CatalogHistory, sameDefinition } from '../../domain/terms/catalog-history.ts';
import { type ChangedPrice, changedPrices } from '../../domain/terms/changed-prices.ts';
import { type CustomerSubscription, historyOf } from '../../domain/terms/customer-subscription.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { readSubscriptions, readSubscriptionsOfCustomers } from '../account-store/subscriptions.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { readUsedGroups } from '../usage-store/group-subjects.ts';
import { type AheadWanted, readChargesAhead } from './charges-ahead.ts';
import { type CustomerOverlap, readNewOverlaps } from './new-overlaps.ts';

const DAY_MS = 86_400_000;
const LATELY_MS = 30 * DAY_MS;
const GROUPS_MAX = 2_000;
const CUSTOMERS_MAX = 2_000;

export interface WantedCatalog {
  /** Whose catalog it is to be: of the default, all but those with one of their own. */
  readonly tenants: TenantsOfVersion;
  /** Those of the same catalog that hold by now, ascending. */
  readonly versions: readonly CatalogVersion[];
  readonly catalog: Catalog;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Windows that end by then are closed; null: none is. */
  readonly closedUpTo: number | null;
}

/** As it would be if the catalog were applied now. */
function versionsWith({ versions, catalog, now, closedUpTo }: WantedCatalog): CatalogVersion[] {
  const version = (versions.at(-1)?.version ?? 0) + 1;
  return [...versions, { version, effectiveAt: now, catalog, closedUpTo: closedUpTo ?? 0 }];
}

const historyWith = (wanted: WantedCatalog): CatalogHistory => new CatalogHistory(versionsWith(wanted));

export interface UntakenUsage {
  /** From when on usage was looked at; milliseconds. */
  readonly since: number;
  readonly groups: readonly UntakenGroup[];
  /** False: usage has more group values, of fewer subjects each, than were looked at. */
  readonly isComplete: boolean;
}

export async function readUntakenUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  { tenants, versions, catalog, now }: WantedCatalog,
): Promise<UntakenUsage> {
  const since = now - LATELY_MS;
  const meters = catalog.meters.map(({ slug }) => slug);
  const used = await readUsedGroups(clickhouse, { tenants, meters, from: since, groupsMax: GROUPS_MAX + 1 });
  const groups = untakenGroups(versions.at(-1)?.catalog ?? emptyCatalog, catalog, used.slice(0, GROUPS_MAX));
  return { since, groups, isComplete: used.length <= GROUPS_MAX };
}

export interface PriceOverlaps {
  readonly inPlans: readonly DoublePrices[];
  /** That are not there by the catalog that holds now, one a customer. */
  readonly ofCustomers: readonly CustomerOverlap[];
  /** False: more customers have several subscriptions than were looked at. */
  readonly isComplete: boolean;
}

export async function readPriceOverlaps(queries: Queries, wanted: WantedCatalog): Promise<PriceOverlaps> {
  const { tenants, versions, catalog, now } = wanted;
  const of = { tenants, before: new CatalogHistory(versions), after: historyWith(wanted), from: now };
  const { overlaps, last } = await readNewOverlaps(queries, of, { after: null, customersMax: CUSTOMERS_MAX });
  return { inPlans: doublePrices(catalog), ofCustomers: overlaps, isComplete: last === null };
}

interface ChangedCustomer extends TenantCustomer {
  readonly prices: readonly ChangedPrice[];
  /** All of the customer. */
  readonly subscriptions: readonly CustomerSubscription[];
}

export interface ChangedCustomers {
  /** In the order in which they subscribed. */
  readonly customers: readonly ChangedCustomer[];
  /** Subscriptions that were looked at. */
  readonly lookedAt: number;
  /** The number of the last of them; null: there are no more. */
  readonly last: number | null;
}

/**
 * Subscribers whose prices would change, of so many subscriptions after the one with a number. A customer with several
 * is told with each of them.
 */
export async function readChangedCustomers(
  queries: Queries,
  wanted: WantedCatalog,
  page: { readonly afterNumber: number; readonly subscriptionsMax: number },
): Promise<ChangedCustomers> {
  const { tenants, versions, now, closedUpTo } = wanted;
  const { afterNumber, subscriptionsMax: rowsMax } = page;
  const found = await readSubscriptions(queries, { tenants, customer: null, afterNumber, rowsMax });
  const isEqual = versions.length > 0 && sameDefinition(versions.at(-1)!.catalog, wanted.catalog);
  const [before, after] = [new CatalogHistory(versions), historyWith(wanted)];
  const named = new Map(found.map(({ subscription }) => [customerText(subscription), subscription]));
  const all = isEqual ? [] : await readSubscriptionsOfCustomers(queries, [...named.values()]);
  const byCustomer = groupBy(all, customerText);
  const customers = found.flatMap(({ subscription }): ChangedCustomer[] => {
    const ofCustomer = byCustomer.get(customerText(subscription)) ?? [];
    const subscriptions = ofCustomer.map(historyOf);
    const termsBy = (catalog: CatalogHistory) => new CustomerTerms({ catalog, subscriptions });
    const changed = changedPrices(termsBy(before), termsBy(after), closedUpTo ?? now);
    const prices = changed.filter((each) => each.subscription === subscription.opening.id);
    const { tenant, customer } = subscription;
    return prices.length === 0 ? [] : [{ tenant, customer, prices, subscriptions: ofCustomer }];
  });
  const last = found.length < rowsMax ? null : found.at(-1)!.number;
  return { customers, lookedAt: found.length, last };
}

/** What a customer comes to in the periods that run, and in what is due as they end. */
export interface ChangedAmounts extends TenantCustomer {
  /** How far was looked: to the end of the last period of a price that changes; milliseconds since the epoch. */
  readonly until: number;
  /** By the catalog that holds, and by the wanted one if it were applied now. Usage is that of closed windows. */
  readonly before: Decimal;
  readonly after: Decimal;
}

/** Each once; without those that have more charges ahead than are looked at. */
export async function readChangedAmounts(
  queries: Queries,
  clickhouse: Pick<ClickHouse, 'query'>,
  wanted: WantedCatalog,
  customers: readonly ChangedCustomer[],
): Promise<ChangedAmounts[]> {
  const { versions, now, closedUpTo } = wanted;
  const after = versionsWith(wanted);
  const histories = [versions, after].map((of) => new CatalogHistory(of));
  const asked = [...groupBy(customers, customerText).values()].map((all): AheadWanted => {
    const [{ tenant, customer, subscriptions }] = all as [ChangedCustomer];
    const by = (history: CatalogHistory) => billedBy(history, subscriptions);
    const until = Math.max(...all.flatMap(({ prices }) => prices.map(({ period }) => period.end)));
    return { tenant, customer, sides: [by(histories[0]!), by(histories[1]!)], from: closedUpTo ?? now, now, until };
  });
  const { charges } = await readChargesAhead(queries, clickhouse, new RatingCatalog(after), asked);
  return charges.flatMap((sides, i): ChangedAmounts[] => {
    const { tenant, customer, until } = asked[i]!;
    return sides === null
      ? []
      : [{ tenant, customer, until, before: totalOf(sides[0].terms), after: totalOf(sides[1].terms) }];
  });
}

/** Of all of them together. */
export function totalAmounts(amounts: readonly ChangedAmounts[]): Pick<ChangedAmounts, 'before' | 'after'> {
  let [before, after] = [Decimal.zero, Decimal.zero];
  for (const each of amounts) [before, after] = [before.plus(each.before), after.plus(each.after)];
  return { before, after };
}
