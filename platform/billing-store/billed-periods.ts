// Billing periods as far as they are billed: by their own last rating, or by the progress of their customer's shard
// where that is later. What the progress has passed over is billed, also where a period had nothing to rate and its row
// was left as it was.
import type { PeriodKey, PeriodStart } from '../../domain/billing/billing-period-terms.ts';
import { periodClosesAt } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { laterOf, type SealVector } from '../../domain/sealing/seal-vector.ts';
import type { Queries, RecordOf } from '../postgres/table-columns.ts';
import {
  bool,
  instant,
  instantParameter,
  int,
  json,
  namesOf,
  nullable,
  recordOf,
  selected,
  tableOf,
} from '../postgres/table-columns.ts';
import { periodKeyColumns, periodStartColumns } from './billing-periods.ts';

export interface BilledPeriod extends RecordOf<typeof periodKeyColumns> {
  /** The newest catalog version by which it is billed. */
  readonly catalogVersion: number;
  /** The customer is due: what has changed, or has come, is billed by the next step of a rater. */
  readonly isDue: boolean;
  /** The seals by which it is billed. */
  readonly sealVector: SealVector;
  /** The log's time by which it is billed, in milliseconds since the epoch; -Infinity where no rating has told. */
  readonly ratedWatermark: number;
  /** What ends by then was closed when it was billed; milliseconds since the epoch. */
  readonly closedUpTo: number;
}

/**
 * Every item of the period is closed and billed: what comes now are corrections. `meters`: those that price it, or more
 * than those.
 */
export const isComplete = (
  { periodEnd, closedUpTo }: Pick<BilledPeriod, 'periodEnd' | 'closedUpTo'>,
  meters: readonly Meter[],
): boolean => closedUpTo >= periodClosesAt(periodEnd, meters);

const billedColumns = {
  ratedVector: json<SealVector>('rated_vector'),
  passedVector: json<SealVector>('passed_vector'),
  ratedWatermark: nullable(instant('rated_watermark')),
  closedUpTo: instant('closed_up_to'),
  catalogVersion: int('catalog_version'),
  isDue: bool('is_due'),
};

const BILLED = `
  SELECT ${selected(periodKeyColumns, 'period')}, ${selected(billedColumns, 'billed')}
  FROM tallyline.billing_periods period JOIN tallyline.ratings rating ON rating.id = period.rating
  JOIN tallyline.rater_shards progress ON progress.shard = tallyline.shard_of(period.tenant, period.customer)
  CROSS JOIN LATERAL (
    SELECT rating.seal_vector AS rated_vector, progress.seal_vector AS passed_vector,
      greatest(rating.rated_watermark, progress.watermark) AS rated_watermark,
      greatest(rating.closed_up_to, progress.closed_up_to) AS closed_up_to,
      greatest(rating.catalog_version, progress.catalog_version) AS catalog_version,
      EXISTS (SELECT FROM tallyline.due_customers due WHERE (due.tenant, due.customer) = (period.tenant, period.customer)
        AND due.due_at <= progress.watermark) AS is_due
  ) billed`;

function periodOf(row: Readonly<Record<string, unknown>>): BilledPeriod {
  const { ratedVector, passedVector, ratedWatermark, ...billed } = recordOf(billedColumns, row);
  return {
    ...recordOf(periodKeyColumns, row),
    sealVector: laterOf(ratedVector, passedVector),
    ratedWatermark: ratedWatermark ?? Number.NEGATIVE_INFINITY,
    ...billed,
  };
}

/** All that start so and were ever rated. Each start is named once. */
export async function readBilledPeriods(queries: Queries, starts: readonly PeriodStart[]): Promise<BilledPeriod[]> {
  const wanted = tableOf(periodStartColumns, starts, 'wanted');
  const { rows } = await queries.query(
    `${BILLED} JOIN ${wanted.sql} USING (${namesOf(periodStartColumns)}) WHERE rating.closed_up_to IS NOT NULL`,
    wanted.params,
  );
  return rows.map(periodOf);
}

/**
 * Which periods are meant; null: whatever it is. Periods that reach out of the bounds (milliseconds since the epoch)
 * are not.
 */
export interface PeriodScope {
  readonly from: number | null;
  readonly to: number | null;
  readonly tenant: string | null;
}

export const scopeParams = ({ tenant, from, to }: PeriodScope): unknown[] => [
  tenant,
  instantParameter(from),
  instantParameter(to),
];

/** Those of the scope that were ever rated. */
export async function readBilledPeriodsIn(queries: Queries, scope: PeriodScope): Promise<BilledPeriod[]> {
  const { rows } = await queries.query(
    `${BILLED} WHERE rating.closed_up_to IS NOT NULL AND ($1::text IS NULL OR period.tenant = $1)
       AND ($2::timestamptz IS NULL OR period.period_start >= $2) AND ($3::timestamptz IS NULL OR period.period_end <= $3)`,
    scopeParams(scope),
  );
  return rows.map(periodOf);
}

/** The periods that follow `after` in the order of their keys; null: from the first. */
export async function readNextPeriods(
  queries: Queries,
  after: PeriodKey | null,
  periodsMax: number,
): Promise<PeriodKey[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(periodKeyColumns, 'period')} FROM tallyline.billing_periods period
     WHERE $1::text IS NULL OR (${namesOf(periodKeyColumns)}) > ($1, $2, $3, $4, $5)
     ORDER BY ${namesOf(periodKeyColumns)} LIMIT $6`,
    [
      ...[after?.tenant ?? null, after?.customer ?? null, after?.subscription ?? null],
      ...[instantParameter(after?.periodStart ?? null), instantParameter(after?.periodEnd ?? null), periodsMax],
    ],
  );
  return rows.map((row) => recordOf(periodKeyColumns, row));
}
