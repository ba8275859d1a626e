// Compares what ClickHouse holds of sealed chunks with what their seals say. A price read from a chunk that does not
// compare equal (a stale replica, a part lost to a power cut) would be wrong without anyone noticing.
import type { RecountedSpan } from '../../domain/sealing/recount-runs.ts';
import { isSameRows, noRows, type RowSet } from '../../domain/sealing/row-set.ts';
import type { ChunkPlace, ChunkSeal, EpochStep, SealedRevision } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { rollUpChecksumSql } from './chunk-tables.ts';
import { countedRowsCondition, PARTITION_KEY_SQL, partitionKey } from './sealed-rows.ts';

export interface SealMismatch {
  readonly seal: ChunkSeal;
  /** The roll-up rows that ClickHouse holds of its chunk. */
  readonly found: RowSet;
}

interface FoundRow {
  readonly partition_key: number | string;
  readonly chunk: number;
  readonly row_count: string;
  readonly checksum: string;
}

/** Rows of these are named by their chunk, and have a hash. */
type SealedTable = 'usage_rollups' | 'usage_totals';

/** A chunk, and which rows of it count. */
type SealedPlace = ChunkPlace & Pick<ChunkSeal, 'epoch' | 'revised'>;

/**
 * The parts, and the first and last second that ClickHouse believes to be in each: reads by time skip a part by that,
 * and it comes from a small file that is not checked when the part is loaded (26.7).
 */
const partSpansSql = (table: SealedTable): string => `(SELECT
    (groupArray(name), groupArray(toUnixTimestamp(min_time)), groupArray(toUnixTimestamp(max_time)))
  FROM system.parts WHERE active AND database = currentDatabase() AND table = '${table}')`;
const WINDOW_SQL = 'toUnixTimestamp(r.window_start)';
/** A row that reads by time would miss does not count as there. */
const IS_FOUND_BY_TIME_SQL = `${WINDOW_SQL} >= transform(r._part, part_spans.1, part_spans.2, toUInt32(0))
       AND ${WINDOW_SQL} <= transform(r._part, part_spans.1, part_spans.3, toUInt32(4294967295))`;

/** Seals in one query, each of which is a scan; bounds the answer. */
const SEALS_MAX = 50_000;

async function readBatch(clickhouse: ClickHouse, table: SealedTable, seals: readonly SealedPlace[]): Promise<RowSet[]> {
  const ranges = new Map<number, { from: number; to: number }>();
  const steps: EpochStep[] = [];
  const spans: RecountedSpan[] = [];
  for (const seal of seals) {
    const key = partitionKey(seal.generation, seal.partition);
    const range = ranges.get(key);
    ranges.set(key, { from: range?.from ?? seal.chunk, to: seal.chunk + 1 });
    if (seal.revised !== null) {
      addRevised(spans, seal, seal.revised);
      continue;
    }
    const last = steps.at(-1);
    if (last?.generation !== seal.generation || last.partition !== seal.partition || last.epoch !== seal.epoch) {
      steps.push({ generation: seal.generation, partition: seal.partition, fromChunk: seal.chunk, epoch: seal.epoch });
    }
  }
  const bounds = [...ranges.values()];
  const rows = countedRowsCondition(steps, spans);
  const found = await clickhouse.query<FoundRow>(
    `WITH ${partSpansSql(table)} AS part_spans
     SELECT ${PARTITION_KEY_SQL} AS partition_key, r.chunk AS chunk,
       toString(count()) AS row_count, toString(${rollUpChecksumSql}) AS checksum
     FROM ${table} AS r FINAL
     WHERE r.chunk >= {chunk_min:UInt32} AND r.chunk < {chunk_max:UInt32}
       AND ${PARTITION_KEY_SQL} IN {partitions:Array(UInt32)}
       AND r.chunk >= transform(${PARTITION_KEY_SQL}, {partitions:Array(UInt32)}, {from_chunks:Array(UInt32)}, toUInt32(0))
       AND r.chunk < transform(${PARTITION_KEY_SQL}, {partitions:Array(UInt32)}, {to_chunks:Array(UInt32)}, toUInt32(0))
       AND ${rows.sql} AND ${IS_FOUND_BY_TIME_SQL}
     GROUP BY partition_key, chunk
     SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {
      chunk_min: Math.min(...bounds.map((range) => range.from)),
      chunk_max: Math.max(...bounds.map((range) => range.to)),
      partitions: [...ranges.keys()],
      from_chunks: bounds.map((range) => range.from),
      to_chunks: bounds.map((range) => range.to),
      ...rows.params,
    },
  );
  const byChunk = new Map(found.map((row) => [`${row.partition_key}/${row.chunk}`, row]));
  return seals.map((seal) => {
    const row = byChunk.get(`${partitionKey(seal.generation, seal.partition)}/${seal.chunk}`);
    return row === undefined ? noRows : { count: Number(row.row_count), checksum: BigInt(row.checksum) };
  });
}

/** Neighbours of one revision and epoch are one span. */
function addRevised(spans: RecountedSpan[], place: ChunkPlace, { revision, epoch }: SealedRevision): void {
  const { generation, partition, chunk } = place;
  const last = spans.at(-1);
  const isNext = last?.generation === generation && last.partition === partition && last.toChunk === chunk;
  if (isNext && last.revision === revision && last.epoch === epoch) {
    spans[spans.length - 1] = { ...last, toChunk: chunk + 1 };
    return;
  }
  spans.push({ generation, partition, fromChunk: chunk, toChunk: chunk + 1, revision, epoch });
}

/**
 * What there is of each seal's chunk, in the seals' order: rows of its revision, and of the
 * epoch that sealed that or a later one. Seals in order of
 * generation, partition and chunk, as `readChunkSeals` gives them.
 */
export async function readSealedChunks(
  clickhouse: ClickHouse,
  seals: readonly SealedPlace[],
  table: SealedTable = 'usage_rollups',
): Promise<readonly RowSet[]> {
  const found: RowSet[] = [];
  for (let i = 0; i < seals.length; i += SEALS_MAX) {
    found.push(...(await readBatch(clickhouse, table, seals.slice(i, i + SEALS_MAX))));
  }
  return found;
}

/**
 * The chunks whose roll-up rows are not what was sealed; empty when all agree. `found` as `readSealedChunks` gives it.
 */
export function mismatchesOf(seals: readonly ChunkSeal[], found: readonly RowSet[]): SealMismatch[] {
  return seals.flatMap((seal, i) => {
    return isSameRows(seal.rollUps, found[i]!) ? [] : [{ seal, found: found[i]! }];
  });
}
