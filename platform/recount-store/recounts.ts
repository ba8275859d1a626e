// Requests to count a meter again, and how far they are. A request is made once by its id: the same one finds itself.
// It gets a row for each partition of the log; the partitions' owners do the rest (docs/inside/recounts.md).
import { acceptedFrom } from '../../domain/metering/event-outcome.ts';
import { Problem } from '../../domain/problem.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { appendChanges } from '../account-store/account-changes.ts';
import { publishedVersion, versionsOfTenant } from '../catalog-store.ts';
import {
  instant,
  int,
  namesOf,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  text,
  valuesOf,
  whole,
} from '../postgres/table-columns.ts';

const askedColumns = {
  /** Empty: of all tenants. */
  tenant: text('tenant'),
  id: text('id'),
  meter: text('meter'),
  catalogVersion: int('catalog_version'),
  /** Windows that start at or after it; milliseconds since the epoch. */
  from: instant('window_from'),
  /** And before it; null: up to where the version counts by itself. */
  to: nullable(instant('window_to')),
  actor: text('actor'),
};
export const recountColumns = { number: whole('number'), ...askedColumns, requestedAt: instant('requested_at') };

export type StoredRecount = RecordOf<typeof recountColumns>;
export type AskedRecount = Omit<RecordOf<typeof askedColumns>, 'catalogVersion'>;

/** How far a recount is. */
export interface RecountProgress extends StoredRecount {
  /** Chunks of the log that it concerns; null: not every partition knows yet. */
  readonly chunks: number | null;
  /** Those that are counted again and sealed. */
  readonly recounted: number;
  readonly isDone: boolean;
}

async function readAsked(queries: Queries, tenant: string, id: string): Promise<StoredRecount | null> {
  const { rows } = await queries.query(
    `SELECT ${selected(recountColumns, 'recount')} FROM tallyline.recounts recount WHERE tenant = $1 AND id = $2`,
    [tenant, id],
  );
  return rows[0] === undefined ? null : recordOf(recountColumns, rows[0]);
}

/**
 * The newest version that is in every partition of the log. Throws a `Problem` where the tenant's catalog, or that of
 * all who have none of their own, has no such meter then.
 */
async function versionWith(queries: Queries, tenant: string, meter: string): Promise<number> {
  const version = await publishedVersion(queries);
  const catalog = (await versionsOfTenant(queries, tenant)).at(tenant, version)?.catalog;
  if (catalog?.meters.some(({ slug }) => slug === meter) === true) return version;
  throw new Problem('unknown_meter', `The catalog in force has no meter ${JSON.stringify(meter.slice(0, 64))}.`);
}

/** Partitions of an earlier log have no owner who could count them again. */
async function requireReach(queries: Queries, from: number): Promise<void> {
  const { rows } = await queries.query<{ until: Date | null }>(
    `SELECT max(watermark) AS until FROM tallyline.partition_progress
     WHERE generation < (SELECT max(generation) FROM tallyline.topic_generations)`,
  );
  const until = rows[0]!.until?.getTime() ?? null;
  if (until === null || until < acceptedFrom(from)) return;
  throw new Problem(
    'recount_refused',
    `Events up to ${formatRfc3339(until)} are of an earlier event log, whose chunks can't be counted again. ` +
      'Ask from a later time on.',
  );
}

/**
 * Within a transaction. Asked again and equal, it is the one that is there; throws a `Problem` where another one has
 * the id, and where the tenant has one under way.
 */
export async function requestRecount(queries: Queries, asked: AskedRecount): Promise<StoredRecount> {
  const { tenant, id, meter, from, to, actor } = asked;
  // Those of a tenant are made one after the other.
  await queries.query("SELECT pg_advisory_xact_lock(hashtextextended('recounts of ' || $1, 0))", [tenant]);
  const there = await readAsked(queries, tenant, id);
  if (there !== null) {
    if (there.meter === meter && there.from === from && there.to === to) return there;
    throw new Problem('recount_refused', `Recount ${JSON.stringify(id)} is of another meter or range. Use another id.`);
  }
  const underWay = await readUnderWay(queries, tenant);
  if (underWay !== null) {
    throw new Problem(
      'recount_refused',
      `Recount ${JSON.stringify(underWay)} is under way. Ask again when it is done.`,
    );
  }
  const catalogVersion = await versionWith(queries, tenant, meter);
  await requireReach(queries, from);
  const { rows } = await queries.query(
    `INSERT INTO tallyline.recounts AS recount (${namesOf(askedColumns)}) VALUES ($1, $2, $3, $4, $5, $6, $7)
     RETURNING ${selected(recountColumns, 'recount')}`,
    valuesOf(askedColumns, { ...asked, catalogVersion }),
  );
  const stored = recordOf(recountColumns, rows[0]!);
  await queries.query(
    `INSERT INTO tallyline.recount_partitions (recount, generation, partition)
     SELECT $1, generation, partition FROM tallyline.partition_progress
     WHERE generation = (SELECT max(generation) FROM tallyline.topic_generations)`,
    [stored.number],
  );
  const after = { meter, catalogVersion, from: formatRfc3339(from), to: to === null ? null : formatRfc3339(to) };
  const recordedAt = Math.floor(stored.requestedAt);
  await appendChanges(queries, [
    { ...{ tenant, kind: 'recount', id, version: 1, actor, reason: null, recordedAt, after, personal: null } },
  ]);
  return stored;
}

/** Of a recount: is it open in a partition, or is one of its chunks due? */
const IS_UNDER_WAY = `(
  EXISTS (SELECT FROM tallyline.recount_partitions open
    WHERE open.recount = recount.number AND (open.to_chunk IS NULL OR open.next_chunk < open.to_chunk))
  OR EXISTS (SELECT FROM tallyline.due_chunks due JOIN tallyline.chunk_corrections correction
      USING (generation, partition, chunk) WHERE correction.recount = recount.number))`;

/** The id of one that is not done. */
async function readUnderWay(queries: Queries, tenant: string): Promise<string | null> {
  const { rows } = await queries.query<{ id: string }>(
    `SELECT id FROM tallyline.recounts recount WHERE tenant = $1 AND ${IS_UNDER_WAY} ORDER BY number LIMIT 1`,
    [tenant],
  );
  return rows[0]?.id ?? null;
}

/** Whether a recount of a meter of this slug is not done, of whoever's. */
export async function isRecountedNow(queries: Queries, meter: string): Promise<boolean> {
  const { rows } = await queries.query(
    `SELECT FROM tallyline.recounts recount WHERE meter = $1 AND ${IS_UNDER_WAY} LIMIT 1`,
    [meter],
  );
  return rows.length > 0;
}

export async function readRecount(queries: Queries, tenant: string, id: string): Promise<RecountProgress | null> {
  const { rows } = await queries.query(
    `SELECT ${selected(recountColumns, 'recount')}, NOT ${IS_UNDER_WAY} AS is_done,
       (SELECT CASE WHEN count(*) = count(open.to_chunk) THEN sum(open.to_chunk - open.from_chunk)::int END
         FROM tallyline.recount_partitions open WHERE open.recount = recount.number) AS chunks,
       (SELECT coalesce(sum(open.next_chunk - open.from_chunk), 0)::int FROM tallyline.recount_partitions open
         WHERE open.recount = recount.number)
       - (SELECT count(*)::int FROM tallyline.due_chunks due JOIN tallyline.chunk_corrections correction
           USING (generation, partition, chunk) WHERE correction.recount = recount.number) AS recounted
     FROM tallyline.recounts recount WHERE tenant = $1 AND id = $2`,
    [tenant, id],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return { ...recordOf(recountColumns, row), chunks: row.chunks, recounted: row.recounted, isDone: row.is_done };
}
