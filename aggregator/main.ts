// Composition root of the aggregator: opens the topic generation and puts its partitions on the real stores.
import { hostname } from 'node:os';
import type pg from 'pg';
import { NEWEST_RULE_SET } from '../domain/metering/rule-set.ts';
import { realTimers, repeat } from '../platform/calls/timers.ts';
import { publishedMeters } from '../platform/catalog-store.ts';
import { moneyTerms, onTerms } from '../platform/clickhouse/call-terms.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { findAvroSchema } from '../platform/event-log/schema-store.ts';
import { newGeneration, openGeneration } from '../platform/event-log/topic-generation.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import { postgresRepairRequests } from './chunk-repairs.ts';
import { ChunkStore } from './chunk-store.ts';
import { fastCounter } from './counting/fast-counter.ts';
import { newKeyFile } from './key-files.ts';
import { consumePartitions } from './partition-group.ts';
import { PostgresSealTables } from './postgres-seal-tables.ts';
import { PostgresRecountTables } from './recounting/postgres-recount-tables.ts';
import { RevisionStore } from './recounting/revision-store.ts';

export interface AggregatorParts {
  readonly pool: pg.Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: EventLog;
  /** Absent: the newest of this release. An earlier one makes it an owner of an earlier release. */
  readonly newestRuleSet?: number;
}

const LAG_INTERVAL_MS = 2_000;
const REPAIR_INTERVAL_MS = 1_000;
const RECOUNT_INTERVAL_MS = 1_000;

/** Resolves once the consumer group was joined; rejects where the log is not the one that was counted before. */
export async function startAggregator(context: StageContext, parts: AggregatorParts): Promise<Stage> {
  const { settings } = context;
  const { pool, clickhouse, eventLog, newestRuleSet = NEWEST_RULE_SET } = parts;
  const generation = await openGeneration(pool, newGeneration(settings, eventLog));
  const { dedupMemoryBytes, dedupDirectory } = settings.aggregator;
  const newFile = () => newKeyFile(dedupDirectory);
  // A directory that can't be used is found now and not when memory is full.
  if (dedupMemoryBytes !== null) (await newFile()).close();
  const group = await consumePartitions({
    ...context,
    generation: generation.generation,
    rules: generation,
    firstRuleSet: generation.firstRuleSet,
    eventLog,
    chunks: new ChunkStore(onTerms(clickhouse, moneyTerms), generation.generation),
    sealTables: new PostgresSealTables(pool, generation.generation),
    storedMeters: publishedMeters(pool),
    findSchema: (fingerprint) => findAvroSchema(pool, fingerprint),
    newCounter: fastCounter,
    newKeyFile: newFile,
    timers: realTimers,
    owner: { name: `${hostname()}/${process.pid}`, newestRuleSet },
  });
  const stopMeasuring = repeat(realTimers, LAG_INTERVAL_MS, () => void group.measureLag());
  const repairRequests = postgresRepairRequests(pool, generation.generation);
  let repairing = Promise.resolve();
  const stopRepairing = repeat(realTimers, REPAIR_INTERVAL_MS, () => {
    repairing = repairing.then(() => group.repairChunks(repairRequests));
  });
  const recounts = {
    tables: new PostgresRecountTables(pool, generation.generation),
    revisions: new RevisionStore(onTerms(clickhouse, moneyTerms), generation.generation),
  };
  let recounting: Promise<void> | null = null;
  const stopRecounting = repeat(realTimers, RECOUNT_INTERVAL_MS, () => {
    recounting ??= group.recountChunks(recounts).finally(() => {
      recounting = null;
    });
  });
  return {
    name: 'aggregator',
    notReady: () => null,
    failed: group.failed,
    async stop() {
      stopMeasuring();
      stopRepairing();
      stopRecounting();
      await repairing;
      await recounting;
      await group.stop();
    },
  };
}
