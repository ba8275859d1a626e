// Subscriptions and catalogs are held against each other, so that no usage is charged twice (P3). Whichever of the two
// is committed later has to see the other:
//
//   whoever makes or changes a subscription   shares the fence from before its first row lock to its commit, and is
//                                             held against what is stored by then, published or not
//   whoever stores a catalog                  has the fence alone from its last look at subscriptions to its commit
//
// The fence is an advisory lock, whose waiters form a queue: a catalog waits for changes that have begun, and not for
// those behind it. What takes long, a look at all customers with several subscriptions, is done before: then only those
// are left whose subscriptions changed meanwhile.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { versionsOfTenant } from '../catalog-store.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { tenantCondition } from '../postgres/tenant-condition.ts';

// Any number that no other advisory lock of the database uses (apply-catalog.ts has …952).
const FENCE_KEY = '7812340953';

/** Until the transaction ends. To be taken before any row is locked. */
export async function shareOverlapFence(queries: Queries): Promise<void> {
  await queries.query('SELECT pg_advisory_xact_lock_shared($1)', [FENCE_KEY]);
}

/** Until the transaction ends. */
export async function closeOverlapFence(queries: Queries): Promise<void> {
  await queries.query('SELECT pg_advisory_xact_lock($1)', [FENCE_KEY]);
}

/**
 * What a tenant's catalog is to become, within the fence: of the versions that are stored, where one of them is newer
 * than what its caller knows; else null. `version`: the newest that is known.
 */
export async function storedHistory(queries: Queries, tenant: string, version: number): Promise<CatalogHistory | null> {
  const { rows } = await queries.query(
    `SELECT version FROM tallyline.tenant_catalog_versions WHERE tenant = $1 AND version > $2
     UNION ALL
     SELECT version FROM tallyline.catalog_versions WHERE version > $2
       AND NOT EXISTS (SELECT FROM tallyline.tenant_catalog_versions WHERE tenant = $1)
     LIMIT 1`,
    [tenant, version],
  );
  if (rows.length === 0) return null;
  return new CatalogHistory((await versionsOfTenant(queries, tenant)).of(tenant));
}

/** Whose subscriptions were made or changed from an instant on, by Postgres' clock in milliseconds. */
export async function changedSubscribersSince(
  queries: Queries,
  tenants: TenantsOfVersion,
  since: number,
): Promise<TenantCustomer[]> {
  const { sql, value } = tenantCondition(tenants, 'change.tenant', '$1');
  // Changes are found by tenant and time, so tenants are stepped through first: there are few.
  const { rows } = await queries.query<{ tenant: string; customer: string }>(
    `WITH RECURSIVE tenants AS (
       (SELECT tenant FROM tallyline.subscriptions ORDER BY tenant LIMIT 1)
       UNION ALL
       SELECT (SELECT each.tenant FROM tallyline.subscriptions AS each WHERE each.tenant > tenants.tenant
               ORDER BY each.tenant LIMIT 1)
       FROM tenants WHERE tenants.tenant IS NOT NULL
     )
     SELECT DISTINCT change.tenant, change.after->>'customer' AS customer
     FROM tenants
     JOIN tallyline.account_changes AS change
       ON change.tenant = tenants.tenant AND change.recorded_at >= $2 AND change.kind = 'subscription'
     WHERE ${sql}`,
    [value, new Date(since)],
  );
  return rows;
}
