// The event log that the settings name.
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Settings } from '../settings.ts';
import type { EventLog } from './event-log.ts';
import { openKafkaEventLog } from './kafka/kafka-event-log.ts';
import { openPostgresEventLog } from './postgres/postgres-event-log.ts';

/** Kafka where brokers are set, else Postgres. `pool` stays the caller's. Rejects with `EventLogError`. */
export function openEventLog(settings: Settings, pool: pg.Pool, logger: Logger): Promise<EventLog> {
  const { topic, partitions, replicationFactor, minInsyncReplicas, retentionMs } = settings.log;
  const topicOptions = { topic, partitions, replicationFactor, minInsyncReplicas, retentionMs };
  const { appendTimeoutMs } = settings.ingest;
  return settings.kafka === null
    ? openPostgresEventLog(pool, topicOptions, logger, { appendTimeoutMs })
    : openKafkaEventLog(settings.kafka, topicOptions, logger, { appendTimeoutMs });
}
