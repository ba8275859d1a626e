// The condition that keeps the roll-up rows a sealed read may see. It stands in WHERE, after FINAL has picked the row
// of the highest version: a filter on the version itself would make FINAL pick a row that was replaced.
import { partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { EpochStep, Seals } from '../../domain/sealing/seals.ts';

/** A piece of ClickHouse SQL and the values of its `{name:Type}` placeholders. */
export interface SqlFragment {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Generation and partition, both UInt16, as one number. */
export const partitionKey = (generation: number, partition: number): number => generation * 65_536 + partition;
export const PARTITION_KEY_SQL = 'toUInt32(r.generation) * 65536 + r.partition';

/**
 * The required epoch: the partition's first, then the later steps as exceptions. Epochs only rise, so one exception is
 * enough.
 */
export function epochCondition(epochSteps: readonly EpochStep[]): SqlFragment {
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

/**
 * For `usage_rollups AS r FINAL`: only rows of chunks the vector covers, and of those only rows that the sealing owner
 * or a later one wrote. What a slow former owner left behind has a lower epoch, and is no part of what was sealed.
 */
export function sealedRowsCondition(seals: Pick<Seals, 'vector' | 'epochSteps'>): SqlFragment {
  const counts = partitionCounts(seals.vector).filter((count) => count.nextChunk > 0);
  if (counts.length === 0) return { sql: '0', params: {} };
  const epochs = epochCondition(seals.epochSteps);
  return {
    sql:
      `r.chunk < transform(${PARTITION_KEY_SQL}, {sealed_partitions:Array(UInt32)}, {sealed_chunks:Array(UInt32)}, toUInt32(0))` +
      ` AND ${epochs.sql}`,
    params: {
      sealed_partitions: counts.map((count) => partitionKey(count.generation, count.partition)),
      sealed_chunks: counts.map((count) => count.nextChunk),
      ...epochs.params,
    },
  };
}
