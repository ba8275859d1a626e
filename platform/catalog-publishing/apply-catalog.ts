// How a new version of a catalog comes into force: of the default, or of one tenant. What a crash leaves at each step
// is the table in docs/inside/catalog-by-tenant.md.
//
// One session lock makes all of it the work of one process of the installation at a time. Versions are numbered, stored
// and published in one order over all tenants: two publishers whose records overtake each other would let two owners of
// a partition decide differently, because each passes over a number that is not above its own. So whoever has the lock
// first publishes what another left stored, in order.
//
// What a version needs to know of its time is stored with it (T3): from when on its prices hold, and which windows were
// closed by then. A rater may close more of them before it meets the version. It looks at those again once it has, and
// writes what is missing: docs/inside/rating-by-terms.md.
import type pg from 'pg';
import type { AppliesTo, Catalog, CatalogVersion } from '../../domain/catalog/catalog.ts';
import { type Change, diffCatalogs, formatRefusal, type Refusal } from '../../domain/catalog/catalog-diff.ts';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { inTheirPlaces, meterStarts } from '../../domain/catalog/meter-meaning.ts';
import { type PriceStart, priceStarts } from '../../domain/terms/price-starts.ts';
import { versionFacts } from '../../domain/terms/record-rules.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import type { Author } from '../account-store/account-changes.ts';
import { readNow } from '../account-store/subject-assignments.ts';
import { readClosingUpTo } from '../billing-store/rater-progress.ts';
import { catalogVersions, newestVersion, tenantsWithOwn, versionsOfTenant } from '../catalog-store.ts';
import type { OverlapsWanted } from '../charges/new-overlaps.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { EventLog } from '../event-log/event-log.ts';
import { transactionOn } from '../postgres/pool.ts';
import { ofTenant } from '../postgres/tenant-fence.ts';
import { closeOverlapFence } from './overlap-fence.ts';
import { inPublication } from './publication.ts';
import { refusedByState } from './refused-catalogs.ts';
import { overlapsOf, refusedOverlaps, refusedSince } from './refused-overlaps.ts';
import { storeDefault, storedVersions, storeOfTenant } from './stored-versions.ts';

// Any number that no other advisory lock of the database uses (migrate.ts has …951).
const LOCK_KEY = '7812340952';
const EFFECTIVE_DATE = 'effective date';

/** The catalog can't be applied; nothing was changed. Each of `errors` is one line for a person. */
export class CatalogRefused extends Error {
  override readonly name = 'CatalogRefused';
  readonly errors: readonly string[];

  constructor(errors: readonly string[]) {
    super(errors.join('\n'));
    this.errors = errors;
  }
}

/** It says what it may not, by what is there already. */
export class CatalogConflict extends CatalogRefused {
  readonly refusals: readonly Refusal[];

  constructor(refusals: readonly Refusal[]) {
    super(refusals.map(formatRefusal));
    this.refusals = refusals;
  }
}

/** Somebody else has changed the catalog; nothing was changed. */
export class CatalogMoved extends Error {
  override readonly name = 'CatalogMoved';
  /** Of the catalog that holds. */
  readonly version: number;

  constructor(version: number) {
    super(`the catalog is at version ${version}`);
    this.version = version;
  }
}

export interface ApplyOptions {
  /** From when on its prices hold, in milliseconds since the epoch; may lie in the future. Left out: from now on. */
  readonly effectiveAt?: number;
  /** Left out: running. */
  readonly appliesTo?: AppliesTo;
  /** True: its prices may hold from before what was rated, which is then rated again, by adjustments. Left out: no. */
  readonly rerate?: boolean;
  /** Whose catalog it is to be. Left out: the default, of all who have none of their own. */
  readonly author?: Author;
  /**
   * The version that it is to follow; `any`: whichever there is; `none`: the tenant has had no catalog of its own. Left
   * out: nothing is asked for. What is there and says the same is never refused by it.
   */
  readonly follows?: number | 'any' | 'none';
  /** What tells whether usage was counted by a meter that is to become another one. Left out: then it can't. */
  readonly usage?: Pick<ClickHouse, 'query'> | null;
  /** How long another publisher is waited for, in milliseconds. Left out: as long as a statement may take. */
  readonly lockTimeoutMs?: number;
}

export interface Applied {
  /** The version that says what the file says: a new one, or the latest where there was nothing to change. */
  readonly version: number;
  readonly effectiveAt: number;
  /** Whether this call made it. */
  readonly isNew: boolean;
  /** Whether it is the first that its tenant, or the default, made. */
  readonly isFirst: boolean;
  /** To what held before. A tenant's first own version may say what the default does, and change nothing. */
  readonly changes: readonly Change[];
  /** From when on what has changed of meters and prices holds. */
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
 * Makes `wanted` the newest version of its tenant, or of the default, and publishes it. Doing it again changes
 * nothing, and finishes what a crash left open. Rejects with `CatalogRefused` or `CatalogMoved`, with an
 * `EventLogError` (the version may be stored then, and is published by the next apply) or with an error of Postgres.
 */
export async function applyCatalog(
  pool: pg.Pool,
  eventLog: EventLog,
  wanted: Catalog,
  source: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  const { author, lockTimeoutMs } = options;
  const tenant = author?.tenant ?? null;
  return whileLocked(pool, lockTimeoutMs, (client, onBroken) =>
    inPublication(storedVersions(client), eventLog, async () => {
      const standing = await standingOf(client, tenant);
      const { own, versions } = standing;
      const latest = versions.at(-1);
      const history = versions.map((each) => each.catalog);
      const catalog = inTheirPlaces(history, wanted);
      const { changes, refusals: found } = diffCatalogs(latest?.catalog ?? null, catalog, history);
      if (latest !== undefined && own > 0 && changes.length === 0) {
        refuseOtherDate(latest, options.effectiveAt);
        const { version, effectiveAt } = latest;
        return { version, effectiveAt, isNew: false, isFirst: false, changes, starts: [] };
      }
      refuseMoved(options.follows, standing);
      const tenants = tenant === null ? { except: await tenantsWithOwn(client) } : { tenant };
      const of = { catalog, versions, tenants, usage: options.usage ?? null };
      const refusals = [...found, ...(await refusedByState(client, of))];
      if (refusals.length > 0) throw new CatalogConflict(refusals);
      const made = {
        version: (await newestVersion(client)) + 1,
        catalog,
        source,
        ...(await factsNow(client, options)),
      };
      const store = () =>
        author === undefined ? storeDefault(client, made) : storeOfTenant(client, author, own + 1, made);
      const inOne = <Result>(work: () => Promise<Result>) =>
        transactionOn(client, work, author === undefined ? {} : { settings: ofTenant(author.tenant) }, onBroken);
      await storeFenced(client, overlapsOf(tenants, versions, made), store, inOne);
      const { version, effectiveAt } = made;
      const starts = [...meterStarts(latest?.catalog ?? null, catalog), ...priceStarts([...versions, made])];
      return { version, effectiveAt, isNew: true, isFirst: own === 0, changes, starts };
    }),
  );
}

/** Rejects with `CatalogConflict` where it would let usage be charged twice: `overlap-fence.ts`. */
async function storeFenced(
  client: pg.PoolClient,
  overlaps: OverlapsWanted | null,
  store: () => Promise<void>,
  inOne: <Result>(work: () => Promise<Result>) => Promise<Result>,
): Promise<void> {
  const refuse = (refusals: readonly Refusal[]): void => {
    if (refusals.length > 0) throw new CatalogConflict(refusals);
  };
  if (overlaps === null) return inOne(store);
  // What began before this instant is committed by then.
  const since = await inOne(async () => {
    await closeOverlapFence(client);
    return readNow(client);
  });
  refuse(await refusedOverlaps(client, overlaps));
  await inOne(async () => {
    await closeOverlapFence(client);
    refuse(await refusedSince(client, overlaps, since));
    await store();
  });
}

interface Standing {
  /** How many versions it has made: of a tenant those of its own. */
  readonly own: number;
  /** All that it has had: of a tenant also the defaults before its own. */
  readonly versions: readonly CatalogVersion[];
}

async function standingOf(client: pg.PoolClient, tenant: string | null): Promise<Standing> {
  if (tenant === null) {
    const versions = await catalogVersions(client);
    return { own: versions.length, versions };
  }
  const known = await versionsOfTenant(client, tenant);
  return { own: known.own(tenant).length, versions: known.of(tenant) };
}

function refuseMoved(follows: ApplyOptions['follows'], { own, versions }: Standing): void {
  const version = versions.at(-1)?.version ?? 0;
  const isMet =
    follows === undefined || (follows === 'none' ? own === 0 : follows === 'any' ? version > 0 : follows === version);
  if (!isMet) throw new CatalogMoved(version);
}

/**
 * What is stored with a version that is made now. Rejects with `CatalogRefused` where windows were closed after it.
 * (One that is closed between this and the insertion counts as open: then too the rater looks at it again.)
 */
async function factsNow(client: pg.PoolClient, { effectiveAt, appliesTo = 'running', rerate = false }: ApplyOptions) {
  const clock = await readNow(client);
  const facts = versionFacts(effectiveAt ?? 'now', { clock, closingUpTo: await readClosingUpTo(client), rerate });
  if ('earliest' in facts) {
    const earliest = formatRfc3339(facts.earliest);
    const reason = `usage was rated up to ${earliest}, the earliest instant that works without rerate`;
    throw new CatalogConflict([{ subject: EFFECTIVE_DATE, reason }]);
  }
  return { ...facts, appliesTo, recordedAt: clock };
}

/** A version is its difference to the one before, so what is there already has the date that it has (T13). */
function refuseOtherDate({ version, effectiveAt }: CatalogVersion, asked: number | undefined): void {
  if (asked === undefined || asked === effectiveAt) return;
  const reason = `version ${version} says the same, effective at ${formatRfc3339(effectiveAt)}; to move what it brings, apply what holds until then first, and this file again with its new date`;
  throw new CatalogConflict([{ subject: EFFECTIVE_DATE, reason }]);
}

/** A session lock, not a transaction's: the row must be committed before the log is appended to. */
async function whileLocked<Result>(
  pool: pg.Pool,
  lockTimeoutMs: number | undefined,
  work: (client: pg.PoolClient, onBroken: (error: Error) => void) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onBroken = (error: Error): void => {
    broken = error;
  };
  try {
    // The lock outlasts the transaction, and how long it is waited for does not.
    const settings = lockTimeoutMs === undefined ? {} : { lock_timeout: String(Math.ceil(lockTimeoutMs)) };
    await transactionOn(client, () => client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]), { settings }, onBroken);
    try {
      return await work(client, onBroken);
    } finally {
      // A connection that can't unlock is closed, which unlocks.
      await client.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]).catch(onBroken);
    }
  } finally {
    client.release(broken);
  }
}
