// Catalog versions in Postgres, and how a new one comes into force.
//
// A version is `stored` (its row is committed; nobody acts on it), then `published` (every partition of the log holds
// its control record; only then is published_at set). A crash between the two leaves it stored; the next apply, of
// whatever file, appends its control records again, which is harmless: an aggregator passes over a version that is not
// newer than its own. The row is committed before the first append, so that whoever meets the control record can load
// the version. One session lock makes all this the work of one process at a time. Versions are published in order and
// never change.
//
// What a version needs to know of its time is stored with it (T3): from when on its prices hold, and which windows were
// closed by then. A rater may close more of them before it meets the version. It looks at those again once it has, and
// writes what is missing: docs/inside/rating-by-terms.md.
import { hash } from 'node:crypto';
import type pg from 'pg';
import {
  type AppliesTo,
  type Catalog,
  type CatalogVersion,
  emptyCatalog,
  type Price,
} from '../domain/catalog/catalog.ts';
import { type Change, diffCatalogs, formatRefusal, type Refusal } from '../domain/catalog/catalog-diff.ts';
import { formatCatalogError, readCatalog } from '../domain/catalog/catalog-file.ts';
import { meaningFault, priceMeanings } from '../domain/catalog/price-meaning.ts';
import { TenantVersions } from '../domain/catalog/tenant-versions.ts';
import { canonicalJson } from '../domain/json/canonical-json.ts';
import { FIRST_RULE_SET, neededRuleSet } from '../domain/metering/rule-set.ts';
import { type PriceStart, priceStarts } from '../domain/terms/price-starts.ts';
import { versionFacts } from '../domain/terms/record-rules.ts';
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import { readNow } from './account-store/subject-assignments.ts';
import { readClosingUpTo } from './billing-store/rater-progress.ts';
import type { EventLog } from './event-log/event-log.ts';
import { encodeCatalogChange } from './event-log/record-codec.ts';
import { ruleSetInForce } from './event-log/topic-generation.ts';
import type { Queries } from './postgres/table-columns.ts';

// Any number that no other advisory lock of the database uses (migrate.ts has …951).
const LOCK_KEY = '7812340952';
const CATALOG_DEPTH_MAX = 16;

interface VersionRow {
  readonly version: number;
  readonly effective_at: Date;
  readonly closed_up_to: Date | null;
  readonly applies_to: AppliesTo | null;
  readonly catalog: Catalog;
}

const SELECT_VERSIONS =
  'SELECT version, effective_at, closed_up_to, applies_to, catalog FROM tallyline.catalog_versions';

const toVersion = ({ version, effective_at, closed_up_to, applies_to, catalog }: VersionRow): CatalogVersion => ({
  version,
  effectiveAt: effective_at.getTime(),
  catalog,
  ...(applies_to !== null && { appliesTo: applies_to }),
  ...(closed_up_to !== null && { closedUpTo: closed_up_to.getTime() }),
});

const nothingYet: CatalogVersion = { version: 0, effectiveAt: 0, catalog: emptyCatalog };

// A version never changes, so it is read once and kept, one copy for all who read by the same pool. There are few: one
// for each time the catalog was changed. Polling for a new one then transfers no catalog.
const versionsRead = new WeakMap<Queries, Map<number, CatalogVersion>>();

async function readVersion(db: Queries, version: number): Promise<CatalogVersion | null> {
  const read = versionsRead.get(db) ?? new Map<number, CatalogVersion>();
  versionsRead.set(db, read);
  const known = read.get(version);
  if (known !== undefined) return known;
  const { rows } = await db.query<VersionRow>(`${SELECT_VERSIONS} WHERE version = $1`, [version]);
  if (rows[0] === undefined) return null;
  const found = toVersion(rows[0]);
  read.set(version, found);
  return found;
}

/** 0: there is none. */
async function newestNumberWhere(db: Queries, condition: string): Promise<number> {
  const { rows } = await db.query<{ version: number | null }>(
    `SELECT max(version) AS version FROM tallyline.catalog_versions WHERE ${condition}`,
  );
  return rows[0]?.version ?? 0;
}

async function newestWhere(db: Queries, condition: string): Promise<CatalogVersion> {
  const version = await newestNumberWhere(db, condition);
  return version === 0 ? nothingYet : ((await readVersion(db, version)) ?? nothingYet);
}

/** The newest version, published or not; version 0, the empty catalog, before the first. */
export const latestCatalog = (db: Queries): Promise<CatalogVersion> => newestWhere(db, 'true');

const PUBLISHED = 'published_at IS NOT NULL';

/** The number of the newest version that every partition of the log holds; 0 before the first. */
export const publishedVersion = (db: Queries): Promise<number> => newestNumberWhere(db, PUBLISHED);

/** That version itself; version 0, the empty catalog, before the first. Cheap to poll. */
export const publishedCatalog = (pool: pg.Pool): Promise<CatalogVersion> => newestWhere(pool, PUBLISHED);

/** Its number alone. */
export async function readPublishedVersion(db: Queries): Promise<number> {
  const { rows } = await db.query<{ version: number | null }>(
    'SELECT max(version) AS version FROM tallyline.catalog_versions WHERE published_at IS NOT NULL',
  );
  return rows[0]?.version ?? 0;
}

/** Null where there is no such version. */
export const catalogVersion = (pool: pg.Pool, version: number): Promise<CatalogVersion | null> =>
  readVersion(pool, version);

/** All versions, published or not, ascending. */
export async function catalogVersions(db: Queries): Promise<CatalogVersion[]> {
  const { rows } = await db.query<VersionRow>(`${SELECT_VERSIONS} ORDER BY version`);
  return rows.map(toVersion);
}

/** The versions of all tenants, published or not. */
export async function tenantVersions(db: Queries): Promise<TenantVersions> {
  return new TenantVersions(await catalogVersions(db));
}

/** The catalog can't be applied; nothing was changed. Each of `errors` is one line for a person. */
export class CatalogRefused extends Error {
  readonly errors: readonly string[];

  constructor(errors: readonly string[]) {
    super(errors.join('\n'));
    this.name = 'CatalogRefused';
    this.errors = errors;
  }
}

export interface ApplyOptions {
  /** From when on its prices hold, in milliseconds since the epoch; may lie in the future. Left out: from now on. */
  readonly effectiveAt?: number;
  /** Left out: running. */
  readonly appliesTo?: AppliesTo;
}

export interface Applied {
  /** The version that says what the file says: a new one, or the latest where there was nothing to change. */
  readonly version: number;
  readonly effectiveAt: number;
  /** Empty: no new version was made. */
  readonly changes: readonly Change[];
  /** From when on what has changed of prices holds. */
  readonly starts: readonly PriceStart[];
}

/** Reads and applies a catalog file. Rejects with `CatalogRefused`, or as `applyCatalog` does. */
export async function applyCatalogFile(
  pool: pg.Pool,
  eventLog: EventLog,
  text: string,
  fileName: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  const reading = readCatalog(text, fileName);
  if (!reading.ok) throw new CatalogRefused(reading.errors.map(formatCatalogError));
  return applyCatalog(pool, eventLog, reading.catalog, text, options);
}

/**
 * Makes `catalog` the newest version and publishes it. Doing it again changes nothing, and finishes what a crash left
 * open. Rejects with `CatalogRefused`, with an `EventLogError` (the version may be stored then, and is published by the
 * next apply) or with an error of Postgres.
 */
export async function applyCatalog(
  pool: pg.Pool,
  eventLog: EventLog,
  catalog: Catalog,
  source: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  return whileLocked(pool, async (client) => {
    const versions = await catalogVersions(client);
    const latest = versions.at(-1);
    const { changes, refusals: found } = diffCatalogs(
      latest?.catalog ?? null,
      catalog,
      versions.map((each) => each.catalog),
    );
    const refusals = [...found, ...(await refusedByState(client, catalog))];
    if (refusals.length > 0) throw new CatalogRefused(refusals.map(formatRefusal));
    await publishStored(client, eventLog);
    if (latest !== undefined && changes.length === 0) {
      refuseOtherDate(latest, options.effectiveAt);
      return { version: latest.version, effectiveAt: latest.effectiveAt, changes, starts: [] };
    }
    const version = (latest?.version ?? 0) + 1;
    const made = { version, catalog, ...(await factsNow(client, options)) };
    await client.query(
      `INSERT INTO tallyline.catalog_versions
           (version, effective_at, closed_up_to, applies_to, catalog, source, digest)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        ...[version, new Date(made.effectiveAt), new Date(made.closedUpTo), made.appliesTo],
        ...[JSON.stringify(catalog), source, digestOf(catalog)],
      ],
    );
    await publishStored(client, eventLog);
    return { version, effectiveAt: made.effectiveAt, changes, starts: priceStarts([...versions, made]) };
  });
}

/**
 * What is stored with a version that is made now. Rejects with `CatalogRefused` where windows were closed after it.
 * (One that is closed between this and the insertion counts as open: then too the rater looks at it again.)
 */
async function factsNow(client: pg.PoolClient, { effectiveAt, appliesTo = 'running' }: ApplyOptions) {
  const facts = versionFacts(effectiveAt ?? 'now', {
    clock: await readNow(client),
    closingUpTo: await readClosingUpTo(client),
  });
  if ('earliest' in facts) {
    const earliest = formatRfc3339(facts.earliest);
    throw new CatalogRefused([`effective date: usage was rated up to ${earliest}, the earliest instant that works`]);
  }
  return { ...facts, appliesTo };
}

/** A version is its difference to the one before, so what is there already has the date that it has (T13). */
function refuseOtherDate({ version, effectiveAt }: CatalogVersion, asked: number | undefined): void {
  if (asked === undefined || asked === effectiveAt) return;
  throw new CatalogRefused([
    `effective date: version ${version} says the same, effective at ${formatRfc3339(effectiveAt)}; to move what it brings, apply what holds until then first, and this file again with its new date`,
  ]);
}

/** What of a catalog can't be applied by what the installation is, and not by what its catalogs said. */
export const refusedByState = async (db: Queries, catalog: Catalog): Promise<Refusal[]> => [
  ...(await refusedMeters(db, catalog)),
  ...(await refusedPrices(db, catalog)),
];

/** The prices whose slugs mean something else in a subscription that has a price of its own. */
async function refusedPrices(db: Queries, { plans }: Catalog): Promise<Refusal[]> {
  const prices = plans.flatMap((plan) => plan.prices.map((price) => ({ plan: plan.slug, price })));
  const { rows } = await db.query<{ slug: string; price: Price }>(
    `SELECT DISTINCT own.key AS slug, own.value AS price
     FROM tallyline.subscription_records r, jsonb_path_query(r.record, '$.patches[*].patch.overrides') AS overrides,
       jsonb_each(overrides) AS own
     WHERE own.key = ANY($1) AND jsonb_typeof(own.value) = 'object'`,
    [prices.map(({ price }) => price.slug)],
  );
  const meanings = priceMeanings([{ slug: 'of a subscription of its own', prices: rows.map(({ price }) => price) }]);
  return prices.flatMap(({ plan, price }) => {
    const fault = meaningFault(price, meanings.get(price.slug));
    return fault === null ? [] : [{ subject: `plan ${plan}, price ${price.slug}`, reason: fault }];
  });
}

/**
 * The meters that an owner of an earlier release would count by less than they say. Such an owner halts at a record
 * that is read by a rule set that it does not know, so the catalog has to wait until every partition is read by one.
 */
async function refusedMeters(db: Queries, { meters }: Catalog): Promise<Refusal[]> {
  const waiting = meters.filter((meter) => neededRuleSet(meter) > FIRST_RULE_SET);
  const inForce = waiting.length === 0 ? FIRST_RULE_SET : await ruleSetInForce(db);
  return waiting
    .filter((meter) => neededRuleSet(meter) > inForce)
    .map((meter) => ({
      subject: `meter ${meter.slug}`,
      reason: `has a filter or arithmetic, which takes rule set ${neededRuleSet(meter)}, and ${inForce} is in force: it changes within minutes once every aggregator runs this release; apply the file again then`,
    }));
}

const digestOf = (catalog: Catalog): Buffer => hash('sha256', canonicalJson(catalog, CATALOG_DEPTH_MAX), 'buffer');

async function publishStored(client: pg.PoolClient, eventLog: EventLog): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    'SELECT version FROM tallyline.catalog_versions WHERE published_at IS NULL ORDER BY version',
  );
  for (const { version } of rows) {
    const record = encodeCatalogChange({ version });
    const partitions = Array.from({ length: eventLog.partitions }, (_, partition) => partition);
    await Promise.all(partitions.map((partition) => eventLog.append(partition, [record])));
    await client.query('UPDATE tallyline.catalog_versions SET published_at = clock_timestamp() WHERE version = $1', [
      version,
    ]);
  }
}

/** A session lock, not a transaction's: the row must be committed before the log is appended to. */
async function whileLocked<Result>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    return await work(client);
  } finally {
    // A connection that can't unlock is closed, which unlocks.
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]).catch((error: Error) => {
      broken = error;
    });
    client.release(broken);
  }
}
