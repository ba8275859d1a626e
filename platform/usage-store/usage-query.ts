// Builds and runs the one SELECT that turns roll-up rows into usage. The partial values that partitions and chunks
// hold are merged here, and nowhere else, so that a price and a chart can't disagree about what a meter says.
import { isOneSubject } from '../../domain/aggregation/across.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { meanOf } from '../../domain/aggregation/period-value.ts';
import type { Aggregation, Meter } from '../../domain/catalog/catalog.ts';
import { acrossOf } from '../../domain/metering/meter.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { QUANTITY_FRACTION_DIGITS, type Quantity } from '../../domain/number/quantity.ts';
import type { RecountedSpan } from '../../domain/sealing/recount-runs.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { storedGroupTexts } from './group-texts.ts';
import { revisionCondition, type SqlFragment } from './sealed-rows.ts';
import { IS_REST_SQL, isOfTotals, NO_REST_SQL, readByTotals, totalsStart } from './usage-totals.ts';

/** Buckets of `stepMs` one after the other from `start`, up to the next segment. Milliseconds, whole seconds. */
interface BucketSegment {
  readonly start: number;
  readonly stepMs: number;
}

export interface UsageSelection {
  readonly tenant: string;
  readonly meter: Meter;
  /** Windows that start at or after `from` and before `to`; milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  /** Any of these; empty or absent: every subject of the tenant. */
  readonly subjects?: readonly string[];
  /** Any of `values` in the dimension counted from 0 in `meter.dimensions`. */
  readonly filters?: readonly { readonly dimension: number; readonly values: readonly string[] }[];
  /** True: a row for each subject. */
  readonly bySubject?: boolean;
  /** A row for each value of these dimensions, by position in `meter.dimensions`. */
  readonly groupBy?: readonly number[];
  /**
   * 'window': the meter's own. Segments, of which there is one or more, are sorted, and the first starts at `from`
   * or before.
   */
  readonly buckets: 'window' | readonly BucketSegment[];
  /** Only rows behind it in the order of an answer. */
  readonly after?: UsagePlace;
  readonly rowsMax?: number;
  /**
   * Windows that start then or later may be read from totals, milliseconds since the epoch (usage-totals.ts); absent or
   * null: none.
   */
  readonly totalsFrom?: number | null;
  /** Of which chunks the rows of a revision count; read before the usage. */
  readonly recounted: readonly RecountedSpan[];
}

export interface UsageRow {
  /** Milliseconds since the epoch. */
  readonly bucketStart: number;
  /** Null unless `bySubject`. */
  readonly subject: string | null;
  /** Values of `groupBy`, in its order. */
  readonly groups: readonly string[];
  readonly quantity: Quantity;
  readonly eventCount: bigint;
}

/** Where a row stands in the order of an answer: whatever is counted meanwhile, it stays there. */
type UsagePlace = Pick<UsageRow, 'bucketStart' | 'subject' | 'groups'>;

/** The aggregate function that makes one of several roll-up rows, and what it is given. */
interface UsageMerge {
  readonly aggregate: string;
  readonly of: string;
}

/** The order of `latest` is the order in which its values follow each other. */
export const MERGES: Readonly<Record<Aggregation, UsageMerge>> = {
  sum: { aggregate: 'sum', of: 'r.value' },
  count: { aggregate: 'sum', of: 'r.value' },
  max: { aggregate: 'max', of: 'r.value' },
  min: { aggregate: 'min', of: 'r.value' },
  latest: {
    aggregate: 'argMax',
    of: 'r.value, (r.latest_event_time, r.latest_accepted_at, r.generation, r.partition, r.latest_offset, r.latest_index)',
  },
  unique: { aggregate: 'uniqExactArray', of: 'r.unique_values' },
  avg: { aggregate: 'sum', of: 'r.value' },
};

/** What is merged as a decimal of scale 12; the number of unique values is a whole one. */
export const asDecimal = (aggregation: Aggregation, merged: string): string =>
  aggregation === 'unique' ? `toDecimal256(${merged}, 12)` : merged;

/** SQL of what `usage_rollups AS r` come to, a decimal of scale 12: the value, or of a mean the sum. */
export function mergeExpression(aggregation: Aggregation): string {
  const { aggregate, of } = MERGES[aggregation];
  return asDecimal(aggregation, `${aggregate}(${of})`);
}

// Rows of one key are all in one partition of the table, so FINAL need not look across them.
export const USAGE_SETTINGS = 'SETTINGS do_not_merge_across_partitions_select_final = 1';
const SECONDS_MAX = 2 ** 32 - 1;

/** Whole seconds for a bound on window starts, which are whole minutes. */
export const boundSeconds = (timeMs: number): number => Math.min(SECONDS_MAX, Math.max(0, Math.ceil(timeMs / 1_000)));

/** A stored decimal, which may have more integer digits than a single value, as a quantity. */
export function quantityFromStore(text: string): Quantity {
  const { coefficient, scale } = Decimal.parse(text);
  if (scale > QUANTITY_FRACTION_DIGITS)
    throw new RangeError(`stored quantity has more than 12 fraction digits: ${text}`);
  return coefficient * 10n ** BigInt(QUANTITY_FRACTION_DIGITS - scale);
}

/**
 * Which rows a selection reads, as PREWHERE. ClickHouse reads the columns of PREWHERE first, one after the
 * other, and each further column only where rows are left, which with FINAL it does not decide by itself: of 8,192
 * neighbours a read often wants a few. So what leaves fewest stands first, and the tenant and meter, by which the table
 * is sorted, last. All of it is asked before FINAL has dropped rows that were replaced: it may only be about the
 * table's key, which all versions of a row share. `ofRows`: further conditions of that kind.
 */
function rowsOf(selection: UsageSelection, ofRows: readonly string[], params: Record<string, unknown>): string {
  const inKey: string[] = [];
  if (selection.subjects !== undefined && selection.subjects.length > 0) {
    inKey.push('r.subject IN {subjects:Array(String)}');
    params.subjects = selection.subjects;
  }
  if (selection.after !== undefined && selection.bySubject === true && isOneBucket(selection)) {
    // The table is sorted by subject: so each page of a long list of subjects reads its own part of the rows.
    inKey.push('r.subject >= {after_subject:String}');
  }
  inKey.push(
    ...ofRows,
    "r.window_start >= toDateTime({from:UInt32}, 'UTC')",
    "r.window_start < toDateTime({to:UInt32}, 'UTC')",
    revisionCondition(selection.recounted),
    'r.meter = {meter:String}',
    'r.tenant = {tenant:String}',
  );
  params.tenant = selection.tenant;
  params.meter = selection.meter.slug;
  params.from = boundSeconds(Math.max(selection.from, selection.after?.bucketStart ?? 0));
  params.to = boundSeconds(Math.min(selection.to, totalsStart(selection) ?? selection.to));
  return `PREWHERE ${inKey.join(' AND ')}`;
}

/** Which totals a selection reads. The rest is among them where groups are asked for, so that it is noticed. */
function totalsOf(selection: UsageSelection, ofRows: readonly string[], params: Record<string, unknown>): string {
  const hasGroups = ofRows.length > 0 || (selection.groupBy ?? []).length > 0 || (selection.filters ?? []).length > 0;
  const inKey = [
    ...(ofRows.length > 0 ? [`(${IS_REST_SQL} OR ${ofRows.join(' AND ')})`] : []),
    "r.window_start >= toDateTime({totals_from:UInt32}, 'UTC')",
    "r.window_start < toDateTime({totals_to:UInt32}, 'UTC')",
    revisionCondition(selection.recounted),
    'r.meter = {meter:String}',
    'r.tenant = {tenant:String}',
  ];
  params.totals_from = boundSeconds(
    Math.max(selection.from, selection.after?.bucketStart ?? 0, totalsStart(selection) ?? 0),
  );
  params.totals_to = boundSeconds(selection.to);
  return `PREWHERE ${inKey.join(' AND ')}${hasGroups ? ` WHERE ${NO_REST_SQL}` : ''}`;
}

/** The aggregate function over the values of several subjects; null where the states of all merge into it. */
export function acrossAggregate(meter: Meter): 'sum' | 'max' | null {
  const across = acrossOf(meter);
  if (across === aggregationRules(meter.aggregation).acrossMerged) return null;
  if (isOneSubject(across)) throw new RangeError(`meter ${meter.slug}: ${meter.aggregation} has no ${across} subjects`);
  return across;
}

/** Filters on all dimensions name so many group values at most. */
const GROUP_TEXTS_MAX = 1_000;
/** ClickHouse looks for no more texts at once. */
const SEARCHED_TEXTS_MAX = 255;

/** The texts of all group values that the filters allow; null: they leave a dimension open, or are too many. */
function groupTexts({ meter, filters = [] }: Pick<UsageSelection, 'meter' | 'filters'>): string[] | null {
  const byDimension = new Map(filters.map(({ dimension, values }) => [dimension, values]));
  if (filters.length === 0 || filters.length !== byDimension.size || byDimension.size !== meter.dimensions.length) {
    return null;
  }
  let groups: string[][] = [[]];
  for (const dimension of meter.dimensions.keys()) {
    const values = byDimension.get(dimension) ?? [];
    if (groups.length * values.length > GROUP_TEXTS_MAX) return null;
    groups = groups.flatMap((group) => values.map((value) => [...group, value]));
  }
  return groups.flatMap(storedGroupTexts);
}

export interface FilterConditions {
  /** Of the table's key, for every row: true wherever the filters hold. */
  readonly ofRows: readonly string[];
  /** What is left to ask of the group values, of whose text `text` is SQL, where the first is true. */
  readonly ofGroups: (text: string) => string[];
}

/**
 * The conditions of the filters. To read JSON costs many times what it takes to look for a text, or to compare a
 * number with those of a few texts, as the values are for ClickHouse: so it is left for what is found by that.
 */
export function filterConditions(
  selection: Pick<UsageSelection, 'meter' | 'filters'>,
  params: Record<string, unknown>,
): FilterConditions {
  const { meter, filters = [] } = selection;
  const positions = filters.map(({ dimension }) => positionOf(meter, dimension));
  const texts = groupTexts(selection);
  if (texts !== null) {
    params.filter_groups = texts;
    return { ofRows: ['r.group_values IN {filter_groups:Array(String)}'], ofGroups: () => [] };
  }
  const ofRows = filters.flatMap(({ values }, i) => {
    // A row of before the dimension was added has no text of "".
    if (values.length > SEARCHED_TEXTS_MAX || values.includes('')) return [];
    params[`filter_texts_${i}`] = values.map((value) => JSON.stringify(value));
    return `multiSearchAny(r.group_values, {filter_texts_${i}:Array(String)})`;
  });
  for (const [i, { values }] of filters.entries()) {
    params[`filter_position_${i}`] = positions[i];
    params[`filter_values_${i}`] = values;
  }
  return {
    ofRows,
    ofGroups: (text) =>
      filters.map(
        (_, i) => `JSONExtractString(${text}, {filter_position_${i}:UInt32}) IN {filter_values_${i}:Array(String)}`,
      ),
  };
}

/** ClickHouse counts the elements of a JSON array from 1. */
function positionOf(meter: Meter, dimension: number): number {
  if (meter.dimensions[dimension] === undefined) {
    throw new RangeError(`meter ${meter.slug} has no dimension ${dimension}`);
  }
  return dimension + 1;
}

const isOneBucket = ({ buckets, to }: Pick<UsageSelection, 'buckets' | 'to'>): boolean =>
  buckets !== 'window' && buckets.length === 1 && to <= buckets[0]!.start + buckets[0]!.stepMs;

/**
 * Where the bucket of a row starts, in seconds. It is worked out for every row, so one bucket or one step costs
 * less.
 */
export function bucketExpression(selection: Pick<UsageSelection, 'buckets' | 'to'>): SqlFragment {
  const { buckets } = selection;
  if (buckets === 'window') return { sql: 'toUnixTimestamp(r.window_start)', params: {} };
  const [{ start: first, stepMs }, ...more] = buckets as [BucketSegment, ...BucketSegment[]];
  if (more.length === 0) {
    const sql = '{bucket_start:UInt32}';
    const params = { bucket_start: boundSeconds(first) };
    if (isOneBucket(selection)) return { sql, params };
    return {
      sql: `${sql} + intDiv(toUnixTimestamp(r.window_start) - ${sql}, {bucket_step:UInt32}) * {bucket_step:UInt32}`,
      params: { ...params, bucket_step: boundSeconds(stepMs) },
    };
  }
  const segment = 'arrayCount(s -> s <= toUnixTimestamp(r.window_start), {bucket_starts:Array(UInt32)})';
  const start = `{bucket_starts:Array(UInt32)}[${segment}]`;
  const step = `{bucket_steps:Array(UInt32)}[${segment}]`;
  return {
    sql: `${start} + intDiv(toUnixTimestamp(r.window_start) - ${start}, ${step}) * ${step}`,
    params: {
      bucket_starts: buckets.map((bucket) => boundSeconds(bucket.start)),
      bucket_steps: buckets.map((bucket) => boundSeconds(bucket.stepMs)),
    },
  };
}

export interface MergedUsage {
  /** SELECT of bucket_start (seconds), subject_key, group_text, state and event_count. */
  readonly sql: string;
  /** SQL of the values that are grouped by, of that SELECT. */
  readonly groups: string;
  /** SQL of the aggregate function that the states are of. */
  readonly aggregate: string;
  readonly params: Record<string, unknown>;
}

/**
 * The rows of a selection, merged by the text of all their group values: a number for ClickHouse, and the text is
 * read where there are few left. `subject_key` is the subject where rows are by subject or are to be kept apart by it,
 * else ''.
 */
export function mergedUsage(selection: UsageSelection, keepsSubjects: boolean): MergedUsage {
  const { meter, groupBy = [] } = selection;
  const bucket = bucketExpression(selection);
  const params: Record<string, unknown> = { ...bucket.params };
  if (selection.after !== undefined) params.after_subject = selection.after.subject ?? '';
  const { ofRows, ofGroups } = filterConditions(selection, params);
  const rows = rowsOf(selection, ofRows, params);
  // any(): a condition on the key itself would be asked of every row and not of every group.
  const filters = ofGroups('any(r.group_values)');
  const groups = groupBy.map((dimension, i) => {
    params[`group_position_${i}`] = positionOf(meter, dimension);
    return `JSONExtractString(group_text, {group_position_${i}:UInt32})`;
  });
  const { aggregate, of } = MERGES[meter.aggregation];
  const merge = (subject: string, table: string, which: string): string =>
    `SELECT ${bucket.sql} AS bucket_start, ${subject} AS subject_key, ` +
    `${groups.length + filters.length > 0 ? 'r.group_values' : "''"} AS group_text, ` +
    `${aggregate}State(${of}) AS state, sum(r.event_count) AS event_count ` +
    `FROM ${table} AS r FINAL ${which} GROUP BY bucket_start, subject_key, group_text` +
    (filters.length > 0 ? ` HAVING ${filters.join(' AND ')}` : '');
  const subject = keepsSubjects || selection.bySubject === true ? 'r.subject' : "''";
  const ofRollUps = merge(subject, 'usage_rollups', rows);
  const start = totalsStart(selection);
  const sql =
    start === null || start >= selection.to
      ? ofRollUps
      : [
          ...(start > selection.from ? [ofRollUps] : []),
          merge("''", 'usage_totals', totalsOf(selection, ofRows, params)),
        ].join(' UNION ALL ');
  return { sql, aggregate, params, groups: groups.length > 0 ? `[${groups.join(', ')}]` : 'emptyArrayString()' };
}

/**
 * The SELECT of a selection: columns bucket_start (seconds), subject_key, groups, quantity and events (text). Where a
 * row is of several subjects, what they come to together is the meter's `across`. The quantity of a mean is the sum.
 */
export function usageQuery(selection: UsageSelection): SqlFragment {
  const { meter, after, bySubject } = selection;
  const across = bySubject === true ? null : acrossAggregate(meter);
  const { aggregate, groups, params, sql: merged } = mergedUsage(selection, across !== null);
  let having = '';
  if (after !== undefined) {
    params.after_bucket = boundSeconds(after.bucketStart);
    params.after_groups = after.groups;
    having =
      ' HAVING (bucket_start, subject_key, groups) > ' +
      '({after_bucket:UInt32}, {after_subject:String}, {after_groups:Array(String)})';
  }
  let limit = '';
  if (selection.rowsMax !== undefined) {
    limit = ' LIMIT {rows_max:UInt64}';
    params.rows_max = selection.rowsMax;
  }
  const values =
    `SELECT bucket_start, subject_key, ${groups} AS groups, ` +
    `${asDecimal(meter.aggregation, `${aggregate}Merge(state)`)} AS value, sum(event_count) AS events ` +
    `FROM (${merged}) GROUP BY bucket_start, subject_key, groups`;
  const rows =
    across === null
      ? values
      : `SELECT bucket_start, '' AS subject_key, groups, ${across}(value) AS value, sum(events) AS events ` +
        `FROM (${values}) GROUP BY bucket_start, groups`;
  const sql =
    'SELECT bucket_start, subject_key, groups, toString(value) AS quantity, toString(events) AS events ' +
    `FROM (${rows}${having}) ORDER BY bucket_start, subject_key, groups${limit} ${USAGE_SETTINGS}`;
  return { sql, params };
}

/** The value of what was merged of so many events, as the store tells it. */
export function valueFromStore({ aggregation }: Pick<Meter, 'aggregation'>, merged: string, events: bigint): Quantity {
  const quantity = quantityFromStore(merged);
  return aggregationRules(aggregation).isMean ? meanOf(quantity, events) : quantity;
}

/** 64-bit numbers and decimals are texts. */
interface StoredUsageRow {
  readonly bucket_start: number | string;
  readonly subject_key: string;
  readonly groups: readonly string[];
  readonly quantity: string;
  readonly events: string;
}

const usageRowOf = (row: StoredUsageRow, { meter, bySubject }: UsageSelection): UsageRow => ({
  bucketStart: Number(row.bucket_start) * 1_000,
  subject: bySubject === true ? row.subject_key : null,
  groups: row.groups,
  quantity: valueFromStore(meter, row.quantity, BigInt(row.events)),
  eventCount: BigInt(row.events),
});

/** The usage of a selection, in order of bucket, subject and groups. */
export async function readUsage(clickhouse: Pick<ClickHouse, 'query'>, selection: UsageSelection): Promise<UsageRow[]> {
  const rows = await readByTotals(selection, (chosen) => {
    const { sql, params } = usageQuery(chosen);
    return clickhouse.query<StoredUsageRow>(sql, params);
  });
  return rows.map((row) => usageRowOf(row, selection));
}

type StoredUsageColumns = [bucketStart: number, subject: string, groups: string[], quantity: string, events: string];

/**
 * As `readUsage`, some rows after the other, all as of one moment: for more of them than there should be in memory.
 */
export async function* streamUsage(
  clickhouse: Pick<ClickHouse, 'stream'>,
  selection: UsageSelection,
): AsyncGenerator<UsageRow[], void, undefined> {
  const { sql, params } = usageQuery(selection);
  let isBegun = false;
  try {
    for await (const rows of clickhouse.stream(sql, params)) {
      isBegun = true;
      yield (rows as StoredUsageColumns[]).map(([bucket_start, subject_key, groups, quantity, events]) =>
        usageRowOf({ bucket_start, subject_key, groups, quantity, events }, selection),
      );
    }
  } catch (error) {
    // ClickHouse has merged all rows before it gives the first, so whatever is about totals comes before that.
    if (isBegun || totalsStart(selection) === null || !isOfTotals(error)) throw error;
    yield* streamUsage(clickhouse, { ...selection, totalsFrom: null });
  }
}

/**
 * Of each of these subjects that the meter has any usage of: the start of the first window, in milliseconds since
 * the epoch. The versions of a row share its window, so none need be merged.
 */
export async function readFirstWindows(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: { readonly tenant: string; readonly meter: Meter; readonly subjects: readonly string[] },
): Promise<ReadonlyMap<string, number>> {
  const { tenant, meter, subjects } = selection;
  const found = await clickhouse.query<{ subject: string; first: number | string }>(
    'SELECT subject, min(toUnixTimestamp(window_start)) AS first FROM usage_rollups ' +
      'WHERE tenant = {tenant:String} AND meter = {meter:String} AND subject IN {subjects:Array(String)} GROUP BY subject',
    { tenant, meter: meter.slug, subjects },
  );
  return new Map(found.map(({ subject, first }) => [subject, Number(first) * 1_000]));
}
