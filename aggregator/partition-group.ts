// The partitions of one aggregator process: joins the consumer group, runs one loop per partition it is given, and
// keeps their clocks going with ticks.

import { FIRST_RULE_SET } from '../domain/metering/rule-set.ts';
import { repeat, type Timers } from '../platform/calls/timers.ts';
import type { StoredMeters } from '../platform/catalog-store.ts';
import type { Consumption, EventLog, PartitionBounds } from '../platform/event-log/event-log.ts';
import { encodeTick } from '../platform/event-log/record-codec.ts';
import type { StageContext } from '../platform/process/stage.ts';
import { AggregatorMetrics } from './aggregator-metrics.ts';
import { CatalogReader } from './catalog-reader.ts';
import { decideRepairs, type RepairRequests } from './chunk-repairs.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { KeyFile } from './core/key-run.ts';
import type { GenerationRules } from './core/partition-state.ts';
import type { NewCounter } from './counting/counter.ts';
import { PartitionLoop, type PartitionLoopParts } from './partition-loop.ts';
import { RecordReader } from './record-reader.ts';
import { PartitionRecounts, type PartitionRecountsParts } from './recounting/partition-recounts.ts';
import { type Owner, PartitionLost, SealStore, type SealTables } from './seal-store.ts';
export interface PartitionGroupParts extends StageContext {
  readonly generation: number;
  readonly rules: GenerationRules;
  /** By which the first chunk of each partition is read. */
  readonly firstRuleSet: number;
  readonly eventLog: EventLog;
  readonly chunks: ChunkStore;
  readonly sealTables: SealTables;
  readonly storedMeters: StoredMeters;
  /** The Avro schema that a writer registered under a fingerprint, or null where none did. */
  readonly findSchema: (fingerprint: Buffer) => Promise<object | null>;
  readonly newCounter: NewCounter;
  /** For keys that TALLYLINE_DEDUP_MEMORY has no room for. */
  readonly newKeyFile: () => Promise<KeyFile>;
  readonly timers: Timers;
  /** Names this process in partition_progress, and says what it knows. */
  readonly owner: Owner;
}

export interface PartitionGroup {
  /** Rejects when a partition can't go on. Never resolves. */
  readonly failed: Promise<never>;
  /** Brings the metric of records that wait in the log up to date. */
  measureLag(): Promise<void>;
  /**
   * Decides the requests to repair chunks of this process's partitions. A failure is logged: the next call does it
   * again.
   */
  repairChunks(requests: RepairRequests): Promise<void>;
  /**
   * Counts chunks of this process's partitions again where that is due, for a moment. A failure is logged: the next
   * call goes on.
   */
  recountChunks(recounts: Pick<PartitionRecountsParts, 'tables' | 'revisions'>): Promise<void>;
  stop(): Promise<void>;
}

/** Of one partition before the next: a step is up to sixteen chunks. */
const RECOUNT_STEPS_MAX = 8;

/** Resolves once the consumer group was joined. */
export async function consumePartitions(parts: PartitionGroupParts): Promise<PartitionGroup> {
  const { settings, logger, registry, clock, timers, eventLog } = parts;
  const loops = new Map<number, PartitionLoop>();
  const metrics = new AggregatorMetrics(registry, clock, () => loops.values());
  const catalogs = new CatalogReader(parts.storedMeters);
  const bounds = async (partition: number): Promise<PartitionBounds> => {
    const found = (await eventLog.bounds()).find((candidate) => candidate.partition === partition);
    if (found === undefined) throw new Error(`the log has no partition ${partition}`);
    return found;
  };
  const seals = new SealStore(parts.sealTables, parts.firstRuleSet);
  const { dedupMemoryBytes } = settings.aggregator;
  const loopParts: PartitionLoopParts = {
    generation: parts.generation,
    rules: parts.rules,
    chunks: parts.chunks,
    seals,
    catalogs,
    records: new RecordReader(parts.findSchema, catalogs, parts.owner.newestRuleSet),
    newCounter: parts.newCounter,
    keySpace:
      dedupMemoryBytes === null
        ? null
        : { bytes: () => dedupMemoryBytes / Math.max(1, loops.size), newFile: parts.newKeyFile },
    metrics,
    logger,
    clock,
    timers,
    owner: parts.owner,
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

  // A rule set is asked for once every partition's owner knows it: one that does not would have to halt.
  let askedRuleSet = FIRST_RULE_SET;
  let asking = false;
  const askWhatAllKnow = async (): Promise<void> => {
    const isInForce = [...loops.values()].every(
      ({ state }) => state === null || state.chunk.nextRuleSet >= parts.owner.newestRuleSet,
    );
    if (asking || (isInForce && askedRuleSet === parts.owner.newestRuleSet)) return;
    asking = true;
    try {
      askedRuleSet = Math.min(parts.owner.newestRuleSet, await seals.ruleSetKnownToAll());
    } catch (error) {
      logger.warn({ err: error }, 'which rule set all owners know could not be read; the next tick asks again');
    } finally {
      asking = false;
    }
  };

  // Without ticks an idle partition would hold the watermark of all others back.
  const stopTicking = repeat(timers, settings.aggregator.tickIntervalMs, () => {
    for (const partition of loops.keys()) {
      eventLog
        .append(partition, [encodeTick({ sentAt: clock(), ruleSet: askedRuleSet })])
        .catch((error: unknown) =>
          logger.warn({ err: error, partition }, 'a tick was not appended; the next one follows'),
        );
    }
    void askWhatAllKnow();
  });

  return {
    failed: consumption.failed,
    measureLag: async () => {
      try {
        metrics.logBounds(await eventLog.bounds());
      } catch (error) {
        logger.warn({ err: error }, 'the bounds of the log could not be read');
      }
    },
    repairChunks: async (requests) => {
      const logStartOffset = async (partition: number) => (await bounds(partition)).startOffset;
      try {
        await decideRepairs({ requests, seals, logStartOffset, logger }, [...loops.keys()]);
      } catch (error) {
        logger.warn({ err: error }, 'requests to repair chunks could not be decided; the next look does it');
      }
    },
    recountChunks: async (recounts) => {
      for (const [partition, loop] of loops) {
        const recounting = new PartitionRecounts(partition, { ...recounts, catalogs, logger });
        try {
          // Whoever is waiting for another partition is not to wait for all of this one.
          for (let steps = 0; steps < RECOUNT_STEPS_MAX && loop.epoch !== null; steps++) {
            const chunks = await recounting.step(loop.epoch);
            if (chunks === null) break;
            metrics.chunksRecounted(chunks);
          }
        } catch (error) {
          // Its new owner goes on.
          if (!(error instanceof PartitionLost)) metrics.recountFailed();
          logger.warn({ err: error, partition }, 'chunks could not be recounted; the next look goes on');
        }
      }
    },
    async stop() {
      stopTicking();
      for (const loop of loops.values()) loop.release();
      await consumption.stop();
    },
  };
}
