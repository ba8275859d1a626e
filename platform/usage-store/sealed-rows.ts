// The condition that keeps the roll-up rows a sealed read may see. It stands in WHERE, after FINAL has picked the row
// of the highest version: a filter on the version itself would make FINAL pick a row that was replaced. A revision is
// in the name of a row, so that a filter on it may stand anywhere.
import { type RecountedSpan, recountedSpans } from '../../domain/sealing/recount-runs.ts';
import { partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { EpochStep, Seals } from '../../domain/sealing/seals.ts';

/** A piece of ClickHouse SQL and the values of its `{name:Type}` placeholders. */
export interface SqlFragment {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What tells which rows count. */
export type SealedBy = Pick<Seals, 'vector' | 'epochSteps' | 'recountRuns'>;

/** Generation and partition, both UInt16, as one number. */
export const partitionKey = (generation: number, partition: number): number => generation * 65_536 + partition;
export const PARTITION_KEY_SQL = 'toUInt32(r.generation) * 65536 + r.partition';

/**
 * The required epoch of revision 0: the partition's first, then the later steps as exceptions. Epochs only rise, so one
 * exception is enough.
 */
function epochCondition(epochSteps: readonly EpochStep[]): SqlFragment {
  const first = new Map<number, bigint>();
  const later: EpochStep[] = [];
  for (const step of epochSteps) {
    const key = partitionKey(step.generation, step.partition);
    if (first.has(key)) later.push(step);
    else first.set(key, step.epoch);
  }
  const params: Record<string, unknown> = {
    epoch_partitions: [...first.keys()],
    epoch_firsts: [...first.values()],
  };
  let sql = `r.epoch >= transform(${PARTITION_KEY_SQL}, {epoch_partitions:Array(UInt32)}, {epoch_firsts:Array(UInt64)}, toUInt64(0))`;
  if (later.length > 0) {
    params.step_partitions = later.map((step) => partitionKey(step.generation, step.partition));
    params.step_chunks = later.map((step) => step.fromChunk);
    params.step_epochs = later.map((step) => step.epoch);
    sql +=
      ` AND NOT arrayExists((p, c, e) -> p = ${PARTITION_KEY_SQL} AND r.chunk >= c AND r.epoch < e, ` +
      '{step_partitions:Array(UInt32)}, {step_chunks:Array(UInt32)}, {step_epochs:Array(UInt64)})';
  }
  return { sql, params };
}

/** Lists of numbers stand in the statement's text: parameters travel in the request's URL, which servers bound. */
const listOf = (values: readonly (number | bigint)[], type: 'UInt32' | 'UInt64'): string =>
  `CAST([${values.join()}], 'Array(${type})')`;

/** True where a row's chunk is in the span of a lambda's parameters p, f and t. */
const IS_IN_SPAN = `p = ${PARTITION_KEY_SQL} AND r.chunk >= f AND r.chunk < t`;
const spanLists = (spans: readonly RecountedSpan[]): string =>
  [
    spans.map(({ generation, partition }) => partitionKey(generation, partition)),
    spans.map(({ fromChunk }) => fromChunk),
    spans.map(({ toChunk }) => toChunk),
  ]
    .map((values) => listOf(values, 'UInt32'))
    .join(', ');

/**
 * Of `usage_rollups AS r` or `usage_totals AS r`: only rows of the revision that counts of their chunk. It is about the
 * name of a row, so it may stand in PREWHERE.
 */
export function revisionCondition(spans: readonly RecountedSpan[]): string {
  if (spans.length === 0) return 'r.revision = 0';
  const revisions = listOf(
    spans.map(({ revision }) => revision),
    'UInt32',
  );
  return `r.revision = arraySum((p, f, t, v) -> if(${IS_IN_SPAN}, v, 0), ${spanLists(spans)}, ${revisions})`;
}

/**
 * Rows of the revision that counts, and of those only what the owner that sealed it or a later one wrote. What a slow
 * former owner left behind has a lower epoch, and is no part of what was sealed.
 */
export function countedRowsCondition(epochSteps: readonly EpochStep[], spans: readonly RecountedSpan[]): SqlFragment {
  const { sql, params } = epochCondition(epochSteps);
  const revision = revisionCondition(spans);
  if (spans.length === 0) return { sql: `${revision} AND ${sql}`, params };
  const epochs = listOf(
    spans.map(({ epoch }) => epoch),
    'UInt64',
  );
  const isOfRevision = `arrayExists((p, f, t, e) -> ${IS_IN_SPAN} AND r.epoch >= e, ${spanLists(spans)}, ${epochs})`;
  // The later seal of a chunk that was replayed says nothing about the rows of its revision.
  return { sql: `${revision} AND ((r.revision = 0 AND ${sql}) OR (r.revision > 0 AND ${isOfRevision}))`, params };
}

/** For `usage_rollups AS r FINAL`: of chunks that the vector covers, the rows that count as of it. */
export function sealedRowsCondition(seals: SealedBy): SqlFragment {
  const counts = partitionCounts(seals.vector).filter((count) => count.nextChunk > 0);
  if (counts.length === 0) return { sql: '0', params: {} };
  const rows = countedRowsCondition(seals.epochSteps, recountedSpans(seals.recountRuns, seals.vector));
  return {
    sql:
      `r.chunk < transform(${PARTITION_KEY_SQL}, {sealed_partitions:Array(UInt32)}, {sealed_chunks:Array(UInt32)}, toUInt32(0))` +
      ` AND ${rows.sql}`,
    params: {
      sealed_partitions: counts.map((count) => partitionKey(count.generation, count.partition)),
      sealed_chunks: counts.map((count) => count.nextChunk),
      ...rows.params,
    },
  };
}
