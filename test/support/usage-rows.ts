// Rows of the stores as the aggregator, the rater and the catalog leave them, for tests of what reads them.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { manifestRow } from '../../aggregator/counting/chunk-rows.ts';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { noOutcomes } from '../../domain/metering/event-outcome.ts';
import { parseQuantity } from '../../domain/number/quantity.ts';
import { dedupKeyOf, partitionOf } from '../../domain/usage-event.ts';
import { type KeyRights, storeApiKey } from '../../platform/access/api-key-store.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { NativeBlock, type TableColumn } from '../../platform/clickhouse/native-block.ts';
import {
  eventColumns,
  manifestColumns,
  rejectColumns,
  rollUpColumns,
} from '../../platform/usage-store/chunk-tables.ts';

export interface RollUp {
  readonly tenant?: string;
  readonly meter: string;
  readonly subject?: string;
  readonly windowStart: number;
  readonly groupValues?: readonly string[];
  readonly partition?: number;
  readonly chunk?: number;
  readonly epoch?: number;
  readonly version?: number;
  readonly value: string;
  /** Absent: 1. */
  readonly events?: number;
  readonly latest?: { readonly eventTime: number; readonly offset: number };
  readonly uniqueValues?: readonly string[];
}

export async function insertRollUps(clickhouse: ClickHouse, rows: readonly RollUp[]): Promise<void> {
  const block = new NativeBlock(rollUpColumns, { generation: 1 });
  for (const row of rows) {
    block.text(row.tenant ?? 'acme');
    block.text(row.meter);
    block.text(row.subject ?? 'cus_1');
    block.seconds(row.windowStart);
    block.jsonTexts(row.groupValues ?? []);
    block.whole(row.partition ?? 0);
    block.whole(row.chunk ?? 0);
    block.integer(parseQuantity(row.value)!);
    block.whole(row.events ?? 1);
    block.whole(row.latest?.eventTime ?? 0);
    block.whole(row.latest?.eventTime ?? 0);
    block.whole(row.latest?.offset ?? 0);
    block.whole(0);
    block.texts(row.uniqueValues ?? []);
    block.whole(row.epoch ?? 1);
    block.whole(row.version ?? 1);
    block.whole(0);
    block.endRow();
  }
  await clickhouse.insert('usage_rollups', rollUpColumns, block.finish());
}

export interface EventRow {
  readonly tenant?: string;
  readonly source?: string;
  readonly id: string;
  readonly type?: string;
  readonly subject?: string;
  readonly eventTime: number;
  readonly receivedAt: number;
  readonly data?: string;
  readonly offset: number;
  readonly epoch?: number;
  /** Why it was not counted; absent: it was. */
  readonly reason?: 'conflict' | 'too_late' | 'poison';
}

const NAMED = [
  ...['generation', 'partition', 'offset', 'index', 'epoch', 'tenant', 'source', 'id', 'type', 'subject'],
  ...['event_time', 'received_at', 'dedup_key'],
];

function columnOf(columns: readonly TableColumn[], name: string): TableColumn {
  const column = columns.find((each) => each.name === name);
  if (column === undefined) throw new Error(`no column ${name}`);
  return column;
}

/** `partitions`: of the log, which decides the row's own. */
export async function insertEvents(
  clickhouse: ClickHouse,
  rows: readonly EventRow[],
  partitions: number,
): Promise<void> {
  for (const rejected of [false, true]) {
    const [table, all, names] = rejected
      ? (['event_rejects', rejectColumns, [...NAMED, 'bytes', 'rejected_at', 'reason', 'code', 'message']] as const)
      : (['usage_events', eventColumns, [...NAMED, 'data', 'accepted_at']] as const);
    const columns = names.map((name) => columnOf(all, name));
    const block = new NativeBlock(columns, { generation: 1, index: 0 });
    for (const row of rows.filter((one) => (one.reason !== undefined) === rejected)) {
      const dedupKey = dedupKeyOf(row.tenant ?? 'acme', row.source ?? '', row.id);
      block.whole(partitionOf(dedupKey, partitions));
      block.whole(row.offset);
      block.whole(row.epoch ?? 1);
      block.text(row.tenant ?? 'acme');
      block.text(row.source ?? '');
      block.text(row.id);
      block.text(row.type ?? 'llm.completion');
      block.text(row.subject ?? 'cus_1');
      block.millis(row.eventTime);
      block.millis(row.receivedAt);
      block.bytes(dedupKey);
      block.text(row.data ?? '{}');
      block.millis(row.receivedAt);
      if (rejected) for (const text of [row.reason!, row.reason!, `because of ${row.reason}`]) block.text(text);
      block.endRow();
    }
    if (block.rows > 0) await clickhouse.insert(table, columns, block.finish());
  }
}

export interface ManifestRow {
  readonly partition: number;
  readonly chunk: number;
  readonly epoch?: number;
  readonly nextOffset: number;
  readonly watermark: number;
}

export async function insertManifests(clickhouse: ClickHouse, rows: readonly ManifestRow[]): Promise<void> {
  const bodies = rows.map(({ partition, chunk, epoch = 1, nextOffset, watermark }) =>
    manifestRow(
      { generation: 1, partition, chunk, epoch: BigInt(epoch), version: BigInt(epoch * 2 ** 40 + nextOffset) },
      { startOffset: 0, nextOffset, startedAt: 0, partitionTime: watermark, outcomes: noOutcomes() },
    ),
  );
  await clickhouse.insert('manifests', manifestColumns, bodies.flat());
}

export async function insertGeneration(pool: pg.Pool, topicId: string, partitions: number): Promise<void> {
  await pool.query(
    `INSERT INTO tallyline.topic_generations (generation, topic, topic_id, partitions, chunk_offsets, slot_ms, horizon_ms)
     VALUES (1, 'usage', $1, $2, 1024, 30000, 3024000000)`,
    [topicId, partitions],
  );
}

export interface Seal {
  readonly partition: number;
  readonly chunk: number;
  readonly endOffset: number;
  readonly watermark: number;
  /** Default: none. */
  readonly accepted?: number;
  /** At the chunk's end. */
  readonly catalogVersion: number;
  readonly catalogChanges?: readonly { readonly offset: number; readonly version: number }[];
}

/** Seals the partition's next chunk up to `endOffset` and moves its progress there. */
export async function insertSeal(pool: pg.Pool, seal: Seal): Promise<void> {
  const { partition, chunk, endOffset, catalogVersion, catalogChanges = [], accepted = 0 } = seal;
  const watermark = new Date(seal.watermark);
  await pool.query(
    `INSERT INTO tallyline.chunk_seals (generation, partition, chunk, epoch, start_offset, end_offset, watermark,
       catalog_version, event_count, event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum,
       accepted, duplicate, conflict, too_late, poison, tenant_outcomes, catalog_changes)
     SELECT 1, $1, $2, 1, coalesce(max(end_offset), 0), $3, $4, $5, $7, 0, 0, 0, 0, 0, $7, 0, 0, 0, 0, '{}', $6
     FROM tallyline.chunk_seals WHERE generation = 1 AND partition = $1`,
    [partition, chunk, endOffset, watermark, catalogVersion, JSON.stringify(catalogChanges), accepted],
  );
  await pool.query(
    `INSERT INTO tallyline.partition_progress (generation, partition, epoch, next_offset, next_chunk, watermark, catalog_version)
     VALUES (1, $1, 1, $2, $3, $4, $5)
     ON CONFLICT (generation, partition) DO UPDATE
       SET next_offset = $2, next_chunk = $3, watermark = $4, catalog_version = $5`,
    [partition, endOffset, chunk + 1, watermark, catalogVersion],
  );
}

export async function insertCatalog(
  pool: pg.Pool,
  version: number,
  catalog: Catalog,
  effectiveAt = new Date(),
): Promise<void> {
  await pool.query(
    `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest, published_at)
     VALUES ($1, $4, $2, '', $3, now())`,
    [version, JSON.stringify(catalog), createHash('sha256').update(JSON.stringify(catalog)).digest(), effectiveAt],
  );
}

/** Which may do everything within its tenant, where nothing else is said. */
export const insertKey = (
  pool: pg.Pool,
  tenant: string,
  key: string,
  rights: KeyRights = { scopes: ['admin'] },
): Promise<string> => storeApiKey(pool, key, { tenant, actor: 'cli:test' }, '', rights);

export interface LineItemFields {
  readonly id: string;
  readonly tenant?: string;
  readonly customer?: string;
  /** Where the price is for each. */
  readonly subject?: string;
  readonly meter?: string | null;
  readonly price?: string;
  readonly groups?: Readonly<Record<string, string>>;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly quantity?: string;
  readonly amount?: string;
  readonly revision?: number;
  readonly cumulativeQuantity?: string;
}

/** In the billing period of November 2026, by catalog version 1. */
export async function insertLineItems(pool: pg.Pool, items: readonly LineItemFields[]): Promise<void> {
  const [periodStart, periodEnd] = ['2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z'];
  for (const item of items) {
    const { tenant = 'acme', customer = 'cus_1', subject = '', revision = 0 } = item;
    // Of a rating that says nothing: these periods were not rated, they are there for their items.
    await pool.query(
      `WITH rating AS (INSERT INTO tallyline.ratings (catalog_version, seal_vector) VALUES (1, '{}') RETURNING id)
       INSERT INTO tallyline.billing_periods (tenant, customer, subscription, period_start, period_end, rating)
       SELECT $1, $2, '', $3, $4, id FROM rating ON CONFLICT DO NOTHING`,
      [tenant, customer, periodStart, periodEnd],
    );
    await pool.query(
      `INSERT INTO tallyline.line_items (id, tenant, customer, subscription, plan, price, meter, groups, window_start,
         window_end, period_start, period_end, quantity, amount, currency, kind, revision, cause, catalog_version,
         cumulative_quantity, subject, term_start, cumulative_amount, rating)
       VALUES ($1, $2, $3, '', 'basic', $4, $5, $6, $7, $8, $9, $10, $11, $12, 'USD', $13, $14, 'window_closed', 1, $15,
         $16, $9, $12, (SELECT max(id) FROM tallyline.ratings))`,
      [
        ...[item.id, tenant, customer, item.price ?? 'input', item.meter === undefined ? 'input_tokens' : item.meter],
        ...[
          JSON.stringify(item.groups ?? {}),
          new Date(item.windowStart),
          new Date(item.windowEnd),
          periodStart,
          periodEnd,
        ],
        ...[item.quantity ?? '1.000', item.amount ?? '0.10', revision === 0 ? 'usage' : 'adjustment', revision],
        ...[item.cumulativeQuantity ?? '1', subject],
      ],
    );
  }
}
