// The rows that say which billing periods of a subject exist, what they are pinned to, and what their last rating read.
import type { Pool, PoolClient } from 'pg';
import type { SealVector } from '../usage-store/seal-vector.ts';
import type { PeriodTerms } from '../../rater/core/rating-targets.ts';
import type { PeriodKey } from './line-items.ts';

export interface SubjectKey {
  readonly tenant: string;
  readonly subject: string;
}

export interface BillingPeriod extends PeriodKey, PeriodTerms {
  /** The catalog version whose subscriptions drew the bounds. */
  readonly timelineVersion: number;
  readonly sealVector: SealVector;
  /** Milliseconds since the epoch; null: never rated. */
  readonly ratedWatermark: number | null;
  /** Windows that end by then were closed at the last rating; null: never rated. */
  readonly closedUpTo: number | null;
}

interface BillingPeriodRow {
  readonly tenant: string;
  readonly subject: string;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly plan: string;
  readonly catalog_version: number;
  readonly subscription_start: Date | null;
  readonly timeline_version: number;
  readonly seal_vector: SealVector;
  readonly rated_watermark: Date | null;
  readonly closed_up_to: Date | null;
}

const SELECT_PERIODS = `
  SELECT period.tenant, period.subject, period.period_start, period.period_end, period.plan, period.catalog_version,
    period.subscription_start, period.timeline_version, period.seal_vector, period.rated_watermark,
    period.closed_up_to
  FROM tallyline.billing_periods period`;

const periodOf = (row: BillingPeriodRow): BillingPeriod => ({
  tenant: row.tenant,
  subject: row.subject,
  periodStart: row.period_start.getTime(),
  periodEnd: row.period_end.getTime(),
  plan: row.plan,
  catalogVersion: row.catalog_version,
  subscriptionStart: row.subscription_start?.getTime() ?? null,
  timelineVersion: row.timeline_version,
  sealVector: row.seal_vector,
  ratedWatermark: row.rated_watermark?.getTime() ?? null,
  closedUpTo: row.closed_up_to?.getTime() ?? null,
});

const subjectColumns = (subjects: readonly SubjectKey[]) => [
  subjects.map((subject) => subject.tenant),
  subjects.map((subject) => subject.subject),
];

/** All periods of the subjects, as they are now. */
export async function readBillingPeriods(pool: Pool, subjects: readonly SubjectKey[]): Promise<BillingPeriod[]> {
  const { rows } = await pool.query<BillingPeriodRow>(
    `${SELECT_PERIODS} JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, subject) USING (tenant, subject)`,
    subjectColumns(subjects),
  );
  return rows.map(periodOf);
}

/** All periods of subjects with these names, in every tenant. */
export async function readBillingPeriodsNamed(pool: Pool, subjects: readonly string[]): Promise<BillingPeriod[]> {
  const { rows } = await pool.query<BillingPeriodRow>(`${SELECT_PERIODS} WHERE period.subject = ANY($1::text[])`, [
    subjects,
  ]);
  return rows.map(periodOf);
}

/**
 * Locks the subjects until the transaction ends, then reads all their periods. The advisory lock covers the periods that do
 * not exist yet as well: two raters with different catalogs could else each add one that overlaps the other's.
 */
export async function lockBillingPeriods(
  client: PoolClient,
  subjects: readonly SubjectKey[],
): Promise<BillingPeriod[]> {
  // Taken in order of the key, so that two transactions never wait for each other.
  await client.query(
    `SELECT pg_advisory_xact_lock(key) FROM (
       SELECT DISTINCT hashtextextended(tenant, hashtextextended(subject, 7110)) AS key
       FROM unnest($1::text[], $2::text[]) AS wanted (tenant, subject) ORDER BY key
     ) AS keys`,
    subjectColumns(subjects),
  );
  const { rows } = await client.query<BillingPeriodRow>(
    `${SELECT_PERIODS} JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, subject) USING (tenant, subject)
     ORDER BY period.tenant, period.subject, period.period_start FOR UPDATE OF period`,
    subjectColumns(subjects),
  );
  return rows.map(periodOf);
}

const instantOrNull = (time: number | null): Date | null => (time === null ? null : new Date(time));

/** Adds the periods that were rated, or moves them on. */
export async function saveRatedPeriods(client: PoolClient, periods: readonly BillingPeriod[]): Promise<void> {
  if (periods.length === 0) return;
  await client.query(
    `INSERT INTO tallyline.billing_periods AS period (tenant, subject, period_start, period_end, plan, catalog_version,
       subscription_start, timeline_version, seal_vector, rated_watermark, closed_up_to, rated_at)
     SELECT rated.*, clock_timestamp()
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::int[], $7::timestamptz[],
       $8::int[], $9::jsonb[], $10::timestamptz[], $11::timestamptz[]) AS rated
     ON CONFLICT (tenant, subject, period_start) DO UPDATE SET period_end = EXCLUDED.period_end, plan = EXCLUDED.plan,
       catalog_version = EXCLUDED.catalog_version, subscription_start = EXCLUDED.subscription_start,
       timeline_version = EXCLUDED.timeline_version, seal_vector = EXCLUDED.seal_vector,
       rated_watermark = EXCLUDED.rated_watermark, closed_up_to = EXCLUDED.closed_up_to, rated_at = EXCLUDED.rated_at`,
    [
      periods.map((period) => period.tenant),
      periods.map((period) => period.subject),
      periods.map((period) => new Date(period.periodStart)),
      periods.map((period) => new Date(period.periodEnd)),
      periods.map((period) => period.plan),
      periods.map((period) => period.catalogVersion),
      periods.map((period) => instantOrNull(period.subscriptionStart)),
      periods.map((period) => period.timelineVersion),
      periods.map((period) => JSON.stringify(period.sealVector)),
      periods.map((period) => instantOrNull(period.ratedWatermark)),
      periods.map((period) => instantOrNull(period.closedUpTo)),
    ],
  );
}
