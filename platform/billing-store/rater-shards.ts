// Which rater holds which shards of customers, and until when. A shard's epoch only rises, and each statement of an
// owner is conditional on it: so whoever was taken over changes nothing any more, however late it is. Leases are by the
// clock of Postgres, and decide only how soon somebody is taken over.
//
// Between the transactions of an owner and whoever takes its shard stands a lock by number: a rating has it shared, and
// who takes the shard has it alone while the epoch rises. Taking never waits, so nobody waits in a circle.
import type { HeldShard } from '../../domain/accounts/shard.ts';
import { instantParameter, namesOf, type Queries, recordOf, selected, valuesOf } from '../postgres/table-columns.ts';
import { type RaterProgress, raterProgressColumns } from './rater-progress.ts';

/** Shards that are equally far. */
export interface ShardGroup {
  readonly shards: readonly HeldShard[];
  readonly progress: RaterProgress;
}

export interface ShardState {
  readonly own: readonly ShardGroup[];
  /** Of raters that have a lease. */
  readonly others: readonly ShardGroup[];
  /** Nobody's, or of raters whose lease is over. */
  readonly free: readonly ShardGroup[];
  /** That have a lease, and the one that asks. */
  readonly raters: number;
}

/** In the order of their numbers. */
export const shardsOf = (groups: readonly ShardGroup[]): HeldShard[] =>
  groups.flatMap(({ shards }) => shards).sort((a, b) => a.shard - b.shard);

/** The first of the two numbers of a shard's lock. */
const SHARD_LOCKS = 7_111;

const parametersOf = (shards: readonly HeldShard[]): [number[], number[]] => [
  shards.map(({ shard }) => shard),
  shards.map(({ epoch }) => epoch),
];

/** As the rater of that name sees them. */
export async function readShards(queries: Queries, rater: string): Promise<ShardState> {
  const { rows } = await queries.query<Record<string, unknown>>(
    `SELECT held.holder, array_agg(held.shard::int ORDER BY held.shard) AS shards,
       array_agg(held.epoch::text ORDER BY held.shard) AS epochs, ${selected(raterProgressColumns, 'held')},
       (SELECT count(*)::int FROM tallyline.raters WHERE leased_until > clock_timestamp() OR name = $1) AS raters
     FROM (
       SELECT shard.*, CASE WHEN shard.owner = $1 THEN 'own' WHEN rater.leased_until > clock_timestamp() THEN 'others'
         ELSE 'free' END AS holder
       FROM tallyline.rater_shards shard LEFT JOIN tallyline.raters rater ON rater.name = shard.owner
     ) AS held GROUP BY held.holder, ${namesOf(raterProgressColumns, 'held')}`,
    [rater],
  );
  const groupsOf = (holder: string): ShardGroup[] =>
    rows
      .filter((row) => row.holder === holder)
      .map((row) => {
        const epochs = row.epochs as string[];
        const shards = (row.shards as number[]).map((shard, i) => ({ shard, epoch: Number(epochs[i]) }));
        return { shards, progress: recordOf(raterProgressColumns, row) };
      });
  const raters = Math.max(1, ...rows.map((row) => row.raters as number));
  return { own: groupsOf('own'), others: groupsOf('others'), free: groupsOf('free'), raters };
}

/** Rows of raters that are gone for longer are deleted. */
const GONE_FOR = '1 hour';

/** From now on, for so long, nobody takes what the rater holds. */
export async function prolongLease(queries: Queries, rater: string, leaseMs: number): Promise<void> {
  await queries.query(
    `WITH gone AS (
       DELETE FROM tallyline.raters WHERE leased_until < clock_timestamp() - interval '${GONE_FOR}' AND name <> $1
     )
     INSERT INTO tallyline.raters (name, leased_until) VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond')
     ON CONFLICT (name) DO UPDATE SET leased_until = excluded.leased_until`,
    [rater, leaseMs],
  );
}

/** It holds nothing any more, and is not waited for. */
export async function endLease(queries: Queries, rater: string): Promise<void> {
  await queries.query(
    `WITH ended AS (DELETE FROM tallyline.raters WHERE name = $1)
     UPDATE tallyline.rater_shards SET owner = NULL WHERE owner = $1`,
    [rater],
  );
}

/**
 * Takes those of the shards that are still free, and in whose transactions nobody is. What was taken is found by
 * reading the shards anew.
 */
export async function takeShards(queries: Queries, rater: string, shards: readonly HeldShard[]): Promise<void> {
  // Which are free is found first, so that no lock is tried of a shard that is not.
  await queries.query(
    `WITH free AS MATERIALIZED (
       SELECT shard.shard, shard.epoch
       FROM tallyline.rater_shards shard JOIN unnest($2::smallint[], $3::bigint[]) AS wanted (shard, epoch)
         ON wanted.shard = shard.shard AND wanted.epoch = shard.epoch
       WHERE NOT EXISTS (
         SELECT FROM tallyline.raters WHERE name = shard.owner AND leased_until > clock_timestamp())
     )
     UPDATE tallyline.rater_shards AS taken SET owner = $1, epoch = taken.epoch + 1
     FROM free WHERE taken.shard = free.shard AND taken.epoch = free.epoch
       AND pg_try_advisory_xact_lock(${SHARD_LOCKS}, free.shard::int)`,
    [rater, ...parametersOf(shards)],
  );
}

export async function giveBackShards(queries: Queries, rater: string, shards: readonly HeldShard[]): Promise<void> {
  await queries.query(
    `UPDATE tallyline.rater_shards AS given SET owner = NULL
     FROM unnest($2::smallint[], $3::bigint[]) AS held (shard, epoch)
     WHERE given.shard = held.shard AND given.epoch = held.epoch AND given.owner = $1`,
    [rater, ...parametersOf(shards)],
  );
}

/**
 * Keeps the shards from being taken until the transaction ends. A statement of its own: what the next one reads was
 * committed before it began.
 */
export async function lockShards(queries: Queries, shards: readonly HeldShard[]): Promise<void> {
  await queries.query(`SELECT pg_advisory_xact_lock_shared(${SHARD_LOCKS}, shard) FROM unnest($1::int[]) AS shard`, [
    shards.map(({ shard }) => shard),
  ]);
}

/** False: one of them was taken before. Of shards that are locked, it stays so until the transaction ends. */
export async function areHeld(queries: Queries, shards: readonly HeldShard[]): Promise<boolean> {
  const { rows } = await queries.query<{ held: number }>(
    `SELECT count(*)::int AS held
     FROM tallyline.rater_shards shard JOIN unnest($1::smallint[], $2::bigint[]) AS held (shard, epoch)
       ON shard.shard = held.shard AND shard.epoch = held.epoch`,
    parametersOf(shards),
  );
  return rows[0]!.held === shards.length;
}

/**
 * Says of the shards, before their windows are looked at, up to where these are closed. False: one was taken before.
 */
export async function announceClosing(
  queries: Queries,
  shards: readonly HeldShard[],
  closedUpTo: number,
): Promise<boolean> {
  const { rows } = await queries.query(
    `UPDATE tallyline.rater_shards AS told SET closing_up_to = greatest(told.closing_up_to, $3)
     FROM unnest($1::smallint[], $2::bigint[]) AS held (shard, epoch)
     WHERE told.shard = held.shard AND told.epoch = held.epoch RETURNING told.shard`,
    [...parametersOf(shards), instantParameter(closedUpTo)],
  );
  return rows.length === shards.length;
}

const PROGRESS = Object.values(raterProgressColumns).map(({ name, type }) => ({ name, type }));
const SET = PROGRESS.map(({ name }, i) => `${name} = $${i + 3}`).join(', ');
const IS_FROM = PROGRESS.map(
  ({ name, type }, i) => `moved.${name} IS NOT DISTINCT FROM $${PROGRESS.length + i + 3}::${type}`,
).join(' AND ');

/** Moves the shards on from the progress that a step began with. Resolves to those that it has moved. */
export async function advanceProgress(
  queries: Queries,
  { shards, progress: from }: ShardGroup,
  to: RaterProgress,
): Promise<number[]> {
  const { rows } = await queries.query<{ shard: number }>(
    `UPDATE tallyline.rater_shards AS moved SET ${SET}
     FROM unnest($1::smallint[], $2::bigint[]) AS held (shard, epoch)
     WHERE moved.shard = held.shard AND moved.epoch = held.epoch AND ${IS_FROM} RETURNING moved.shard::int AS shard`,
    [...parametersOf(shards), ...valuesOf(raterProgressColumns, to), ...valuesOf(raterProgressColumns, from)],
  );
  return rows.map(({ shard }) => shard);
}
