// A catalog is refused where a customer's subscriptions would charge the same usage twice by it (P3): as whatever else
// would make it so is. Most customers are looked at before the catalog has the fence alone (overlap-fence.ts), and
// those whose subscriptions changed meanwhile once it has.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { Catalog, CatalogVersion } from '../../domain/catalog/catalog.ts';
import type { Refusal } from '../../domain/catalog/catalog-diff.ts';
import { takesMore } from '../../domain/catalog/price-coverage.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { type CustomerOverlap, newOverlapsOf, type OverlapsWanted, readNewOverlaps } from '../charges/new-overlaps.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { changedSubscribersSince } from './overlap-fence.ts';

const CUSTOMERS_AT_ONCE = 1_000;
/** That are told. */
const OVERLAPS_MAX = 20;

const overlapRefusal = ({ tenant, customer, one, other, from }: CustomerOverlap): Refusal => ({
  subject: `customer ${customer} of tenant ${tenant}`,
  reason: `from ${formatRfc3339(from)} on price ${one.price} of subscription ${one.subscription} and price ${other.price} of subscription ${other.subscription} would both charge the same usage`,
});

/** The first of them. */
export const overlapRefusals = (overlaps: readonly CustomerOverlap[]): Refusal[] =>
  overlaps.slice(0, OVERLAPS_MAX).map(overlapRefusal);

/** What is to be looked at of a catalog; null: it can bring no overlap about. Most changes are of amounts. */
export function overlapsOf(
  tenants: TenantsOfVersion,
  versions: readonly CatalogVersion[],
  made: CatalogVersion,
): OverlapsWanted | null {
  const newest: Catalog | null = versions.at(-1)?.catalog ?? null;
  if (!takesMore(newest, made.catalog)) return null;
  const [before, after] = [new CatalogHistory(versions), new CatalogHistory([...versions, made])];
  return { tenants, before, after, from: made.effectiveAt };
}

/** Of all customers with several subscriptions. */
export async function refusedOverlaps(queries: Queries, wanted: OverlapsWanted): Promise<Refusal[]> {
  const found: CustomerOverlap[] = [];
  let last: TenantCustomer | null = null;
  do {
    const page = await readNewOverlaps(queries, wanted, { after: last, customersMax: CUSTOMERS_AT_ONCE });
    found.push(...page.overlaps);
    last = page.last;
  } while (last !== null && found.length < OVERLAPS_MAX);
  return overlapRefusals(found);
}

/** Of those whose subscriptions changed since; Postgres' clock. */
export async function refusedSince(queries: Queries, wanted: OverlapsWanted, since: number): Promise<Refusal[]> {
  const customers = await changedSubscribersSince(queries, wanted.tenants, since);
  return overlapRefusals(await newOverlapsOf(queries, wanted, customers));
}
