// The tables of seals in Postgres: nothing but the statements. What may be written when is decided in seal-store.ts.
import type pg from 'pg';
import type { OutcomeCounts } from '../domain/metering/event-outcome.ts';
import { inTransaction } from '../platform/postgres/pool.ts';
import { instantParameter, int, nullable, recordOf, selected, whole } from '../platform/postgres/table-columns.ts';
import { insertSeal, sealColumns } from '../platform/usage-store/seal-rows.ts';
import type { SealedChunk } from './chunk-store.ts';
import type { Owner, PartitionProgress, Seal, SealEnd, SealTables, SealTransaction } from './seal-store.ts';

const { chunk, epoch, startOffset, endOffset, partitionTime, catalogVersion } = sealColumns;
const { eventCount, eventChecksum, nextRuleSet } = sealColumns;
const endColumns = { epoch, startOffset, endOffset, partitionTime, catalogVersion, nextRuleSet };
const eventsColumns = { chunk, startOffset, endOffset, epoch, eventCount, eventChecksum };
/** Of tallyline.partition_progress. */
export const progressColumns = {
  epoch,
  nextOffset: whole('next_offset'),
  nextChunk: int('next_chunk'),
  partitionTime: nullable(partitionTime),
  catalogVersion,
};

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

  async ruleSetKnownToAll(): Promise<number> {
    const { rows } = await this.pool.query<{ known: number }>(
      `SELECT min(CASE WHEN known_by_epoch = epoch THEN known_rule_set ELSE 1 END) AS known
        FROM tallyline.partition_progress WHERE generation = $1`,
      [this.generation],
    );
    return rows[0]!.known;
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
    return rows[0]?.watermark.getTime() ?? null;
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
    const { rows } = await this.client.query(
      `SELECT ${selected(progressColumns, 'progress')} FROM tallyline.partition_progress progress
        WHERE generation = $1 AND partition = $2 FOR UPDATE`,
      [this.generation, partition],
    );
    return rows[0] === undefined ? null : recordOf(progressColumns, rows[0]);
  }

  async saveProgress(partition: number, progress: PartitionProgress, owner?: Owner): Promise<void> {
    await this.client.query(
      `UPDATE tallyline.partition_progress SET epoch = $3, next_offset = $4, next_chunk = $5, watermark = $6,
          catalog_version = $7, owner = coalesce($8, owner),
          acquired_at = CASE WHEN $8::text IS NULL THEN acquired_at ELSE clock_timestamp() END,
          known_rule_set = coalesce($9, known_rule_set),
          known_by_epoch = CASE WHEN $9::int IS NULL THEN known_by_epoch ELSE $3 END,
          totals_epoch = CASE WHEN $8::text IS NULL THEN totals_epoch ELSE $3 END
        WHERE generation = $1 AND partition = $2`,
      [
        this.generation,
        partition,
        progress.epoch.toString(),
        progress.nextOffset,
        progress.nextChunk,
        instantParameter(progress.partitionTime),
        progress.catalogVersion,
        owner?.name ?? null,
        owner?.newestRuleSet ?? null,
      ],
    );
  }

  async readSeal(partition: number, chunk: number): Promise<SealEnd | null> {
    const { rows } = await this.client.query(
      `SELECT ${selected(endColumns, 'seal')} FROM tallyline.chunk_seals seal
        WHERE generation = $1 AND partition = $2 AND chunk = $3`,
      [this.generation, partition, chunk],
    );
    return rows[0] === undefined ? null : recordOf(endColumns, rows[0]);
  }

  async readSealsSince(partition: number, since: number): Promise<SealedChunk[]> {
    const { rows } = await this.client.query(
      `SELECT ${selected(eventsColumns, 'seal')} FROM tallyline.chunk_seals seal
        WHERE generation = $1 AND partition = $2 AND watermark >= $3 ORDER BY chunk`,
      [this.generation, partition, new Date(since)],
    );
    return rows.map((row) => {
      const { eventCount: count, eventChecksum: checksum, ...seal } = recordOf(eventsColumns, row);
      return { ...seal, events: { count, checksum } };
    });
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
    // What was recounted of them is sealed again once they are.
    await this.client.query(
      `INSERT INTO tallyline.due_chunks (generation, partition, chunk)
        SELECT DISTINCT generation, partition, chunk FROM tallyline.chunk_corrections
        WHERE generation = $1 AND partition = $2 AND chunk >= $3 ON CONFLICT DO NOTHING`,
      [this.generation, partition, fromChunk],
    );
  }
}

const withoutZeros = (counts: OutcomeCounts): Partial<OutcomeCounts> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
