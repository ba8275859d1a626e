// What is stored of chunks in the tables whose rows are named by their chunk, for the owner that wrote it.
import { noRows, type RowSet } from '../domain/sealing/row-set.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { rollUpChecksumSql } from '../platform/usage-store/chunk-tables.ts';

/** Rows of a chunk: of exactly one revision, written under exactly one epoch. */
export interface RowsOfChunk {
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: bigint;
  readonly revision: number;
}

/** What names a row within its chunk and revision. */
const KEYS = {
  usage_rollups: 'tenant, meter, subject, window_start, group_values',
  usage_totals: 'tenant, meter, window_start, group_values',
} as const;

interface StoredRows {
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: string;
  readonly count: string;
  readonly checksum: string;
}

/**
 * In the order asked for. It does without FINAL, which would merge all rows around them, and takes the newest row of
 * each name under the epoch. Where FINAL would show a row of a later epoch instead, this owner can't seal any more.
 */
export async function readRowsOfChunks(
  clickhouse: Pick<ClickHouse, 'query'>,
  generation: number,
  table: keyof typeof KEYS,
  chunks: readonly RowsOfChunk[],
): Promise<readonly RowSet[]> {
  const rows = await clickhouse.query<StoredRows>(
    `SELECT partition, chunk, epoch, count() AS count, ${rollUpChecksumSql} AS checksum FROM (
        SELECT partition, chunk, epoch, argMax(row_hash, version) AS row_hash FROM ${table}
        WHERE generation = {generation:UInt16}
          AND (partition, chunk, epoch, revision) IN {chunks:Array(Tuple(UInt16, UInt32, UInt64, UInt32))}
        GROUP BY partition, chunk, epoch, ${KEYS[table]})
      GROUP BY partition, chunk, epoch`,
    {
      generation,
      chunks: `[${chunks.map((of) => `(${of.partition},${of.chunk},${of.epoch},${of.revision})`).join(',')}]`,
    },
  );
  return chunks.map((of) => {
    const row = rows.find(
      ({ partition, chunk, epoch }) =>
        partition === of.partition && chunk === of.chunk && epoch === of.epoch.toString(),
    );
    return row === undefined ? noRows : { count: Number(row.count), checksum: BigInt(row.checksum) };
  });
}
