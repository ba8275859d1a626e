// The event log that the settings name.
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Settings } from '../settings/settings.ts';
import type { EventLog } from './event-log.ts';
import { openKafkaEventLog } from './kafka/kafka-event-log.ts';
import { openPostgresEventLog } from './postgres/postgres-event-log.ts';
import { currentGeneration } from './topic-generation.ts';

/**
 * Kafka where brokers are set, else Postgres. `pool` stays the caller's. Rejects with `EventLogError`. A topic that was
 * counted from before keeps its number of partitions, whatever the settings say, and is never made anew.
 */
export async function connectEventLog(settings: Settings, pool: pg.Pool, logger: Logger): Promise<EventLog> {
  const { topic, partitions, replicationFactor, minInsyncReplicas, retentionMs } = settings.log;
  const generation = await currentGeneration(pool);
  const isKnown = generation?.topic === topic;
  const topicOptions = {
    ...{ topic, replicationFactor, minInsyncReplicas, retentionMs, mustExist: isKnown },
    partitions: isKnown ? generation.partitions : partitions,
  };
  const { appendTimeoutMs } = settings.ingest;
  const { groupSessionMs } = settings.log;
  return settings.kafka === null
    ? openPostgresEventLog(pool, topicOptions, logger, { appendTimeoutMs, leaseMs: groupSessionMs })
    : openKafkaEventLog(settings.kafka, topicOptions, logger, { appendTimeoutMs, sessionTimeoutMs: groupSessionMs });
}
