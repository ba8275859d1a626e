// Takes a version of the catalog in: whomever it concerns is due from when on it holds. These are the customers that
// have one of the plans of which it says something else than the version before it, of the tenants whose catalog it is,
// and nobody besides: a price that changes for a hundred customers costs a hundred, however many there are.
//
// They are marked page by page, each in a statement by itself. A rater that is gone in between has not moved the
// progress, so all of them are marked again; to be due is a minimum, and whoever was rated meanwhile finds nothing
// missing.

import type { HeldShard } from '../../domain/accounts/shard.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion, VersionOfTenants } from '../../domain/catalog/tenant-versions.ts';
import type { RatingCatalog, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { RatingState } from '../store/rating-store.ts';

/** Marked in one statement. */
const CUSTOMERS_AT_ONCE = 10_000;

/** `catalogs`: of all versions up to that one, or of more. */
export async function markConcerned(
  store: Pick<RatingState, 'markHoldersDue'>,
  shards: readonly HeldShard[],
  catalogs: RatingCatalogs,
  { version: { version, effectiveAt }, tenants }: VersionOfTenants,
  watermark: number,
  customersMax = CUSTOMERS_AT_ONCE,
): Promise<void> {
  // What is known to come may change what a stretch before it costs.
  const dueAt = Math.min(effectiveAt, watermark);
  for (const plan of plansOf(catalogOf(catalogs, tenants), version)) {
    let after: TenantCustomer | null = null;
    do after = await store.markHoldersDue({ plan, tenants }, shards, dueAt, { after, customersMax });
    while (after !== null);
  }
}

/** Where several have the version, all say the same of it. */
const catalogOf = (catalogs: RatingCatalogs, tenants: TenantsOfVersion): RatingCatalog =>
  'tenant' in tenants ? catalogs.of(tenants.tenant) : catalogs.default;

/** Null: the default plan's payers, of whom no record says that they have it. */
function plansOf({ history }: RatingCatalog, version: number): readonly (string | null)[] {
  const plans = history.plansChangedBy(version);
  const isOfDefault = history.defaultPlan.some(({ value }) => value !== null && plans.includes(value));
  return isOfDefault ? [...plans, null] : plans;
}
