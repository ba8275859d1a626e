// Roll-up rows and seals as the aggregator leaves them, for tests of what reads sealed usage: rows go to ClickHouse,
// then their count and checksum to a seal in Postgres, and the published watermark follows.
import type pg from 'pg';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { parseQuantity } from '../../domain/number/quantity.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { NativeBlock } from '../../platform/clickhouse/native-block.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { rollUpColumns } from '../../platform/usage-store/chunk-tables.ts';

export interface UsageRow {
  readonly tenant?: string;
  readonly meter: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly groupValues?: readonly string[];
  readonly value: string;
  readonly latestEventTime?: number;
  readonly uniqueValues?: readonly string[];
}

export interface ChunkToSeal {
  readonly partition?: number;
  /** T at the chunk's end; milliseconds since the epoch. */
  readonly watermark: number;
  readonly rows: readonly UsageRow[];
  readonly epoch?: number;
}

const TABLES = [
  'ledger_entries',
  'line_items',
  'billing_periods',
  'ratings',
  'raters',
  'chunk_seals',
  'partition_progress',
];
const MORE_TABLES = [
  'published_watermark',
  'topic_generations',
  'catalog_versions',
  'tenant_catalog_versions',
  'api_keys',
];
const ACCOUNT_TABLES = [
  'customers',
  'assigned_subjects',
  'subject_assignments',
  'account_changes',
  'due_customers',
  'plan_holders',
];

export class SealedUsage {
  private readonly pool: pg.Pool;
  private readonly clickhouse: ClickHouse;
  private readonly partitions: number;
  private rowHash = 0n;

  constructor(pool: pg.Pool, clickhouse: ClickHouse, partitions = 1) {
    this.pool = pool;
    this.clickhouse = clickhouse;
    this.partitions = partitions;
  }

  /** Empties the stores and opens generation 1. */
  async reset(): Promise<void> {
    const tables = [...TABLES, ...MORE_TABLES, ...ACCOUNT_TABLES].map((name) => `tallyline.${name}`);
    await inTransaction(this.pool, async (client) => {
      // Of accounts nothing is ever deleted: their triggers are passed over.
      await client.query('SET LOCAL session_replication_role = replica');
      await client.query(`TRUNCATE ${tables.join()} CASCADE`);
    });
    await this.pool.query(
      `UPDATE tallyline.rater_shards SET owner = NULL, epoch = 0, seal_vector = '{}', watermark = NULL, closed_up_to = NULL,
         closing_up_to = NULL, catalog_version = 0`,
    );
    await this.pool.query(
      `INSERT INTO tallyline.topic_generations (generation, topic, topic_id, partitions, chunk_offsets, slot_ms, horizon_ms)
       VALUES (1, 'usage', 'topic', $1, 1024, 30000, 3024000000)`,
      [this.partitions],
    );
    await this.pool.query(
      'INSERT INTO tallyline.partition_progress (generation, partition) SELECT 1, generate_series(0, $1 - 1)',
      [this.partitions],
    );
    await this.clickhouse.command('TRUNCATE TABLE usage_rollups');
  }

  async apply(version: number, catalog: Catalog, effectiveAt = 0): Promise<void> {
    await this.pool.query(
      `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest, published_at)
       VALUES ($1, $2, $3, '', '', now())`,
      [version, new Date(effectiveAt), JSON.stringify(catalog)],
    );
  }

  /** Of the tenant alone; what was closed by then is what the raters have announced. */
  async applyOf(tenant: string, version: number, catalog: Catalog, effectiveAt = 0): Promise<void> {
    await this.pool.query(
      `INSERT INTO tallyline.tenant_catalog_versions
         (tenant, version, effective_at, closed_up_to, applies_to, catalog, source, digest, published_at)
       SELECT $1, $2, $3, coalesce(max(closing_up_to), 'epoch'), 'running', $4, '', '', now() FROM tallyline.rater_shards`,
      [tenant, version, new Date(effectiveAt), JSON.stringify(catalog)],
    );
  }

  async addTenant(tenant: string): Promise<void> {
    await this.pool.query(
      `INSERT INTO tallyline.api_keys (id, tenant, key_hash) VALUES ($1, $1, sha256(convert_to($1, 'UTF8')))`,
      [tenant],
    );
  }

  /** The number of the partition's next chunk. */
  async nextChunk(partition = 0): Promise<number> {
    const { rows } = await this.pool.query<{ next_chunk: number }>(
      'SELECT next_chunk FROM tallyline.partition_progress WHERE partition = $1',
      [partition],
    );
    return rows[0]!.next_chunk;
  }

  /** Writes rows of a chunk without a seal; returns their hashes. */
  async write(chunk: number, { partition = 0, rows, epoch = 1 }: Omit<ChunkToSeal, 'watermark'>): Promise<bigint[]> {
    const version = BigInt(epoch) * 2n ** 40n + 1n;
    const block = new NativeBlock(rollUpColumns, { generation: 1, partition, chunk, epoch, version });
    const hashes = rows.map((row, i) => {
      // Near 2^64, so that the checksum wraps around.
      this.rowHash += 1n;
      const hash = 2n ** 64n - this.rowHash * 7n;
      block.text(row.tenant ?? 'acme');
      block.text(row.meter);
      block.text(row.subject);
      block.seconds(row.windowStart);
      block.jsonTexts(row.groupValues ?? []);
      block.integer(parseQuantity(row.value)!);
      block.whole(1);
      const latest = row.latestEventTime ?? 0;
      for (const number of [latest, latest, chunk * 1_000 + i, 0]) block.whole(number);
      block.texts(row.uniqueValues ?? []);
      block.integer(hash);
      block.endRow();
      return hash;
    });
    if (rows.length > 0) await this.clickhouse.insert('usage_rollups', rollUpColumns, block.finish());
    return hashes;
  }

  /** Writes and seals the partition's next chunk. */
  async seal(chunkToSeal: ChunkToSeal): Promise<void> {
    const { partition = 0, watermark, epoch = 1, rows } = chunkToSeal;
    const chunk = await this.nextChunk(partition);
    const hashes = await this.write(chunk, chunkToSeal);
    const checksum = BigInt.asUintN(
      64,
      hashes.reduce((sum, hash) => sum + hash, 0n),
    );
    await inTransaction(this.pool, async (client) => {
      await client.query(
        `INSERT INTO tallyline.chunk_seals (generation, partition, chunk, epoch, start_offset, end_offset, watermark,
           catalog_version, event_count, event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum,
           accepted, duplicate, conflict, too_late, poison, tenant_outcomes)
         VALUES (1, $1, $2::int, $3, $2::int * 10, $2::int * 10 + 10, $4, 0, 0, 0, $5, $6, 0, 0, 0, 0, 0, 0, 0, '{}')`,
        [partition, chunk, epoch, new Date(watermark), rows.length, checksum.toString()],
      );
      await client.query(
        `UPDATE tallyline.partition_progress SET next_chunk = $2::int + 1, next_offset = $2::int * 10 + 10, watermark = $3,
           epoch = $4 WHERE partition = $1`,
        [partition, chunk, new Date(watermark), epoch],
      );
      await client.query(
        `INSERT INTO tallyline.published_watermark AS published (generation, watermark)
         SELECT 1, min(watermark) FROM tallyline.partition_progress HAVING count(*) = count(watermark)
         ON CONFLICT (generation) DO UPDATE SET watermark = greatest(published.watermark, EXCLUDED.watermark)`,
      );
    });
  }

  /** Seals an empty chunk in every partition: time passes. */
  async passTime(watermark: number): Promise<void> {
    for (let partition = 0; partition < this.partitions; partition += 1) {
      await this.seal({ partition, watermark, rows: [] });
    }
  }
}
