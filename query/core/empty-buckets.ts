// The buckets of a usage answer that have no usage, where they are asked for: each series of the answer then has a row
// for every bucket of the range, in the order in which the store gives them.
import { Problem } from '../../domain/problem.ts';
import { type BucketPlan, bucketOf } from './buckets.ts';

/** What is drawn as one line: a subject and its groups. */
interface Series {
  /** Null where rows are not by subject. */
  readonly subject: string | null;
  readonly groups: readonly string[];
}

interface Row extends Series {
  /** Milliseconds since the epoch. */
  readonly bucketStart: number;
}

/** How many buckets tile the range; found without walking them. */
export const bucketCount = ({ segments, to }: BucketPlan): number =>
  segments.reduce((count, { start, stepMs }, i) => {
    const end = segments[i + 1]?.start ?? to;
    return count + Math.ceil((end - start) / stepMs);
  }, 0);

/** As ClickHouse has it: by the bytes of UTF-8. */
const compareText = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function compareSeries(a: Series, b: Series): number {
  const bySubject = compareText(a.subject ?? '', b.subject ?? '');
  if (bySubject !== 0) return bySubject;
  const differs = a.groups.findIndex((group, i) => group !== b.groups[i]);
  return differs === -1 ? 0 : compareText(a.groups[differs]!, b.groups[differs]!);
}

const seriesKey = ({ subject, groups }: Series): string => JSON.stringify([subject, groups]);

/**
 * The rows, and `empty` of each bucket that a series has no row for. A series is one that has a row, or stands in
 * `named`. Throws a `Problem` where that would be more than `rowsMax` rows.
 */
export function withEmptyBuckets<Found extends Row>(
  rows: readonly Found[],
  named: readonly Series[],
  plan: BucketPlan,
  rowsMax: number,
  empty: (row: Row) => Found,
): Found[] {
  const byKey = new Map<string, { readonly series: Series; readonly found: Map<number, Found> }>();
  const ofSeries = ({ subject, groups }: Series) => {
    const key = seriesKey({ subject, groups });
    const known = byKey.get(key) ?? { series: { subject, groups }, found: new Map() };
    byKey.set(key, known);
    return known;
  };
  for (const series of named) ofSeries(series);
  for (const row of rows) ofSeries(row).found.set(row.bucketStart, row);
  const buckets = bucketCount(plan);
  if (buckets * byKey.size > rowsMax) {
    throw new Problem(
      'result_too_large',
      `emptyBuckets: ${byKey.size} series of ${buckets} buckets are more than ${rowsMax} rows; ask for a shorter range, a larger window, fewer groups or fewer subjects.`,
    );
  }
  const all = [...byKey.values()].sort((a, b) => compareSeries(a.series, b.series));
  const filled: Found[] = [];
  if (all.length === 0) return filled;
  for (let bucketStart = plan.from; bucketStart < plan.to; bucketStart = bucketOf(plan, bucketStart).end) {
    for (const { series, found } of all) filled.push(found.get(bucketStart) ?? empty({ bucketStart, ...series }));
  }
  return filled;
}
