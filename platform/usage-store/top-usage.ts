// The subjects or groups with the greatest values of a meter over a range, and what the meter says of all others
// together. ClickHouse ranks them: only the few that are asked for leave it.
//
// The others are merged as the meter merges everything, and as its `across` puts several subjects together: the sum of
// the others' values for `sum`, `count` and most levels, the greatest of them with `across: max`, and for `unique` the
// number of different values that they have among them, of which those at the top may have some too.
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { SqlFragment } from './sealed-rows.ts';
import {
  acrossAggregate,
  asDecimal,
  mergedUsage,
  USAGE_SETTINGS,
  type UsageRow,
  type UsageSelection,
  valueFromStore,
} from './usage-query.ts';
import { readByTotals } from './usage-totals.ts';

export interface TopUsage {
  /** The greatest first; of equal ones in order of subject and groups. */
  readonly rows: readonly UsageRow[];
  /** Null: there are no others, or they were not asked for. */
  readonly others: OtherUsage | null;
}

interface OtherUsage {
  /** How many subjects or groups. */
  readonly count: number;
  readonly quantity: Quantity;
}

interface Ranking {
  readonly rowsMax: number;
  /** True: the others are merged, which makes ClickHouse sort all of them. */
  readonly withOthers: boolean;
}

/** As ClickHouse ranks means: cut at the twelfth digit. */
const MEAN_SQL = 'divideDecimal(finalizeAggregation(state), toDecimal256(event_count, 0), 12)';

/** Columns place (`rowsMax` + 1: of the others), subject_key, groups, quantity, events and series (text). */
function topUsageQuery(selection: UsageSelection, { rowsMax, withOthers }: Ranking): SqlFragment {
  const across = selection.bySubject === true && !withOthers ? null : acrossAggregate(selection.meter);
  if (across !== null) return topAcrossQuery(selection, rowsMax, across);
  const { aggregate, groups, params, sql: merged } = mergedUsage(selection, false);
  params.rows_max = rowsMax;
  const { aggregation } = selection.meter;
  const value = aggregationRules(aggregation).isMean ? MEAN_SQL : 'finalizeAggregation(state)';
  const order = `ORDER BY ${value} DESC, subject_key, groups`;
  const series =
    `SELECT subject_key, ${groups} AS groups, ${aggregate}MergeState(state) AS state, sum(event_count) AS event_count ` +
    `FROM (${merged}) GROUP BY subject_key, groups`;
  const ranked = withOthers
    ? `SELECT *, least(row_number() OVER (${order}), {rows_max:UInt64} + 1) AS place FROM (${series})`
    : `SELECT *, row_number() OVER (${order}) AS place FROM (SELECT * FROM (${series}) ${order} LIMIT {rows_max:UInt64})`;
  const quantity = asDecimal(aggregation, `${aggregate}Merge(state)`);
  const sql =
    `SELECT toUInt32(place) AS place, any(subject_key) AS subject_key, any(groups) AS groups, ` +
    `toString(${quantity}) AS quantity, toString(sum(event_count)) AS events, toString(count()) AS series ` +
    `FROM (${ranked}) GROUP BY place ORDER BY place ${USAGE_SETTINGS}`;
  return { sql, params };
}

/**
 * The same where a subject has to be merged before several become one: each value of a subject and groups keeps its
 * state, so that those of one subject among the others can be merged.
 */
function topAcrossQuery(selection: UsageSelection, rowsMax: number, across: 'sum' | 'max'): SqlFragment {
  const { meter, bySubject } = selection;
  const { aggregate, groups, params, sql: merged } = mergedUsage(selection, true);
  params.rows_max = rowsMax;
  const key = bySubject === true ? 'subject_key, groups' : 'groups';
  const states =
    `SELECT subject_key, ${groups} AS groups, ${aggregate}MergeState(state) AS state, sum(event_count) AS event_count ` +
    `FROM (${merged}) GROUP BY subject_key, groups`;
  const values = `SELECT *, ${across}(finalizeAggregation(state)) OVER (PARTITION BY ${key}) AS value FROM (${states})`;
  const ranked = `SELECT *, dense_rank() OVER (ORDER BY value DESC, ${key}) AS rank FROM (${values})`;
  const bySubjects =
    'SELECT least(rank, {rows_max:UInt64} + 1) AS place, subject_key, any(groups) AS groups, max(rank) AS last, ' +
    `${aggregate}Merge(state) AS value, sum(event_count) AS event_count FROM (${ranked}) GROUP BY place, subject_key`;
  const sql =
    'SELECT toUInt32(place) AS place, any(subject_key) AS subject_key, any(groups) AS groups, ' +
    `toString(${asDecimal(meter.aggregation, `${across}(value)`)}) AS quantity, toString(sum(event_count)) AS events, ` +
    `toString(max(last) - {rows_max:UInt64}) AS series FROM (${bySubjects}) GROUP BY place ORDER BY place ${USAGE_SETTINGS}`;
  return { sql, params };
}

interface StoredTopRow {
  readonly place: number;
  readonly subject_key: string;
  readonly groups: readonly string[];
  readonly quantity: string;
  readonly events: string;
  readonly series: string;
}

/** The selection has one bucket. */
export async function readTopUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: UsageSelection,
  ranking: Ranking,
): Promise<TopUsage> {
  const found = await readByTotals(selection, (chosen) => {
    const { sql, params } = topUsageQuery(chosen, ranking);
    return clickhouse.query<StoredTopRow>(sql, params);
  });
  const others = found.find(({ place }) => Number(place) > ranking.rowsMax);
  return {
    rows: found
      .filter((row) => row !== others)
      .map((row) => ({
        bucketStart: selection.from,
        subject: selection.bySubject === true ? row.subject_key : null,
        groups: row.groups,
        quantity: valueFromStore(selection.meter, row.quantity, BigInt(row.events)),
        eventCount: BigInt(row.events),
      })),
    others:
      others === undefined
        ? null
        : {
            count: Number(others.series),
            quantity: valueFromStore(selection.meter, others.quantity, BigInt(others.events)),
          },
  };
}
