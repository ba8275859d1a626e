// Composition root of the aggregator: joins the consumer group, runs one loop per partition it is given, keeps their clocks
// going with ticks, and measures how far behind they are.
import { hostname } from 'node:os';
import type pg from 'pg';
import { catalogVersion } from '../platform/catalog-store.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { Consumption, EventLog, PartitionBounds } from '../platform/event-log/event-log.ts';
import { encodeTick } from '../platform/event-log/record-codec.ts';
import { registerAvroSchemas } from '../platform/event-log/schema-store.ts';
import type { Stage, StageContext } from '../platform/stage.ts';
import { openGeneration } from '../platform/topic-generation.ts';
import { AggregatorMetrics } from './aggregator-metrics.ts';
import { CatalogReader } from './catalog-reader.ts';
import { ChunkStore } from './chunk-store.ts';
import { PartitionLoop } from './partition-loop.ts';
import { RecordReader } from './record-reader.ts';
import { SealStore } from './seal-store.ts';

export interface AggregatorParts {
  readonly pool: pg.Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: EventLog;
}

const LAG_INTERVAL_MS = 2_000;

/** Resolves once the consumer group was joined; rejects where the log is not the one that was counted before. */
export async function startAggregator(context: StageContext, parts: AggregatorParts): Promise<Stage> {
  const { settings, logger, registry, clock } = context;
  const { pool, clickhouse, eventLog } = parts;
  await registerAvroSchemas(pool);
  const generation = await openGeneration(pool, {
    topic: settings.log.topic,
    topicId: eventLog.topicId,
    partitions: eventLog.partitions,
    ...{ chunkOffsets: settings.aggregator.chunkOffsets, slotMs: settings.aggregator.chunkSlotMs },
    horizonMs: settings.aggregator.horizonMs,
  });
  const loops = new Map<number, PartitionLoop>();
  const metrics = new AggregatorMetrics(registry, clock, () => loops.values());
  const catalogs = new CatalogReader((version) => catalogVersion(pool, version));
  const bounds = async (partition: number): Promise<PartitionBounds> => {
    const found = (await eventLog.bounds()).find((candidate) => candidate.partition === partition);
    if (found === undefined) throw new Error(`the log has no partition ${partition}`);
    return found;
  };
  const loopParts = {
    generation: generation.generation,
    rules: generation,
    chunks: new ChunkStore(clickhouse, generation.generation),
    seals: new SealStore(pool, generation.generation),
    catalogs,
    records: new RecordReader(pool, catalogs),
    metrics,
    logger,
    clock,
    owner: `${hostname()}/${process.pid}`,
    flushIntervalMs: settings.aggregator.flushIntervalMs,
    flushEventsMax: settings.aggregator.flushEventsMax,
    clockLeapMaxMs: settings.aggregator.clockLeapMaxMs,
    bounds,
  };

  const consumption: Consumption = await eventLog.consume(settings.log.group, {
    assigned: (partition) => {
      const loop = new PartitionLoop(partition, loopParts);
      loops.set(partition, loop);
      return loop.acquire();
    },
    records: async (partition, records) => {
      const loop = loops.get(partition);
      const next = await loop?.count(records);
      const counted = loop?.state?.chunk.nextOffset;
      if (counted !== undefined) consumption.commit(partition, counted);
      return next;
    },
    revoked: async (partition) => {
      loops.get(partition)?.release();
      loops.delete(partition);
    },
  });

  // Without ticks an idle partition would hold the watermark of all others back.
  const ticking = setInterval(() => {
    for (const partition of loops.keys()) {
      eventLog
        .append(partition, [encodeTick({ sentAt: clock() })])
        .catch((error: unknown) =>
          logger.warn({ err: error, partition }, 'a tick was not appended; the next one follows'),
        );
    }
  }, settings.aggregator.tickIntervalMs);
  const measuring = setInterval(() => {
    eventLog
      .bounds()
      .then((all) => metrics.logBounds(all))
      .catch((error: unknown) => logger.warn({ err: error }, 'the bounds of the log could not be read'));
  }, LAG_INTERVAL_MS);

  return {
    name: 'aggregator',
    notReady: () => null,
    failed: consumption.failed,
    async stop() {
      clearInterval(ticking);
      clearInterval(measuring);
      for (const loop of loops.values()) loop.release();
      await consumption.stop();
    },
  };
}
