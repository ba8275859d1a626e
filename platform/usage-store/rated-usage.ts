// The usage that a rating bills: merged values of many subjects, of one tenant or of many, from rows of sealed chunks
// alone. What merges is what every other read of usage merges by (usage-query.ts), so that a price and a chart can't
// disagree about what a meter says. A statement costs some milliseconds, whatever it reads: so it names as many
// subjects as it can.
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { KeptUsage } from '../../domain/aggregation/period-value.ts';
import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { type SealedBy, sealedRowsCondition } from './sealed-rows.ts';
import { type SubjectSets, setsBySubject, setsOfSubject, setTable, subjectsOfSets } from './subject-sets.ts';
import { type TakenGroups, takenConditions } from './taken-groups.ts';
import {
  asDecimal,
  boundSeconds,
  bucketExpression,
  MERGES,
  quantityFromStore,
  USAGE_SETTINGS,
  type UsageSelection,
} from './usage-query.ts';

export interface RatedUsageSelection extends Pick<UsageSelection, 'meter' | 'from' | 'to' | 'buckets'> {
  /** One or more, each once. */
  readonly subjects: readonly SubjectKey[];
  /** True: usage of different group values is told apart. */
  readonly byGroups?: boolean;
  readonly sealed: SealedBy;
  /** At all times, in order of time; one or more. */
  readonly taken: readonly TakenGroups[];
}

export interface RatedUsageRow extends SubjectKey, KeptUsage {
  /** Milliseconds since the epoch. */
  readonly bucketStart: number;
  /** Where groups are told apart: a JSON array in the order of the meter's dimensions. */
  readonly groupText?: string;
}

export interface FirstSeenSelection extends Omit<RatedUsageSelection, 'subjects' | 'buckets' | 'byGroups'> {
  readonly sets: SubjectSets;
}

export interface FirstSeenRow {
  /** Its number in the selection. */
  readonly set: number;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  /** Whole values: how many were seen in no earlier window of the set. */
  readonly values: bigint;
}

/** The bytes of the names that a statement may have, of the 262,144 that ClickHouse takes for all of it. */
const SUBJECT_BYTES_MAX = 100_000;

/** How many of these bytes a subject takes at most. */
export const subjectBytes = ({ tenant, subject }: SubjectKey): number =>
  Buffer.byteLength(quoted(tenant)) + Buffer.byteLength(quoted(subject)) + 4;

/** As many as a statement may name; one that names more by itself is alone. */
export function* inStatements<Item>(items: readonly Item[], bytesOf: (item: Item) => number): Iterable<Item[]> {
  let batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item);
    if (batch.length > 0 && bytes + size > SUBJECT_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

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
  subjects: readonly SubjectKey[],
  { meter, from, to, sealed }: Omit<RatedUsageSelection, 'subjects' | 'buckets' | 'byGroups'>,
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

/** A row for each subject and bucket that has usage, or for each of their group values, in any order. */
export async function readRatedUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: RatedUsageSelection,
): Promise<RatedUsageRow[]> {
  const { meter } = selection;
  const bucket = bucketExpression(selection);
  const params: Record<string, unknown> = { ...bucket.params };
  const { ofRows, ofGroups } = takenConditions(meter, selection.taken, params);
  const rows = rowsOf(selection.subjects, selection, ofRows, params);
  // any(): a condition on the key itself would be asked of every row and not of every group.
  const filters = ofGroups('any(r.group_values)');
  const { aggregate, of } = MERGES[meter.aggregation];
  const isByGroups = selection.byGroups === true;
  const { isMean } = aggregationRules(meter.aggregation);
  const keys = `tenant_key, subject_key, bucket_start${isByGroups ? ', group_text' : ''}`;
  const groupKey = filters.length > 0 && !isByGroups ? ', r.group_values' : '';
  const merged =
    `SELECT r.tenant AS tenant_key, r.subject AS subject_key, ${bucket.sql} AS bucket_start, ` +
    `${isByGroups ? 'r.group_values AS group_text, ' : ''}` +
    `${aggregate}State(${of}) AS state${isMean ? ', sum(r.event_count) AS event_count' : ''} FROM usage_rollups AS r FINAL ${rows} ` +
    `GROUP BY ${keys}${groupKey}${filters.length > 0 ? ` HAVING ${filters.join(' AND ')}` : ''}`;
  const sql =
    `SELECT ${keys}, toString(${asDecimal(meter.aggregation, `${aggregate}Merge(state)`)}) AS quantity` +
    `${isMean ? ', toString(sum(event_count)) AS events' : ''} ` +
    `FROM (${merged}) GROUP BY ${keys} ${USAGE_SETTINGS}`;
  const found = await clickhouse.query<{
    readonly tenant_key: string;
    readonly subject_key: string;
    readonly bucket_start: number | string;
    readonly group_text?: string;
    readonly quantity: string;
    readonly events?: string;
  }>(sql, params);
  return found.map(({ tenant_key, subject_key, bucket_start, group_text, quantity, events }) => ({
    ...{ tenant: tenant_key, subject: subject_key, bucketStart: Number(bucket_start) * 1_000 },
    quantity: quantityFromStore(quantity),
    ...(events !== undefined && { events: BigInt(events) }),
    ...(group_text !== undefined && { groupText: group_text }),
  }));
}

/**
 * Every value of the span is a group of its own: what memory has no room for goes to ClickHouse's disk. A row may have
 * all values of a chunk, so few rows are read at once.
 */
const FIRST_SEEN_SETTINGS = `${USAGE_SETTINGS}, max_bytes_before_external_group_by = 268435456, max_block_size = 256`;

/** Of a `unique` meter: how many values each window of the span adds to a set. */
export async function readFirstSeen(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: FirstSeenSelection,
): Promise<FirstSeenRow[]> {
  const { sets } = selection;
  const params: Record<string, unknown> = {};
  const { ofRows } = takenConditions(selection.meter, selection.taken, params, true);
  const rows = rowsOf(subjectsOfSets(sets), selection, ofRows, params);
  const values = `FROM usage_rollups AS r FINAL ARRAY JOIN r.unique_values AS unique_value ${rows}`;
  const start = 'toUnixTimestamp(r.window_start)';
  const numbers = setsBySubject(sets, selection);
  if (numbers !== null) {
    const keys = 'tenant_key, subject_key';
    const found = await clickhouse.query<StoredFirstSeen & { tenant_key: string; subject_key: string }>(
      `SELECT ${keys}, first_window, toString(count()) AS values FROM (` +
        `SELECT r.tenant AS tenant_key, r.subject AS subject_key, min(${start}) AS first_window ${values} ` +
        `GROUP BY ${keys}, unique_value) GROUP BY ${keys}, first_window ${FIRST_SEEN_SETTINGS}`,
      params,
    );
    return found.flatMap((row) =>
      setsOfSubject(numbers, { tenant: row.tenant_key, subject: row.subject_key }).map((set) => firstSeenOf(row, set)),
    );
  }
  const found = await clickhouse.query<StoredFirstSeen & { set_number: number }>(
    'SELECT set_number, first_window, toString(count()) AS values FROM (' +
      'SELECT set_number, unique_value, min(start) AS first_window FROM (' +
      `SELECT r.tenant AS tenant_key, r.subject AS subject_key, ${start} AS start, unique_value ${values}) AS used ` +
      `INNER JOIN ${setTable(sets)} AS named USING (tenant_key, subject_key) WHERE start >= starts AND start < ends ` +
      `GROUP BY set_number, unique_value) GROUP BY set_number, first_window ${FIRST_SEEN_SETTINGS}`,
    params,
  );
  return found.map((row) => firstSeenOf(row, Number(row.set_number)));
}

interface StoredFirstSeen {
  readonly first_window: number | string;
  readonly values: string;
}

const firstSeenOf = ({ first_window, values }: StoredFirstSeen, set: number): FirstSeenRow => ({
  ...{ set, windowStart: Number(first_window) * 1_000 },
  values: BigInt(values),
});
