// Makes a version `stored`, and `published`: a row that is committed, then a control record in every partition of the
// log, then published_at. Only whoever holds the lock of the installation calls these.
//
// A crash between the two leaves the version stored, and nobody counts by it, or some partitions do. Publishing appends
// its control records again, which is harmless: an aggregator passes over a version that is not newer than its own. The
// row is committed before the first append, so that whoever meets the control record can load the version.
import { hash } from 'node:crypto';
import type { AppliesTo, Catalog } from '../../domain/catalog/catalog.ts';
import { canonicalJson } from '../../domain/json/canonical-json.ts';
import { type Author, appendChanges } from '../account-store/account-changes.ts';
import type { EventLog } from '../event-log/event-log.ts';
import { encodeCatalogChange } from '../event-log/record-codec.ts';
import type { Queries } from '../postgres/table-columns.ts';

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

/** All that are stored and not published, of whoever, in the order of their numbers. */
export async function publishStored(queries: Queries, eventLog: EventLog): Promise<void> {
  const { rows } = await queries.query<{ version: number; home: string }>(
    `SELECT version, 'catalog_versions' AS home FROM tallyline.catalog_versions WHERE published_at IS NULL
     UNION ALL
     SELECT version, 'tenant_catalog_versions' FROM tallyline.tenant_catalog_versions WHERE published_at IS NULL
     ORDER BY version`,
  );
  for (const { version, home } of rows) {
    const record = encodeCatalogChange({ version });
    const partitions = Array.from({ length: eventLog.partitions }, (_, partition) => partition);
    await Promise.all(partitions.map((partition) => eventLog.append(partition, [record])));
    await queries.query(`UPDATE tallyline.${home} SET published_at = clock_timestamp() WHERE version = $1`, [version]);
  }
}
