// What all periods and line items of one rating have in common: the seals that it read and how far it closed. A rating
// is written in the transaction of what it wrote, and never changed.
import type { PoolClient } from 'pg';
import type { Rating } from '../../domain/billing/billing-period-terms.ts';
import type { SealVector } from '../../domain/sealing/seal-vector.ts';
import {
  instant,
  int,
  json,
  large,
  namesOf,
  nullable,
  placeholders,
  type Queries,
  recordOf,
  selected,
  valuesOf,
} from '../postgres/table-columns.ts';

const saidColumns = {
  /** Null: an item from before ratings were kept, of which the seals alone are known. */
  catalogVersion: nullable(int('catalog_version')),
  sealVector: json<SealVector>('seal_vector'),
  ratedWatermark: nullable(instant('rated_watermark')),
  closedUpTo: nullable(instant('closed_up_to')),
};
export const ratingColumns = { id: large('id'), ...saidColumns };
const periodRatingColumns = { ...ratingColumns, catalogVersion: int('catalog_version') };

/** Resolves to its id. */
export async function saveRating(client: PoolClient, rating: Rating): Promise<bigint> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO tallyline.ratings (${namesOf(saidColumns)}) VALUES (${placeholders(saidColumns)}) RETURNING id`,
    valuesOf(saidColumns, rating),
  );
  return BigInt(rows[0]!.id);
}

/** Those of periods, by id. */
export async function readRatings(queries: Queries, ids: Iterable<bigint>): Promise<ReadonlyMap<bigint, Rating>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const { rows } = await queries.query(
    `SELECT ${selected(periodRatingColumns, 'rating')} FROM tallyline.ratings rating WHERE rating.id = ANY($1::bigint[])`,
    [wanted.map(String)],
  );
  return new Map(
    rows.map((row) => {
      const { id, ...rating } = recordOf(periodRatingColumns, row);
      return [id, rating];
    }),
  );
}
