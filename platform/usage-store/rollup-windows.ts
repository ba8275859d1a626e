// Finds windows and subjects in the roll-up rows of ClickHouse, without their values.
import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import type { Seals } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { ofSubjects } from './rated-usage.ts';
import { PARTITION_KEY_SQL, partitionKey, sealedRowsCondition } from './sealed-rows.ts';
import { boundSeconds } from './usage-query.ts';

/** Roll-up rows to look for: windows of a meter in a span, from all chunks or from some. */
export interface WindowSelection {
  /** Window starts at or after `from` and before `to`; milliseconds. Rows of other meters are not selected. */
  readonly spans: readonly { readonly meter: string; readonly from: number; readonly to: number }[];
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

export interface SubjectSelection {
  /** One or more, each once. */
  readonly subjects: readonly SubjectKey[];
  readonly from: number;
  readonly to: number;
  readonly sealed: Pick<Seals, 'vector' | 'epochSteps'>;
}

/** Every window once. Reads rows that were replaced, too: without FINAL the scan costs a fraction. */
export async function* streamWindows(
  clickhouse: ClickHouse,
  { spans, chunks }: WindowSelection,
): AsyncIterable<readonly WindowKey[]> {
  if (spans.length === 0 || chunks?.length === 0) return;
  const start = 'toUnixTimestamp(r.window_start)';
  const boundOf = (name: 'span_from' | 'span_to') =>
    `transform(r.meter, {span_meters:Array(String)}, {${name}:Array(UInt32)}, toUInt32(0))`;
  // A meter that is not asked for has the bounds 0 and 0.
  const conditions = [
    "r.window_start >= toDateTime({from_min:UInt32}, 'UTC')",
    `${start} >= ${boundOf('span_from')}`,
    `${start} < ${boundOf('span_to')}`,
  ];
  const from = spans.map((span) => boundSeconds(span.from));
  const params: Record<string, unknown> = {
    span_meters: spans.map((span) => span.meter),
    span_from: from,
    span_to: spans.map((span) => boundSeconds(span.to)),
    from_min: Math.min(...from),
  };
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
  const sql = `SELECT DISTINCT r.tenant, r.subject, ${start} FROM usage_rollups AS r WHERE ${conditions.join(' AND ')}`;
  for await (const rows of clickhouse.stream(sql, params)) {
    yield (rows as [string, string, number][]).map(([tenant, subject, seconds]) => ({
      tenant,
      subject,
      windowStart: Number(seconds) * 1_000,
    }));
  }
}

export async function readSubjectsWithUsage(
  clickhouse: ClickHouse,
  selection: SubjectSelection,
): Promise<SubjectKey[]> {
  const sealed = sealedRowsCondition(selection.sealed);
  const rows = await clickhouse.query<{ tenant_key: string; subject_key: string }>(
    `SELECT DISTINCT r.tenant AS tenant_key, r.subject AS subject_key FROM usage_rollups AS r FINAL
     PREWHERE ${ofSubjects(selection.subjects)}
       AND r.window_start >= toDateTime({from:UInt32}, 'UTC') AND r.window_start < toDateTime({to:UInt32}, 'UTC')
     WHERE ${sealed.sql}`,
    { from: boundSeconds(selection.from), to: boundSeconds(selection.to), ...sealed.params },
  );
  return rows.map(({ tenant_key, subject_key }) => ({ tenant: tenant_key, subject: subject_key }));
}
