// How far the rater is. Everything below it is rated; what lies between it and the seals of now is the next step.
import type { Pool } from 'pg';
import type { SealVector } from '../usage-store/seal-vector.ts';

export interface RaterProgress {
  readonly sealVector: SealVector;
  /** Milliseconds since the epoch; null before the first step. */
  readonly watermark: number | null;
  /** Windows that end by then are closed, whatever lateness is allowed later; null before the first step. */
  readonly closedUpTo: number | null;
  /** The newest catalog version whose subscriptions are taken in; 0: none. */
  readonly catalogVersion: number;
}

interface ProgressRow {
  readonly seal_vector: SealVector;
  readonly watermark: Date | null;
  readonly closed_up_to: Date | null;
  readonly catalog_version: number;
}

export async function readProgress(pool: Pool): Promise<RaterProgress> {
  const { rows } = await pool.query<ProgressRow>(
    'SELECT seal_vector, watermark, closed_up_to, catalog_version FROM tallyline.rater_progress',
  );
  const row = rows[0]!;
  return {
    sealVector: row.seal_vector,
    watermark: row.watermark?.getTime() ?? null,
    closedUpTo: row.closed_up_to?.getTime() ?? null,
    catalogVersion: row.catalog_version,
  };
}

/** Moves on from the progress a step began with. False: another rater has moved it meanwhile, and nothing is changed. */
export async function advanceProgress(pool: Pool, from: RaterProgress, to: RaterProgress): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE tallyline.rater_progress SET seal_vector = $1, watermark = $2, closed_up_to = $3, catalog_version = $4
     WHERE seal_vector = $5::jsonb AND watermark IS NOT DISTINCT FROM $6::timestamptz
       AND closed_up_to IS NOT DISTINCT FROM $7::timestamptz AND catalog_version = $8`,
    [
      JSON.stringify(to.sealVector),
      to.watermark === null ? null : new Date(to.watermark),
      to.closedUpTo === null ? null : new Date(to.closedUpTo),
      to.catalogVersion,
      JSON.stringify(from.sealVector),
      from.watermark === null ? null : new Date(from.watermark),
      from.closedUpTo === null ? null : new Date(from.closedUpTo),
      from.catalogVersion,
    ],
  );
  return rowCount === 1;
}
