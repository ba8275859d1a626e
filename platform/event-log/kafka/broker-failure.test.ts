// A broker of three is killed while records are appended and read.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { kafkaUnavailable, startKafka, type TestKafka } from '../../../test/support/processes/kafka-broker.ts';
import { RecordingHandler } from '../../../test/support/recording-handler.ts';
import { type EventLog, EventLogError } from '../event-log.ts';
import { openKafkaEventLog } from './kafka-event-log.ts';

const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
const unavailable = await kafkaUnavailable({ brokers: 3 });
if (unavailable !== null) console.warn(`skipped: ${unavailable}`);

(unavailable === null ? describe : describe.skip)('when a broker of three is killed', () => {
  let kafka: TestKafka;
  let log: EventLog;

  const open = (): Promise<EventLog> =>
    openKafkaEventLog(
      { brokers: kafka.brokers, sasl: null, ssl: null },
      { topic: 'failure', partitions: 3, replicationFactor: 3, minInsyncReplicas: 2, retentionMs: 3_600_000 },
      logger,
    );

  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 });
    log = await open();
  }, 300_000);

  afterAll(async () => {
    await log?.close();
    await kafka?.stop();
  }, 300_000);

  it('loses nothing that was acknowledged, goes on, and lets others begin', async () => {
    const handler = new RecordingHandler();
    const consumption = await log.consume('failure', handler);
    const acknowledged = [new Set<string>(), new Set<string>(), new Set<string>()];
    const append = async (partition: number, value: string): Promise<void> => {
      for (;;) {
        try {
          await log.append(partition, [Buffer.from(value)]);
          acknowledged[partition]!.add(value);
          return;
        } catch (error) {
          if (!(error instanceof EventLogError && error.retriable)) throw error;
        }
      }
    };
    const appendRange = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) await Promise.all([0, 1, 2].map((partition) => append(partition, String(i))));
    };

    await appendRange(0, 100);
    const appending = appendRange(100, 300);
    await kafka.kill(0);
    // As many as it takes for some to ask the killed one, which is still named as a leader and maybe as the controller.
    const opening = Promise.all(Array.from({ length: 8 }, open));
    await appending;
    const others = await opening;
    expect(new Set(others.map(({ topicId }) => topicId))).toEqual(new Set([log.topicId]));
    await Promise.all(others.map((other) => other.close()));
    const readAll = (): boolean =>
      [0, 1, 2].every((partition) => {
        const read = new Set(handler.values(partition));
        return [...acknowledged[partition]!].every((value) => read.has(value));
      });
    await handler.until(readAll, 'every acknowledged record read', 90_000);
    await consumption.stop();

    expect(acknowledged.map((values) => values.size)).toEqual([300, 300, 300]);
    for (const partition of [0, 1, 2]) {
      const offsets = handler.read(partition).map((record) => record.offset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
      // A retry may put a record into the log twice, but never out of the order in which appends were acknowledged.
      const firsts = [...new Set(handler.values(partition))].map(Number);
      expect(firsts).toEqual(firsts.map((_, i) => i));
    }
    expect(handler.violations).toEqual([]);
  }, 300_000);
});
