// The owner of partition 0 on real stores and a log in memory, for tests of what it leaves in them.
import pino from 'pino';
import { Registry } from 'prom-client';
import { AggregatorMetrics } from '../../aggregator/aggregator-metrics.ts';
import { CatalogReader } from '../../aggregator/catalog-reader.ts';
import { ChunkStore } from '../../aggregator/chunk-store.ts';
import { fastCounter } from '../../aggregator/counting/fast-counter.ts';
import { PartitionLoop, type PartitionLoopParts } from '../../aggregator/partition-loop.ts';
import { PostgresSealTables } from '../../aggregator/postgres-seal-tables.ts';
import { RecordReader } from '../../aggregator/record-reader.ts';
import { SealStore } from '../../aggregator/seal-store.ts';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { findAvroSchema } from '../../platform/event-log/schema-store.ts';
import { openGeneration } from '../../platform/event-log/topic-generation.ts';
import type { MigratedStores } from './processes/migrated-stores.ts';
import { defaultVersions, metersInMemory } from './stored-meters.ts';

const HOUR = 3_600_000;
const rules = { chunkOffsets: 4, slotMs: 30_000, horizonMs: 35 * 24 * HOUR };

/** Generation 1, with one partition. */
export const openTestGeneration = (pool: MigratedStores['pool'], topicId = 'one') =>
  openGeneration(pool, { topic: 'events', topicId, partitions: 1, ...rules, firstRuleSet: NEWEST_RULE_SET });

/** Empties the tables of what is counted, and opens the generation. */
export async function resetCounted({ pool, clickhouse }: MigratedStores): Promise<void> {
  await pool.query(
    'TRUNCATE tallyline.topic_generations, tallyline.chunk_seals, tallyline.chunk_seals_reopened CASCADE',
  );
  for (const table of ['usage_events', 'usage_rollups', 'usage_totals', 'event_rejects', 'manifests']) {
    await clickhouse.command(`TRUNCATE TABLE ${table}`);
  }
  await openTestGeneration(pool);
}

/** `catalog` is version 1. */
export function aPartitionLoop(
  { pool, clickhouse }: Pick<MigratedStores, 'pool' | 'clickhouse'>,
  catalog: Catalog,
  log: readonly LogRecord[],
  more: Partial<PartitionLoopParts> = {},
): PartitionLoop {
  const versions = defaultVersions(catalog);
  const catalogs = new CatalogReader(metersInMemory(() => versions));
  return new PartitionLoop(0, {
    generation: 1,
    rules,
    chunks: new ChunkStore(clickhouse, 1),
    seals: new SealStore(new PostgresSealTables(pool, 1), NEWEST_RULE_SET),
    catalogs,
    records: new RecordReader((fingerprint) => findAvroSchema(pool, fingerprint), catalogs, NEWEST_RULE_SET),
    newCounter: fastCounter,
    keySpace: null,
    metrics: new AggregatorMetrics(new Registry(), Date.now, () => []),
    logger: pino({ level: 'silent' }),
    clock: Date.now,
    timers: realTimers,
    owner: { name: 'test', newestRuleSet: NEWEST_RULE_SET },
    flushIntervalMs: 0,
    flushEventsMax: 1_000,
    clockLeapMaxMs: HOUR,
    bounds: async () => ({ startOffset: 0, endOffset: log.at(-1)!.offset + 1 }),
    ...more,
  });
}

/** Feeds the log to an owner from where it wants to begin, until it has counted all of it. */
export async function drainLog(loop: PartitionLoop, log: readonly LogRecord[], from?: number): Promise<void> {
  let next: number | undefined = from ?? (await loop.acquire());
  while (next !== undefined) {
    const offset: number = next;
    next = await loop.count(log.filter((record) => record.offset >= offset));
  }
}
