// Catalog versions in Postgres, as they are read. A version's number is one for the installation; the default's
// versions and those of tenants are in two tables, and no number is in both (docs/inside/catalog-by-tenant.md). A
// version never changes. How one is made, and what "published" is, says catalog-publishing/apply-catalog.ts.
import type pg from 'pg';
import {
  type AppliesTo,
  type Catalog,
  type CatalogVersion,
  emptyCatalog,
  type Meter,
} from '../domain/catalog/catalog.ts';
import { TenantVersions } from '../domain/catalog/tenant-versions.ts';
import { groupBy } from '../domain/composite-key.ts';
import type { Queries } from './postgres/table-columns.ts';

interface VersionRow {
  /** Null: it is of the default. */
  readonly tenant: string | null;
  readonly version: number;
  readonly effective_at: Date;
  readonly closed_up_to: Date | null;
  readonly applies_to: AppliesTo | null;
  readonly catalog: Catalog;
}

const DEFAULTS =
  'SELECT NULL AS tenant, version, effective_at, closed_up_to, applies_to, catalog FROM tallyline.catalog_versions';
const OWN =
  'SELECT tenant, version, effective_at, closed_up_to, applies_to, catalog FROM tallyline.tenant_catalog_versions';

const toVersion = ({ version, effective_at, closed_up_to, applies_to, catalog }: VersionRow): CatalogVersion => ({
  version,
  effectiveAt: effective_at.getTime(),
  catalog,
  ...(applies_to !== null && { appliesTo: applies_to }),
  ...(closed_up_to !== null && { closedUpTo: closed_up_to.getTime() }),
});

const nothingYet: CatalogVersion = { version: 0, effectiveAt: 0, catalog: emptyCatalog };

// A version never changes, so it is read once and kept, one copy for all who read by the same pool. There are few: one
// for each time a catalog was changed. Polling for a new one then transfers no catalog.
const versionsRead = new WeakMap<Queries, Map<number, CatalogVersion>>();

/** Those that there are of some versions, by their numbers. */
async function readVersions(db: Queries, numbers: readonly number[]): Promise<ReadonlyMap<number, CatalogVersion>> {
  const read = versionsRead.get(db) ?? new Map<number, CatalogVersion>();
  versionsRead.set(db, read);
  const missing = numbers.filter((number) => !read.has(number));
  if (missing.length > 0) {
    const { rows } = await db.query<VersionRow>(
      `${DEFAULTS} WHERE version = ANY($1) UNION ALL ${OWN} WHERE version = ANY($1)`,
      [missing],
    );
    for (const row of rows) read.set(row.version, toVersion(row));
  }
  return read;
}

const newestOf = (table: string, condition: string): string =>
  `coalesce((SELECT max(version) FROM tallyline.${table} WHERE ${condition}), 0)`;

/** Of both tables; 0: there is none. */
async function newestWhere(db: Queries, condition: string): Promise<number> {
  const { rows } = await db.query<{ version: number }>(
    `SELECT greatest(${newestOf('catalog_versions', condition)}, ${newestOf('tenant_catalog_versions', condition)})
       AS version`,
  );
  return rows[0]!.version;
}

async function newestDefaultWhere(db: Queries, condition: string): Promise<CatalogVersion> {
  const { rows } = await db.query<{ version: number }>(`SELECT ${newestOf('catalog_versions', condition)} AS version`);
  const { version } = rows[0]!;
  return version === 0 ? nothingYet : ((await readVersions(db, [version])).get(version) ?? nothingYet);
}

/** The newest version of the default, published or not; version 0, the empty catalog, before the first. */
export const latestCatalog = (db: Queries): Promise<CatalogVersion> => newestDefaultWhere(db, 'true');

const PUBLISHED = 'published_at IS NOT NULL';

/**
 * The newest version of the default that is published; version 0, the empty catalog, before the first. Cheap to poll.
 */
export const publishedCatalog = (pool: pg.Pool): Promise<CatalogVersion> => newestDefaultWhere(pool, PUBLISHED);

/** The greatest number of whoever's catalog, published or not; 0 before the first. */
export const newestVersion = (db: Queries): Promise<number> => newestWhere(db, 'true');

/**
 * The greatest number, of whoever's catalog, that every partition of the log holds; 0 before the first. All below it
 * are published too.
 */
export const publishedVersion = (db: Queries): Promise<number> => newestWhere(db, PUBLISHED);

/** Of whoever's catalog it is. Null where there is no such version. */
export const catalogVersion = async (pool: pg.Pool, version: number): Promise<CatalogVersion | null> =>
  (await readVersions(pool, [version])).get(version) ?? null;

/** All versions of the default, published or not, ascending. */
export async function catalogVersions(db: Queries): Promise<CatalogVersion[]> {
  const { rows } = await db.query<VersionRow>(`${DEFAULTS} ORDER BY version`);
  return rows.map(toVersion);
}

/** Those with a catalog of their own, published or not. */
export async function tenantsWithOwn(db: Queries): Promise<string[]> {
  const { rows } = await db.query<{ tenant: string }>('SELECT DISTINCT tenant FROM tallyline.tenant_catalog_versions');
  return rows.map(({ tenant }) => tenant);
}

/** The versions of all tenants, published or not. */
export async function tenantVersions(db: Queries): Promise<TenantVersions> {
  return toTenantVersions((await db.query<VersionRow>(`${DEFAULTS} UNION ALL ${OWN} ORDER BY version`)).rows);
}

/** Those of the default and of one tenant. */
export async function versionsOfTenant(db: Queries, tenant: string): Promise<TenantVersions> {
  const { rows } = await db.query<VersionRow>(`${DEFAULTS} UNION ALL ${OWN} WHERE tenant = $1 ORDER BY version`, [
    tenant,
  ]);
  return toTenantVersions(rows);
}

function toTenantVersions(rows: readonly VersionRow[]): TenantVersions {
  const own = groupBy(
    rows.filter(({ tenant }) => tenant !== null),
    ({ tenant }) => tenant!,
  );
  return new TenantVersions(
    rows.filter(({ tenant }) => tenant === null).map(toVersion),
    new Map([...own].map(([tenant, versions]) => [tenant, versions.map(toVersion)])),
  );
}

/** Which versions hold at one of them: the newest that are not above it. */
export interface VersionsAt {
  /** Of the default; 0: it has none yet. */
  readonly default: number;
  /** Of those that have a catalog of their own by then. */
  readonly own: ReadonlyMap<string, number>;
}

/** Null where there is no such version. Reads numbers alone. */
export async function versionsAt(db: Queries, version: number): Promise<VersionsAt | null> {
  const { rows } = await db.query<{ tenant: string | null; version: number }>(
    `SELECT NULL AS tenant, max(version) AS version FROM tallyline.catalog_versions WHERE version <= $1
     HAVING max(version) IS NOT NULL
     UNION ALL
     SELECT tenant, max(version) FROM tallyline.tenant_catalog_versions WHERE version <= $1 GROUP BY tenant`,
    [version],
  );
  // A version is the newest of its own tenant, or of the default, at itself.
  if (!rows.some((row) => row.version === version)) return null;
  const own = rows.filter(({ tenant }) => tenant !== null).map((row) => [row.tenant!, row.version] as const);
  return { default: rows.find(({ tenant }) => tenant === null)?.version ?? 0, own: new Map(own) };
}

/** Meters as they are read by whoever meters events. None of them is kept here. */
export interface StoredMeters {
  /** Null where there is no such version. */
  versionsAt(version: number): Promise<VersionsAt | null>;
  /** Of the catalogs with these numbers, whoever's they are. */
  metersOf(numbers: readonly number[]): Promise<ReadonlyMap<number, readonly Meter[]>>;
}

export interface PublishedMeters extends StoredMeters {
  publishedVersion(): Promise<number>;
}

export const publishedMeters = (db: Queries): PublishedMeters => ({
  publishedVersion: () => publishedVersion(db),
  versionsAt: (version) => versionsAt(db, version),
  metersOf: (numbers) => metersOfVersions(db, numbers),
});

async function metersOfVersions(
  db: Queries,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, readonly Meter[]>> {
  const { rows } = await db.query<{ version: number; meters: readonly Meter[] }>(
    `SELECT version, catalog->'meters' AS meters FROM tallyline.catalog_versions WHERE version = ANY($1)
     UNION ALL
     SELECT version, catalog->'meters' FROM tallyline.tenant_catalog_versions WHERE version = ANY($1)`,
    [numbers],
  );
  return new Map(rows.map(({ version, meters }) => [version, meters]));
}
