// Which rows of a meter a price takes (domain/pricing/taken-usage.ts), as conditions of SQL. Values stand in the
// statement: what other prices match may be more than a URL takes.
import { groupBy } from '../../domain/composite-key.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { storedGroupTexts } from './group-texts.ts';
import { boundSeconds, type FilterConditions, filterConditions } from './usage-query.ts';

export interface GroupValue {
  /** Counted from 0 in `meter.dimensions`. */
  readonly dimension: number;
  readonly value: string;
}

/** What is taken of the windows that start from `from` on and before `to`; milliseconds, or infinite. */
export interface TakenGroups {
  readonly from: number;
  readonly to: number;
  /** All of these; empty: every group. */
  readonly match: readonly GroupValue[];
  /** And none of these. */
  readonly leftOut: readonly (readonly GroupValue[])[];
}

const GROUP_TEXT = 'r.group_values';

/**
 * True of the rows that are taken. JSON is read where few rows are left, and of groups rather than of rows, where all
 * windows are taken alike; `ofEachRow`: it is asked of each row all the same.
 */
export function takenConditions(
  meter: Meter,
  taken: readonly TakenGroups[],
  params: Record<string, unknown>,
  ofEachRow = false,
): FilterConditions {
  const [only, ...more] = taken;
  if (only === undefined) throw new RangeError(`meter ${meter.slug}: nothing is taken`);
  if (more.length > 0)
    return { ofRows: [`(${taken.map((each) => inItsTime(meter, each)).join(' OR ')})`], ofGroups: () => [] };
  const filters = only.match.map(({ dimension, value }) => ({ dimension, values: [value] }));
  const { ofRows, ofGroups } = filterConditions({ meter, filters }, params);
  if (only.leftOut.length === 0)
    return ofEachRow ? { ofRows: [...ofRows, ...ofGroups(GROUP_TEXT)], ofGroups: () => [] } : { ofRows, ofGroups };
  const isOfText = only.leftOut.every((match) => match.length === meter.dimensions.length);
  const rows = isOfText || ofEachRow ? [noneOf(meter, only.leftOut, GROUP_TEXT)] : [];
  if (ofEachRow) return { ofRows: [...ofRows, ...rows, ...ofGroups(GROUP_TEXT)], ofGroups: () => [] };
  return {
    ofRows: [...ofRows, ...rows],
    ofGroups: (text) => [...ofGroups(text), ...(isOfText ? [] : [noneOf(meter, only.leftOut, text)])],
  };
}

function inItsTime(meter: Meter, { from, to, match, leftOut }: TakenGroups): string {
  const start = (time: number): string => `toDateTime(${boundSeconds(time)}, 'UTC')`;
  const conditions = [
    `r.window_start >= ${start(from)}`,
    `r.window_start < ${start(to)}`,
    ...match.map((each) => `${extracted(each, GROUP_TEXT)} = ${quoted(each.value)}`),
    ...(leftOut.length === 0 ? [] : [noneOf(meter, leftOut, GROUP_TEXT)]),
  ];
  return `(${conditions.join(' AND ')})`;
}

/** ClickHouse counts the elements of a JSON array from 1. */
const extracted = ({ dimension }: GroupValue, text: string): string => `JSONExtractString(${text}, ${dimension + 1})`;

/** True of group values that have none of these; `text`: SQL of their text. */
function noneOf(meter: Meter, matches: readonly (readonly GroupValue[])[], text: string): string {
  const inOrder = matches.map((match) => match.toSorted((a, b) => a.dimension - b.dimension));
  const byDimensions = groupBy(inOrder, (match) => match.map(({ dimension }) => dimension).join());
  const conditions = [...byDimensions.values()].map((alike) => {
    const named = alike[0]!;
    if (named.length === 0) return 'false';
    if (named.length === meter.dimensions.length) {
      const texts = alike.flatMap((match) => storedGroupTexts(match.map(({ value }) => value)).map(quoted));
      return `${text} NOT IN (${texts.join(', ')})`;
    }
    const tuples = alike.map((match) => `(${match.map(({ value }) => quoted(value)).join(', ')})`);
    return `(${named.map((each) => extracted(each, text)).join(', ')}) NOT IN (${tuples.join(', ')})`;
  });
  return `(${conditions.join(' AND ')})`;
}
