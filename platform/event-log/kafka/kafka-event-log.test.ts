import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { kafkaUnavailable, startKafka } from '../../../test/support/processes/kafka-broker.ts';
import { describeEventLog } from '../event-log.contract.ts';
import { createClient } from './client.ts';
import { openKafkaEventLog } from './kafka-event-log.ts';

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
const unavailable = await kafkaUnavailable();

if (unavailable === null) {
  describeEventLog('Kafka', async () => {
    const { brokers, stop } = await startKafka();
    const settings = { brokers, sasl: null, ssl: null };
    const admin = createClient(settings, logger).admin();
    await admin.connect();
    const sessionTimeoutMs = 6000;
    return {
      silenceMs: sessionTimeoutMs,
      open: (topic) =>
        openKafkaEventLog(settings, topic, logger, { heartbeatMs: 200, sessionTimeoutMs, topicCheckIntervalMs: 500 }),
      deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
      deleteRecordsBefore: async (topic, partition, offset) => {
        // kafkajs looks for the leader in what it last heard of the topic; this makes it hear.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
      },
      stop: async () => {
        await admin.disconnect();
        await stop();
      },
    };
  });
} else {
  describe('event log contract: Kafka', () => {
    it.skip(unavailable, () => undefined);
  });
  console.warn(`skipped: ${unavailable}`);
}

describe('the event log in Kafka', () => {
  it('says within seconds that no broker answers, and at which address', async () => {
    const began = Date.now();
    const opening = openKafkaEventLog(
      { brokers: ['127.0.0.1:1'], sasl: null, ssl: null },
      { topic: randomUUID(), partitions: 1, replicationFactor: 1, minInsyncReplicas: 1, retentionMs: 60_000 },
      logger,
    );
    await expect(opening).rejects.toMatchObject({
      code: 'unavailable',
      retriable: true,
      message: expect.stringContaining('127.0.0.1:1'),
    });
    expect(Date.now() - began).toBeLessThan(10_000);
  });
});
