// Lists the subjects that have usage, in order, a page at a time. The table is sorted by tenant, meter and subject: of
// each meter the rows behind a subject are read in order, and no further than the page reaches. Versions of a row share
// its subject and window, so none need be merged.
import type { ClickHouse } from '../clickhouse/click-house.ts';

export interface SubjectListSelection {
  readonly tenant: string;
  /** Slugs of the meters to look at; one or more. */
  readonly meters: readonly string[];
  /** Only these; null: all. */
  readonly among: readonly string[] | null;
  /** What the subjects begin with; "": any. */
  readonly prefix: string;
  /** Only those behind it; null: from the first. */
  readonly after: string | null;
  readonly subjectsMax: number;
}

/** Starts of windows with usage, in milliseconds since the epoch. */
export interface SubjectWithUsage {
  readonly subject: string;
  readonly firstWindow: number;
  readonly lastWindow: number;
}

/** By the bytes of UTF-8. */
async function readNames(clickhouse: Pick<ClickHouse, 'query'>, selection: SubjectListSelection): Promise<string[]> {
  const { tenant, meters, among, prefix, after, subjectsMax } = selection;
  const params: Record<string, unknown> = { tenant, prefix, after: after ?? '', subjects_max: subjectsMax };
  const behind = after === null ? '' : ' AND subject > {after:String}';
  if (among !== null) params.among = among;
  const ofThem = among === null ? '' : ' AND subject IN {among:Array(String)}';
  const ofMeters = meters.map((meter, i) => {
    params[`meter_${i}`] = meter;
    return (
      `SELECT subject FROM (SELECT subject FROM usage_rollups WHERE tenant = {tenant:String} AND meter = {meter_${i}:String} ` +
      `AND subject >= {prefix:String} AND startsWith(subject, {prefix:String})${behind}${ofThem} ` +
      'ORDER BY subject LIMIT 1 BY subject LIMIT {subjects_max:UInt64})'
    );
  });
  const rows = await clickhouse.query<{ subject: string }>(
    `SELECT DISTINCT subject FROM (${ofMeters.join(' UNION ALL ')}) ORDER BY subject LIMIT {subjects_max:UInt64}`,
    params,
  );
  return rows.map(({ subject }) => subject);
}

export async function readSubjects(
  clickhouse: Pick<ClickHouse, 'query'>,
  selection: SubjectListSelection,
): Promise<SubjectWithUsage[]> {
  const subjects = await readNames(clickhouse, selection);
  if (subjects.length === 0) return [];
  const spans = await clickhouse.query<{ subject: string; first: number; last: number }>(
    `SELECT subject, min(toUnixTimestamp(window_start)) AS first, max(toUnixTimestamp(window_start)) AS last
     FROM usage_rollups
     WHERE tenant = {tenant:String} AND meter IN {meters:Array(String)} AND subject IN {subjects:Array(String)}
     GROUP BY subject`,
    { tenant: selection.tenant, meters: selection.meters, subjects },
  );
  const bySubject = new Map(spans.map((span) => [span.subject, span]));
  return subjects.flatMap((subject) => {
    const span = bySubject.get(subject);
    if (span === undefined) return [];
    return [{ subject, firstWindow: Number(span.first) * 1_000, lastWindow: Number(span.last) * 1_000 }];
  });
}
