// Finds windows and subjects in the roll-up rows of ClickHouse, without their values.
import { groupBy, mapKey } from '../../domain/composite-key.ts';
import { isNoSpan, type MeterSpan, type MeterSpans, type SpanOfTenant } from '../../domain/rating/meter-spans.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { inStatements, ofSubjects } from './rated-usage.ts';
import { PARTITION_KEY_SQL, partitionKey, type SealedBy, sealedRowsCondition } from './sealed-rows.ts';
import { type SubjectSets, setsBySubject, setsOfSubject, setTable, subjectsOfSets } from './subject-sets.ts';
import { boundSeconds } from './usage-query.ts';

/** Roll-up rows to look for: windows of a meter in a span, from all chunks or from some. */
export interface WindowSelection {
  readonly spans: MeterSpans;
  /**
   * Chunks at or after `fromChunk` and before `toChunk` of these partitions, one entry a partition; null: all chunks.
   */
  readonly chunks: readonly ChunkRange[] | null;
}

interface ChunkRange {
  readonly generation: number;
  readonly partition: number;
  readonly fromChunk: number;
  readonly toChunk: number;
}

export interface WindowKey {
  readonly tenant: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
}

export interface SetSelection {
  readonly sets: SubjectSets;
  /** Of the tenants of the sets. */
  readonly spans: readonly MeterSpan[];
  readonly sealed: SealedBy;
}

const START = 'toUnixTimestamp(r.window_start)';

/** True of the rows of windows in the spans. */
function inSpans({ all, own }: MeterSpans): { conditions: string[]; params: Record<string, unknown> } {
  const alike = [...groupBy(own, ({ from, to }) => mapKey(from, to)).values()];
  const boundOf = (bound: 'from' | 'to'): string => {
    // A meter that is not asked for has the bounds 0 and 0.
    const ofAll =
      all.length === 0
        ? 'toUInt32(0)'
        : `transform(r.meter, {span_meters:Array(String)}, {span_${bound}:Array(UInt32)}, toUInt32(0))`;
    if (alike.length === 0) return ofAll;
    const ofTenants = alike.map(
      (spans) =>
        `(r.tenant, r.meter) IN (${spans.map(pairOf).join(', ')}), toUInt32(${boundSeconds(spans[0]![bound])})`,
    );
    return `multiIf(${ofTenants.join(', ')}, ${ofAll})`;
  };
  const asked = [...all, ...own].filter(({ from, to }) => from < to);
  return {
    conditions: [
      "r.window_start >= toDateTime({from_min:UInt32}, 'UTC')",
      `${START} >= ${boundOf('from')}`,
      `${START} < ${boundOf('to')}`,
    ],
    params: {
      span_meters: all.map((span) => span.meter),
      span_from: all.map((span) => boundSeconds(span.from)),
      span_to: all.map((span) => boundSeconds(span.to)),
      from_min: Math.min(...asked.map((span) => boundSeconds(span.from))),
    },
  };
}

const pairOf = ({ tenant, meter }: SpanOfTenant): string => `(${quoted(tenant)}, ${quoted(meter)})`;

/**
 * The same in statements that name no more tenants than one may. Whoever is named in a later one alone is looked for by
 * the span of all as well, so the first may give too much.
 */
export function* spansByStatement({ all, own }: MeterSpans): Generator<MeterSpans> {
  const [first = [], ...more] = inStatements(own, (span) => Buffer.byteLength(pairOf(span)) + 2);
  for (const spans of [{ all, own: first }, ...more.map((some) => ({ all: [], own: some }))])
    if (!isNoSpan(spans)) yield spans;
}

/** Every window once. Reads rows that were replaced, too: without FINAL the scan costs a fraction. */
export async function* streamWindows(
  clickhouse: ClickHouse,
  { spans, chunks }: WindowSelection,
): AsyncIterable<readonly WindowKey[]> {
  if (chunks?.length === 0) return;
  for (const some of spansByStatement(spans)) yield* streamWindowsOf(clickhouse, some, chunks);
}

async function* streamWindowsOf(
  clickhouse: ClickHouse,
  spans: MeterSpans,
  chunks: WindowSelection['chunks'],
): AsyncIterable<readonly WindowKey[]> {
  const { conditions, params } = inSpans(spans);
  if (chunks !== null) {
    const chunkBound = (name: 'from_chunks' | 'to_chunks') =>
      `transform(${PARTITION_KEY_SQL}, {partitions:Array(UInt32)}, {${name}:Array(UInt32)}, toUInt32(0))`;
    conditions.push(
      'r.chunk >= {chunk_min:UInt32}',
      `r.chunk >= ${chunkBound('from_chunks')}`,
      `r.chunk < ${chunkBound('to_chunks')}`,
    );
    params.chunk_min = Math.min(...chunks.map((range) => range.fromChunk));
    params.partitions = chunks.map((range) => partitionKey(range.generation, range.partition));
    params.from_chunks = chunks.map((range) => range.fromChunk);
    params.to_chunks = chunks.map((range) => range.toChunk);
  }
  const sql = `SELECT DISTINCT r.tenant, r.subject, ${START} FROM usage_rollups AS r WHERE ${conditions.join(' AND ')}`;
  for await (const rows of clickhouse.stream(sql, params)) {
    yield (rows as [string, string, number][]).map(([tenant, subject, seconds]) => ({
      tenant,
      subject,
      windowStart: Number(seconds) * 1_000,
    }));
  }
}

export interface GroupsSelection extends Pick<WindowSelection, 'spans'> {
  /** Of all tenants together. */
  readonly groupsMax: number;
}

export interface GroupsOfMeter {
  readonly tenant: string;
  readonly meter: string;
  /** In the order of the meter's dimensions. */
  readonly groupValues: readonly string[];
}

/**
 * The group values of all usage in the spans; null: they are more than `groupsMax`. Reads rows that were
 * replaced, too.
 */
export async function readGroupsInUse(
  clickhouse: Pick<ClickHouse, 'query'>,
  { spans, groupsMax }: GroupsSelection,
): Promise<GroupsOfMeter[] | null> {
  const found: GroupsOfMeter[] = [];
  for (const some of spansByStatement(spans)) {
    const { conditions, params } = inSpans(some);
    const rows = await clickhouse.query<{ tenant: string; meter: string; group_values: string }>(
      `SELECT DISTINCT r.tenant AS tenant, r.meter AS meter, r.group_values AS group_values FROM usage_rollups AS r
       WHERE ${conditions.join(' AND ')} LIMIT {groups_max:UInt32}`,
      { ...params, groups_max: groupsMax + 1 },
    );
    for (const { tenant, meter, group_values } of rows)
      found.push({ tenant, meter, groupValues: JSON.parse(group_values) });
    if (found.length > groupsMax) return null;
  }
  return found;
}

/** The numbers of the sets that have a sealed row in the spans. */
export async function readSetsWithUsage(
  clickhouse: Pick<ClickHouse, 'query'>,
  { sets, spans, sealed: seals }: SetSelection,
): Promise<number[]> {
  const sealed = sealedRowsCondition(seals);
  const { conditions, params } = inSpans({ all: spans, own: [] });
  const latest = boundSeconds(Math.max(...spans.map(({ to }) => to)));
  const named = {
    ...params,
    ...{ to_max: latest, ...sealed.params },
  };
  const rows = `FROM usage_rollups AS r FINAL PREWHERE ${ofSubjects(subjectsOfSets(sets))}
    AND ${conditions.join(' AND ')} AND r.window_start < toDateTime({to_max:UInt32}, 'UTC') WHERE ${sealed.sql}`;
  const numbers = setsBySubject(sets, {
    from: Math.min(...spans.map(({ from }) => from)),
    to: Math.max(...spans.map(({ to }) => to)),
  });
  if (numbers !== null) {
    const found = await clickhouse.query<{ tenant_key: string; subject_key: string }>(
      `SELECT DISTINCT r.tenant AS tenant_key, r.subject AS subject_key ${rows}`,
      named,
    );
    return found.flatMap((row) => setsOfSubject(numbers, { tenant: row.tenant_key, subject: row.subject_key }));
  }
  const found = await clickhouse.query<{ set_number: number }>(
    `SELECT DISTINCT set_number FROM (SELECT r.tenant AS tenant_key, r.subject AS subject_key, ${START} AS start ${rows})
     AS used INNER JOIN ${setTable(sets)} AS named USING (tenant_key, subject_key)
     WHERE start >= starts AND start < ends`,
    named,
  );
  return found.map(({ set_number }) => Number(set_number));
}
