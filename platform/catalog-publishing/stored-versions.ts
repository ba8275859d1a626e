// The rows of versions: how one is stored, and how it is noted that it is published. Only whoever holds the lock of the
// installation calls these.
import { hash } from 'node:crypto';
import type { AppliesTo, Catalog } from '../../domain/catalog/catalog.ts';
import { canonicalJson } from '../../domain/json/canonical-json.ts';
import { type Author, appendChanges } from '../account-store/account-changes.ts';
import type { Queries } from '../postgres/table-columns.ts';
import type { StoredVersions } from './publication.ts';

const CATALOG_DEPTH_MAX = 16;

export interface VersionToStore {
  readonly version: number;
  /** All three in milliseconds since the epoch. */
  readonly effectiveAt: number;
  readonly closedUpTo: number;
  readonly recordedAt: number;
  readonly appliesTo: AppliesTo;
  readonly catalog: Catalog;
  /** As it was handed in. */
  readonly source: string;
}

const COLUMNS = 'version, effective_at, closed_up_to, applies_to, catalog, source, digest';

const valuesOf = ({ version, effectiveAt, closedUpTo, appliesTo, catalog, source }: VersionToStore): unknown[] => [
  ...[version, new Date(effectiveAt), new Date(closedUpTo), appliesTo, JSON.stringify(catalog), source],
  hash('sha256', canonicalJson(catalog, CATALOG_DEPTH_MAX), 'buffer'),
];

export async function storeDefault(queries: Queries, made: VersionToStore): Promise<void> {
  await queries.query(
    `INSERT INTO tallyline.catalog_versions (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    valuesOf(made),
  );
}

/** In one transaction. `change`: how many versions of its own the tenant has with this one. */
export async function storeOfTenant(
  queries: Queries,
  { tenant, actor }: Author,
  change: number,
  made: VersionToStore,
): Promise<void> {
  await queries.query(
    `INSERT INTO tallyline.tenant_catalog_versions (${COLUMNS}, tenant) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [...valuesOf(made), tenant],
  );
  const { version: catalogVersion, effectiveAt, appliesTo, recordedAt } = made;
  const after = { catalogVersion, effectiveAt, appliesTo };
  const id = 'catalog';
  await appendChanges(queries, [
    { tenant, kind: 'catalog', id, version: change, actor, reason: null, recordedAt, after, personal: null },
  ]);
}

/** On a connection that has the lock of the installation. */
export const storedVersions = (queries: Queries): StoredVersions => ({
  async unpublished() {
    const { rows } = await queries.query<{ version: number }>(
      `SELECT version FROM tallyline.catalog_versions WHERE published_at IS NULL
       UNION ALL
       SELECT version FROM tallyline.tenant_catalog_versions WHERE published_at IS NULL
       ORDER BY version`,
    );
    return rows.map(({ version }) => version);
  },
  async notePublished(version) {
    for (const table of ['catalog_versions', 'tenant_catalog_versions']) {
      await queries.query(`UPDATE tallyline.${table} SET published_at = clock_timestamp() WHERE version = $1`, [
        version,
      ]);
    }
  },
});
