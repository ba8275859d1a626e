// The tables of seals in Postgres: nothing but the statements. What may be written when is decided in seal-store.ts.
import type pg from 'pg';
import type { OutcomeCounts } from '../domain/metering/event-outcome.ts';
import { inTransaction } from '../platform/postgres/pool.ts';
import { insertSeal } from '../platform/usage-store/seal-rows.ts';
import type { SealedChunk } from './chunk-store.ts';
import type { PartitionProgress, Seal, SealEnd, SealTables, SealTransaction } from './seal-store.ts';

const millis = (date: Date | null): number | null => (date === null ? null : date.getTime());

interface ProgressRow {
  epoch: string;
  next_offset: string;
  next_chunk: number;
  watermark: Date | null;
  catalog_version: number;
}

interface SealRow {
  chunk: number;
  start_offset: string;
  end_offset: string;
  epoch: string;
  event_count: string;
  event_checksum: string;
}

interface SealEndRow {
  epoch: string;
  start_offset: string;
  end_offset: string;
  watermark: Date;
  catalog_version: number;
}

export class PostgresSealTables implements SealTables {
  private readonly pool: pg.Pool;
  private readonly generation: number;

  constructor(pool: pg.Pool, generation: number) {
    this.pool = pool;
    this.generation = generation;
  }

  inTransaction<Result>(work: (transaction: SealTransaction) => Promise<Result>): Promise<Result> {
    return inTransaction(this.pool, (client) => work(new PostgresSealTransaction(client, this.generation)));
  }

  async readEpoch(partition: number): Promise<bigint | null> {
    const { rows } = await this.pool.query<{ epoch: string }>(
      'SELECT epoch FROM tallyline.partition_progress WHERE generation = $1 AND partition = $2',
      [this.generation, partition],
    );
    return rows[0] === undefined ? null : BigInt(rows[0].epoch);
  }

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
}

class PostgresSealTransaction implements SealTransaction {
  private readonly client: pg.PoolClient;
  private readonly generation: number;

  constructor(client: pg.PoolClient, generation: number) {
    this.client = client;
    this.generation = generation;
  }

  async lockProgress(partition: number): Promise<PartitionProgress | null> {
    const { rows } = await this.client.query<ProgressRow>(
      `SELECT epoch, next_offset, next_chunk, watermark, catalog_version FROM tallyline.partition_progress
        WHERE generation = $1 AND partition = $2 FOR UPDATE`,
      [this.generation, partition],
    );
    const [row] = rows;
    if (row === undefined) return null;
    return {
      epoch: BigInt(row.epoch),
      nextOffset: Number(row.next_offset),
      nextChunk: row.next_chunk,
      partitionTime: millis(row.watermark),
      catalogVersion: row.catalog_version,
    };
  }

  async saveProgress(partition: number, progress: PartitionProgress, owner?: string): Promise<void> {
    const { partitionTime } = progress;
    await this.client.query(
      `UPDATE tallyline.partition_progress SET epoch = $3, next_offset = $4, next_chunk = $5, watermark = $6,
          catalog_version = $7, owner = coalesce($8, owner),
          acquired_at = CASE WHEN $8::text IS NULL THEN acquired_at ELSE clock_timestamp() END
        WHERE generation = $1 AND partition = $2`,
      [
        this.generation,
        partition,
        progress.epoch.toString(),
        progress.nextOffset,
        progress.nextChunk,
        partitionTime === null ? null : new Date(partitionTime),
        progress.catalogVersion,
        owner ?? null,
      ],
    );
  }

  async readSeal(partition: number, chunk: number): Promise<SealEnd | null> {
    const { rows } = await this.client.query<SealEndRow>(
      `SELECT epoch, start_offset, end_offset, watermark, catalog_version FROM tallyline.chunk_seals
        WHERE generation = $1 AND partition = $2 AND chunk = $3`,
      [this.generation, partition, chunk],
    );
    const [row] = rows;
    if (row === undefined) return null;
    return {
      epoch: BigInt(row.epoch),
      startOffset: Number(row.start_offset),
      endOffset: Number(row.end_offset),
      partitionTime: row.watermark.getTime(),
      catalogVersion: row.catalog_version,
    };
  }

  async readSealsSince(partition: number, since: number): Promise<SealedChunk[]> {
    const { rows } = await this.client.query<SealRow>(
      `SELECT chunk, start_offset, end_offset, epoch, event_count, event_checksum FROM tallyline.chunk_seals
        WHERE generation = $1 AND partition = $2 AND watermark >= $3 ORDER BY chunk`,
      [this.generation, partition, new Date(since)],
    );
    return rows.map((row) => ({
      chunk: row.chunk,
      startOffset: Number(row.start_offset),
      endOffset: Number(row.end_offset),
      epoch: BigInt(row.epoch),
      events: { count: Number(row.event_count), checksum: BigInt(row.event_checksum) },
    }));
  }

  async insertSeal({ outcomesByTenant, ...seal }: Seal): Promise<void> {
    await insertSeal(this.client, {
      ...{ generation: this.generation, ...seal },
      outcomesByTenant: Object.fromEntries(
        [...outcomesByTenant].map(([tenant, counts]) => [tenant, withoutZeros(counts)]),
      ),
    });
  }

  async takeBackSeals(partition: number, fromChunk: number, reason: string): Promise<void> {
    await this.client.query(
      `WITH taken AS (
          DELETE FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 AND chunk >= $3 RETURNING *
        ) INSERT INTO tallyline.chunk_seals_reopened SELECT taken.*, $4, clock_timestamp() FROM taken`,
      [this.generation, partition, fromChunk, reason],
    );
  }
}

const withoutZeros = (counts: OutcomeCounts): Partial<OutcomeCounts> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
