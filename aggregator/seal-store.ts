// What Postgres says of a partition: who owns it (the epoch), how far it is sealed, and the seals themselves. Every write is
// guarded by the epoch, so an owner that was replaced can't move anything, however late its call arrives.
import type pg from 'pg';
import { inTransaction } from '../platform/postgres/pool.ts';
import type { RowSet } from './chunk-rows.ts';
import type { SealedChunk } from './chunk-store.ts';
import type { OutcomeCounts, SealedPosition } from './core/partition-state.ts';

/** Another owner has raised the partition's epoch: everything in memory is to be forgotten. */
export class PartitionLost extends Error {
  readonly partition: number;
  constructor(partition: number, epoch: bigint) {
    super(`partition ${partition} is no longer owned under epoch ${epoch}`);
    this.name = 'PartitionLost';
    this.partition = partition;
  }
}

export interface Acquired extends SealedPosition {
  readonly epoch: bigint;
}

export interface Seal {
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: bigint;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly watermark: number;
  readonly catalogVersion: number;
  readonly events: RowSet;
  readonly rollUps: RowSet;
  readonly rejects: RowSet;
  readonly outcomes: OutcomeCounts;
  readonly outcomesByTenant: ReadonlyMap<string, OutcomeCounts>;
  readonly catalogChanges: readonly { readonly offset: number; readonly version: number }[];
}

const millis = (date: Date | null): number | null => (date === null ? null : date.getTime());

interface ProgressRow {
  epoch: string;
  next_offset: string;
  next_chunk: number;
  watermark: Date | null;
  catalog_version: number;
}

export class SealStore {
  private readonly pool: pg.Pool;
  private readonly generation: number;

  constructor(pool: pg.Pool, generation: number) {
    this.pool = pool;
    this.generation = generation;
  }

  /** Raises the epoch, which fences every former owner, and returns where the partition stands. */
  async acquire(partition: number, owner: string): Promise<Acquired> {
    const { rows } = await this.pool.query<ProgressRow>(
      `UPDATE tallyline.partition_progress SET epoch = epoch + 1, owner = $3, acquired_at = clock_timestamp()
        WHERE generation = $1 AND partition = $2
        RETURNING epoch, next_offset, next_chunk, watermark, catalog_version`,
      [this.generation, partition, owner],
    );
    const [row] = rows;
    if (row === undefined) throw new Error(`generation ${this.generation} has no partition ${partition}`);
    return {
      epoch: BigInt(row.epoch),
      nextOffset: Number(row.next_offset),
      nextChunk: row.next_chunk,
      watermark: millis(row.watermark),
      catalogVersion: row.catalog_version,
    };
  }

  /** The seals below `nextChunk` whose events may still have a live key: those with T at or after `since`; ascending. */
  async sealsSince(partition: number, nextChunk: number, since: number): Promise<SealedChunk[]> {
    const { rows } = await this.pool.query<{
      chunk: number;
      start_offset: string;
      end_offset: string;
      epoch: string;
      event_count: string;
      event_checksum: string;
    }>(
      `SELECT chunk, start_offset, end_offset, epoch, event_count, event_checksum FROM tallyline.chunk_seals
        WHERE generation = $1 AND partition = $2 AND chunk < $3 AND watermark >= $4 ORDER BY chunk`,
      [this.generation, partition, nextChunk, new Date(since)],
    );
    return rows.map((row) => ({
      chunk: row.chunk,
      startOffset: Number(row.start_offset),
      endOffset: Number(row.end_offset),
      epoch: BigInt(row.epoch),
      events: { count: Number(row.event_count), checksum: BigInt(row.event_checksum) },
    }));
  }

  /**
   * Writes the seal and moves the partition on, in one transaction. Throws PartitionLost where the partition is not ours at
   * this offset. A failure of unknown outcome may be retried: a seal that is already there under this epoch is ours.
   */
  async seal(seal: Seal): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      const moved = await client.query(
        `UPDATE tallyline.partition_progress
          SET next_offset = $5, next_chunk = $6, watermark = $7, catalog_version = $8
          WHERE generation = $1 AND partition = $2 AND epoch = $3 AND next_offset = $4`,
        [
          this.generation,
          seal.partition,
          seal.epoch.toString(),
          seal.startOffset,
          seal.endOffset,
          seal.chunk + 1,
          new Date(seal.watermark),
          seal.catalogVersion,
        ],
      );
      if (moved.rowCount !== 1) {
        const { rowCount } = await client.query(
          `SELECT FROM tallyline.partition_progress p JOIN tallyline.chunk_seals s USING (generation, partition, epoch)
            WHERE p.generation = $1 AND p.partition = $2 AND p.epoch = $3 AND p.next_offset = $4 AND s.chunk = $5`,
          [this.generation, seal.partition, seal.epoch.toString(), seal.endOffset, seal.chunk],
        );
        if (rowCount !== 1) throw new PartitionLost(seal.partition, seal.epoch);
        return;
      }
      const { accepted, duplicate, conflict, too_late, poison } = seal.outcomes;
      await client.query(
        `INSERT INTO tallyline.chunk_seals (generation, partition, chunk, epoch, start_offset, end_offset, watermark,
            catalog_version, event_count, event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum,
            accepted, duplicate, conflict, too_late, poison, tenant_outcomes, catalog_changes)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
        [
          this.generation,
          seal.partition,
          seal.chunk,
          seal.epoch.toString(),
          seal.startOffset,
          seal.endOffset,
          new Date(seal.watermark),
          seal.catalogVersion,
          seal.events.count,
          seal.events.checksum.toString(),
          seal.rollUps.count,
          seal.rollUps.checksum.toString(),
          seal.rejects.count,
          seal.rejects.checksum.toString(),
          ...[accepted, duplicate, conflict, too_late, poison],
          tenantOutcomesJson(seal.outcomesByTenant),
          JSON.stringify(seal.catalogChanges),
        ],
      );
    });
  }

  async isOwner(partition: number, epoch: bigint): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      'SELECT FROM tallyline.partition_progress WHERE generation = $1 AND partition = $2 AND epoch = $3',
      [this.generation, partition, epoch.toString()],
    );
    return rowCount === 1;
  }

  /** Publishes min over partitions of T in the last seal; what was published never goes back. Returns it. */
  async publishWatermark(): Promise<number | null> {
    const { rows } = await this.pool.query<{ watermark: Date }>(
      `INSERT INTO tallyline.published_watermark AS published (generation, watermark)
        SELECT $1, min(watermark) FROM tallyline.partition_progress WHERE generation = $1
        HAVING count(*) = count(watermark)
        ON CONFLICT (generation) DO UPDATE SET watermark = greatest(published.watermark, excluded.watermark)
        RETURNING watermark`,
      [this.generation],
    );
    return millis(rows[0]?.watermark ?? null);
  }

  /**
   * Takes back the seal of a damaged chunk and of every later one, so that the next owner replays them from the log. The
   * seals are kept in chunk_seals_reopened. The published watermark stays.
   */
  async reopen(partition: number, chunk: number, reason: string): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query(
        'SELECT FROM tallyline.partition_progress WHERE generation = $1 AND partition = $2 FOR UPDATE',
        [this.generation, partition],
      );
      const { rows } = await client.query<{ start_offset: string }>(
        'SELECT start_offset FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 AND chunk = $3',
        [this.generation, partition, chunk],
      );
      if (rows[0] === undefined) return;
      await client.query(
        `WITH taken AS (
            DELETE FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 AND chunk >= $3 RETURNING *
          ) INSERT INTO tallyline.chunk_seals_reopened SELECT taken.*, $4, clock_timestamp() FROM taken`,
        [this.generation, partition, chunk, reason],
      );
      await client.query(
        `UPDATE tallyline.partition_progress p SET epoch = p.epoch + 1, next_offset = $4, next_chunk = $3,
            watermark = before.watermark, catalog_version = coalesce(before.catalog_version, 0)
          FROM (SELECT 1) one LEFT JOIN tallyline.chunk_seals before
            ON before.generation = $1 AND before.partition = $2 AND before.chunk = $3 - 1
          WHERE p.generation = $1 AND p.partition = $2`,
        [this.generation, partition, chunk, rows[0].start_offset],
      );
    });
  }
}

function tenantOutcomesJson(byTenant: ReadonlyMap<string, OutcomeCounts>): string {
  const entries = [...byTenant].map(([tenant, counts]) => [
    tenant,
    Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}
