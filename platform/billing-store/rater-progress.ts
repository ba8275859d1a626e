// How far the raters are, by shards of customers. Everything below a shard's progress is rated of its customers; what
// lies between it and the seals of now is the next step of its owner.
import { shardOf } from '../../domain/accounts/shard.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { cutBack, type SealVector } from '../../domain/sealing/seal-vector.ts';
import {
  instant,
  int,
  json,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
} from '../postgres/table-columns.ts';

export const raterProgressColumns = {
  sealVector: json<SealVector>('seal_vector'),
  /** Null before the first step. */
  watermark: nullable(instant('watermark')),
  /** What ends by then is closed, whatever lateness is allowed later; null before the first step. */
  closedUpTo: nullable(instant('closed_up_to')),
  /** The newest catalog version that is taken in; 0: none. */
  catalogVersion: int('catalog_version'),
};

export type RaterProgress = RecordOf<typeof raterProgressColumns>;

const lesser = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : Math.min(a, b);

/** How far all of them are. */
export const leastProgress = (all: readonly RaterProgress[]): RaterProgress =>
  all.reduce((a, b) => ({
    sealVector: cutBack(a.sealVector, b.sealVector),
    watermark: lesser(a.watermark, b.watermark),
    closedUpTo: lesser(a.closedUpTo, b.closedUpTo),
    catalogVersion: Math.min(a.catalogVersion, b.catalogVersion),
  }));

const numbersOf = (customers: readonly TenantCustomer[]): number[] => [
  ...new Set(customers.map(({ tenant, customer }) => shardOf(tenant, customer))),
];

/** Of all of these customers; one at least. */
export async function readProgressOf(queries: Queries, customers: readonly TenantCustomer[]): Promise<RaterProgress> {
  const { rows } = await queries.query(
    `SELECT DISTINCT ${selected(raterProgressColumns, 'shard')} FROM tallyline.rater_shards shard
     WHERE shard.shard = ANY($1::smallint[])`,
    [numbersOf(customers)],
  );
  return leastProgress(rows.map((row) => recordOf(raterProgressColumns, row)));
}

/** Of all customers. */
export async function readProgress(queries: Queries): Promise<RaterProgress> {
  const { rows } = await queries.query(
    `SELECT DISTINCT ${selected(raterProgressColumns, 'shard')} FROM tallyline.rater_shards shard`,
  );
  return leastProgress(rows.map((row) => recordOf(raterProgressColumns, row)));
}

const CLOSING = 'max(greatest(closed_up_to, closing_up_to)) AS closing';

/**
 * Up to where windows of some customer may be closed already, by a step that is under way too; null before the first.
 */
export async function readClosingUpTo(queries: Queries): Promise<number | null> {
  const { rows } = await queries.query<{ closing: Date | null }>(`SELECT ${CLOSING} FROM tallyline.rater_shards`);
  return rows[0]!.closing?.getTime() ?? null;
}

/** The same of these customers, and the clock of Postgres after it was read, in milliseconds since the epoch. */
export async function readClosingOf(
  queries: Queries,
  customers: readonly TenantCustomer[],
): Promise<{ readonly ratedUpTo: number | null; readonly now: number }> {
  const { rows } = await queries.query<{ closing: Date | null; now: Date }>(
    `SELECT ${CLOSING}, date_trunc('milliseconds', clock_timestamp()) AS now
     FROM tallyline.rater_shards WHERE shard = ANY($1::smallint[])`,
    [numbersOf(customers)],
  );
  const { closing, now } = rows[0]!;
  return { ratedUpTo: closing?.getTime() ?? null, now: now.getTime() };
}
