// The usage that a rating bills: merged values of many subjects, of one tenant or of many, from rows of sealed chunks
// alone. What merges is what every other read of usage merges by (usage-query.ts), so that a price and a chart can't
// disagree about what a meter says. A statement costs some milliseconds, whatever it reads: so it names as many
// subjects as it can.
import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import type { Seals } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { sealedRowsCondition } from './sealed-rows.ts';
import {
  asDecimal,
  boundSeconds,
  bucketExpression,
  filterConditions,
  MERGES,
  quantityFromStore,
  USAGE_SETTINGS,
  type UsageSelection,
} from './usage-query.ts';

export interface RatedUsageSelection extends Pick<UsageSelection, 'meter' | 'from' | 'to' | 'filters' | 'buckets'> {
  /** One or more, each once. */
  readonly subjects: readonly SubjectKey[];
  readonly sealed: Pick<Seals, 'vector' | 'epochSteps'>;
}

export interface RatedUsageRow extends SubjectKey {
  /** Milliseconds since the epoch. */
  readonly bucketStart: number;
  readonly quantity: Quantity;
}

export interface FirstSeenRow extends SubjectKey {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  /** Whole values: how many were seen in no earlier window of the selection. */
  readonly values: bigint;
}

/** The bytes of the names that a statement may have, of the 262,144 that ClickHouse takes for all of it. */
export const SUBJECT_BYTES_MAX = 100_000;

/** How many of these bytes a subject takes at most. */
export const subjectBytes = ({ tenant, subject }: SubjectKey): number =>
  Buffer.byteLength(quoted(tenant)) + Buffer.byteLength(quoted(subject)) + 4;

const listOf = (texts: Iterable<string>): string => [...new Set(texts)].map(quoted).join(', ');

/**
 * True of the rows of these subjects; what leaves fewest first. In the text of the statement: parameters travel in the
 * request's URL, which servers and proxies bound.
 */
export function ofSubjects(subjects: readonly SubjectKey[]): string {
  const tenants = listOf(subjects.map(({ tenant }) => tenant));
  const named = `r.subject IN (${listOf(subjects.map(({ subject }) => subject))}) AND r.tenant IN (${tenants})`;
  const isOfOne = subjects.every(({ tenant }) => tenant === subjects[0]!.tenant);
  if (isOfOne) return named;
  const pairs = subjects.map(({ tenant, subject }) => `(${quoted(tenant)}, ${quoted(subject)})`);
  return `(r.tenant, r.subject) IN (${pairs.join(', ')})`;
}

/** PREWHERE and WHERE. PREWHERE is about the table's key alone, which all versions of a row share (usage-query.ts). */
function rowsOf(
  { subjects, meter, from, to, sealed }: RatedUsageSelection,
  ofRows: readonly string[],
  params: Record<string, unknown>,
): string {
  const { sql, params: ofSeals } = sealedRowsCondition(sealed);
  Object.assign(params, ofSeals, { meter: meter.slug, from: boundSeconds(from), to: boundSeconds(to) });
  const inKey = [
    ofSubjects(subjects),
    ...ofRows,
    "r.window_start >= toDateTime({from:UInt32}, 'UTC')",
    "r.window_start < toDateTime({to:UInt32}, 'UTC')",
    'r.meter = {meter:String}',
  ];
  return `PREWHERE ${inKey.join(' AND ')} WHERE ${sql}`;
}

/** A row for each subject and bucket that has usage, in any order. */
export async function readRatedUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: RatedUsageSelection,
): Promise<RatedUsageRow[]> {
  const { meter } = selection;
  const bucket = bucketExpression(selection);
  const params: Record<string, unknown> = { ...bucket.params };
  const { ofRows, ofGroups } = filterConditions(selection, params);
  const rows = rowsOf(selection, ofRows, params);
  // any(): a condition on the key itself would be asked of every row and not of every group.
  const filters = ofGroups('any(r.group_values)');
  const { aggregate, of } = MERGES[meter.aggregation];
  const keys = 'tenant_key, subject_key, bucket_start';
  const merged =
    `SELECT r.tenant AS tenant_key, r.subject AS subject_key, ${bucket.sql} AS bucket_start, ` +
    `${aggregate}State(${of}) AS state FROM usage_rollups AS r FINAL ${rows} ` +
    `GROUP BY ${keys}${filters.length > 0 ? `, r.group_values HAVING ${filters.join(' AND ')}` : ''}`;
  const sql =
    `SELECT ${keys}, toString(${asDecimal(meter.aggregation, `${aggregate}Merge(state)`)}) AS quantity ` +
    `FROM (${merged}) GROUP BY ${keys} ${USAGE_SETTINGS}`;
  const found = await clickhouse.query<{
    readonly tenant_key: string;
    readonly subject_key: string;
    readonly bucket_start: number | string;
    readonly quantity: string;
  }>(sql, params);
  return found.map(({ tenant_key, subject_key, bucket_start, quantity }) => ({
    ...{ tenant: tenant_key, subject: subject_key, bucketStart: Number(bucket_start) * 1_000 },
    quantity: quantityFromStore(quantity),
  }));
}

/** Of a `unique` meter: how many values each window of the selection adds for a subject. Buckets are not regarded. */
export async function readFirstSeen(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: RatedUsageSelection,
): Promise<FirstSeenRow[]> {
  const params: Record<string, unknown> = {};
  const { ofRows, ofGroups } = filterConditions(selection, params);
  const rows = rowsOf(selection, [...ofRows, ...ofGroups('r.group_values')], params);
  const keys = 'tenant_key, subject_key';
  const sql =
    `SELECT ${keys}, first_window, toString(count()) AS values FROM (` +
    'SELECT r.tenant AS tenant_key, r.subject AS subject_key, min(toUnixTimestamp(r.window_start)) AS first_window ' +
    `FROM usage_rollups AS r FINAL ARRAY JOIN r.unique_values AS unique_value ${rows} ` +
    `GROUP BY ${keys}, unique_value) GROUP BY ${keys}, first_window ${USAGE_SETTINGS}`;
  const found = await clickhouse.query<{
    readonly tenant_key: string;
    readonly subject_key: string;
    readonly first_window: number;
    readonly values: string;
  }>(sql, params);
  return found.map((row) => ({
    ...{ tenant: row.tenant_key, subject: row.subject_key, windowStart: Number(row.first_window) * 1_000 },
    values: BigInt(row.values),
  }));
}
