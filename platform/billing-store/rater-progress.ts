// How far the rater is. Everything below it is rated; what lies between it and the seals of now is the next step.
import type { Pool } from 'pg';
import type { SealVector } from '../../domain/sealing/seal-vector.ts';
import {
  instant,
  int,
  json,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  valuesOf,
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

export async function readProgress(queries: Queries): Promise<RaterProgress> {
  const { rows } = await queries.query(
    `SELECT ${selected(raterProgressColumns, 'progress')} FROM tallyline.rater_progress progress`,
  );
  return recordOf(raterProgressColumns, rows[0]!);
}

const names = Object.values(raterProgressColumns).map(({ name, type }) => ({ name, type }));
const SET = names.map(({ name }, i) => `${name} = $${i + 1}`).join(', ');
const IS_FROM = names
  .map(({ name, type }, i) => `${name} IS NOT DISTINCT FROM $${names.length + i + 1}::${type}`)
  .join(' AND ');

/** Up to where windows may be closed already, by a step that is under way too; null before the first. */
export async function readClosingUpTo(queries: Queries): Promise<number | null> {
  const { rows } = await queries.query<{ closing: Date | null }>(
    'SELECT greatest(closed_up_to, closing_up_to) AS closing FROM tallyline.rater_progress',
  );
  return rows[0]!.closing?.getTime() ?? null;
}

/** The same, and the clock of Postgres after it was read, in milliseconds since the epoch. */
export async function readClosingNow(
  queries: Queries,
): Promise<{ readonly ratedUpTo: number | null; readonly now: number }> {
  const { rows } = await queries.query<{ closing: Date | null; now: Date }>(
    `SELECT greatest(closed_up_to, closing_up_to) AS closing, date_trunc('milliseconds', clock_timestamp()) AS now
     FROM tallyline.rater_progress`,
  );
  const { closing, now } = rows[0]!;
  return { ratedUpTo: closing?.getTime() ?? null, now: now.getTime() };
}

/** Says so before a step looks at the windows that it closes. */
export async function announceClosing(queries: Queries, closedUpTo: number): Promise<void> {
  await queries.query(
    `UPDATE tallyline.rater_progress SET closing_up_to = $1
     WHERE closing_up_to IS NULL OR closing_up_to < $1`,
    [new Date(closedUpTo)],
  );
}

/**
 * Moves on from the progress a step began with. False: another rater has moved it meanwhile, and nothing is changed.
 */
export async function advanceProgress(pool: Pool, from: RaterProgress, to: RaterProgress): Promise<boolean> {
  const { rowCount } = await pool.query(`UPDATE tallyline.rater_progress SET ${SET} WHERE ${IS_FROM}`, [
    ...valuesOf(raterProgressColumns, to),
    ...valuesOf(raterProgressColumns, from),
  ]);
  return rowCount === 1;
}
