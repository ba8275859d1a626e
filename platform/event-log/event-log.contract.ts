// What every adapter of the event log keeps, as one suite: `describeEventLog` is called by each adapter's test.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RecordingHandler } from '../../test/support/recording-handler.ts';
import { type EventLog, EventLogError, type TopicOptions } from './event-log.ts';
import { recordBytesMax } from './record-size.ts';

/** A running log server and the things a test does to it behind the adapter's back. */
export interface EventLogHarness {
  /** A member that the logs opened here do not hear of for this long loses its partitions. */
  readonly silenceMs: number;
  open(topic: TopicOptions): Promise<EventLog>;
  deleteTopic(topic: string): Promise<void>;
  /** Makes `offset` the first offset that the partition holds. */
  deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<void>;
  stop(): Promise<void>;
}

const dayMs = 86_400_000;

export function describeEventLog(name: string, start: () => Promise<EventLogHarness>): void {
  describe(`event log contract: ${name}`, () => {
    let harness: EventLogHarness;
    const opened: EventLog[] = [];
    let group: string;

    beforeAll(async () => {
      harness = await start();
    }, 300_000);

    beforeEach(() => {
      group = `contract-${randomUUID()}`;
    });

    afterAll(async () => {
      await Promise.all(opened.map((log) => log.close()));
      await harness?.stop();
    }, 300_000);

    const topicOptions = (partitions: number): TopicOptions => ({
      topic: `contract-${randomUUID()}`,
      partitions,
      replicationFactor: 1,
      minInsyncReplicas: 1,
      retentionMs: 30 * dayMs,
    });

    const open = async (options: TopicOptions): Promise<EventLog> => {
      const log = await harness.open(options);
      opened.push(log);
      return log;
    };

    const failure = (log: { failed: Promise<never> }): Promise<unknown> => log.failed.catch((error: unknown) => error);

    const buffers = (from: number, to: number): Buffer[] =>
      Array.from({ length: to - from }, (_, i) => Buffer.from(String(from + i)));

    it('appends in order, with growing offsets and the append time of the log', async () => {
      const log = await open(topicOptions(2));
      const before = Date.now();
      await log.append(0, buffers(0, 3));
      await Promise.all([log.append(1, [Buffer.from('other')]), log.append(0, buffers(3, 100))]);
      const handler = new RecordingHandler();
      const consumption = await log.consume(group, handler);
      await handler.until(() => handler.read(0).length >= 100 && handler.read(1).length >= 1, 'every record read');
      await consumption.stop();

      expect(handler.values(0)).toEqual(buffers(0, 100).map(String));
      expect(handler.values(1)).toEqual(['other']);
      const offsets = handler.read(0).map((record) => record.offset);
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
      for (const { appendTime } of handler.read(0)) {
        expect(appendTime).toBeGreaterThan(before - 60_000);
        expect(appendTime).toBeLessThan(Date.now() + 60_000);
      }
      expect(handler.violations).toEqual([]);
    });

    it('keeps what was appended, its bounds and its id when it is opened again', async () => {
      const options = topicOptions(2);
      const first = await open(options);
      await first.append(1, buffers(0, 5));
      const { topicId } = first;
      await first.close();
      const second = await open(options);

      expect(second.topicId).toBe(topicId);
      expect(second.partitions).toBe(2);
      expect(await second.bounds()).toEqual([
        { partition: 0, startOffset: 0, endOffset: 0 },
        { partition: 1, startOffset: 0, endOffset: 5 },
      ]);
    });

    it('keeps concurrent appends of one partition whole and in order', async () => {
      const log = await open(topicOptions(1));
      await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          log.append(
            0,
            [0, 1, 2].map((part) => Buffer.from(`${i}/${part}`)),
          ),
        ),
      );
      const handler = new RecordingHandler();
      const consumption = await log.consume(group, handler);
      await handler.until(() => handler.read(0).length >= 150, 'every record read');
      await consumption.stop();

      const byAppend = new Map<string, string[]>();
      for (const value of handler.values(0)) {
        const [append = '', part = ''] = value.split('/');
        byAppend.set(append, [...(byAppend.get(append) ?? []), part]);
      }
      expect(byAppend.size).toBe(50);
      for (const parts of byAppend.values()) expect(parts).toEqual(['0', '1', '2']);
    });

    it('carries values of 1 MB and any bytes, and refuses one that is too large', async () => {
      const log = await open(topicOptions(1));
      const noise = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 7919 + (i >> 8) * 31) & 0xff));
      const values = [noise, Buffer.alloc(0), Buffer.alloc(recordBytesMax, 7), noise, noise, noise];
      await log.append(0, values);
      const handler = new RecordingHandler();
      const consumption = await log.consume(group, handler);
      await handler.until(() => handler.read(0).length >= values.length, 'every record read');
      await consumption.stop();

      expect(handler.read(0).map((record) => record.value.equals(values[record.offset]!))).toEqual(
        values.map(() => true),
      );
      await expect(log.append(0, [Buffer.from('small'), Buffer.alloc(recordBytesMax + 1)])).rejects.toMatchObject({
        code: 'record_too_large',
        retriable: false,
      });
      expect((await log.bounds())[0]!.endOffset).toBe(values.length);
    });

    it('reads from the offset that the handler names, and goes on with what comes later', async () => {
      const log = await open(topicOptions(1));
      await log.append(0, buffers(0, 10));
      const handler = new RecordingHandler(() => 7);
      const consumption = await log.consume(group, handler);
      await handler.until(() => handler.read(0).length >= 3, 'the first records');
      consumption.commit(0, 10);
      await log.append(0, buffers(10, 12));
      await handler.until(() => handler.read(0).length >= 5, 'the later records');
      await consumption.stop();

      expect(handler.values(0)).toEqual(['7', '8', '9', '10', '11']);
      // A committed offset must not decide where the next member begins.
      const again = new RecordingHandler(() => 0);
      const second = await log.consume(group, again);
      await again.until(() => again.read(0).length >= 12, 'everything once more');
      await second.stop();
      expect(again.values(0)).toEqual(buffers(0, 12).map(String));
    });

    it('goes back to the offset that the handler asks for, and on from there', async () => {
      const log = await open(topicOptions(1));
      await log.append(0, buffers(0, 10));
      const handler = new RecordingHandler();
      let times = 0;
      handler.onRecords = async (_, records) => {
        if (records.at(-1)!.offset < 9 || ++times > 2) return undefined;
        return 4;
      };
      const consumption = await log.consume(group, handler);
      await handler.until(() => times === 3, 'the records three times');
      await log.append(0, buffers(10, 11));
      await handler.until(() => handler.values(0).includes('10'), 'the record behind them');
      await consumption.stop();

      const again = ['4', '5', '6', '7', '8', '9'];
      expect(handler.values(0)).toEqual([...buffers(0, 10).map(String), ...again, ...again, '10']);
      expect(handler.violations).toEqual([]);
    });

    it('halts rather than skip an offset that is no longer held', async () => {
      const options = topicOptions(1);
      const log = await open(options);
      await log.append(0, buffers(0, 10));
      await harness.deleteRecordsBefore(options.topic, 0, 6);

      expect(await log.bounds()).toEqual([{ partition: 0, startOffset: 6, endOffset: 10 }]);
      const handler = new RecordingHandler(() => 5);
      const consumption = await log.consume(group, handler);
      expect(await failure(consumption)).toMatchObject({ code: 'offset_out_of_range', retriable: false });
      await consumption.stop();
      expect(handler.read(0)).toEqual([]);
    });

    it('halts at an offset beyond the end, which a truncated log would have', async () => {
      const log = await open(topicOptions(1));
      await log.append(0, buffers(0, 10));
      const handler = new RecordingHandler(() => 11);
      const consumption = await log.consume(group, handler);
      expect(await failure(consumption)).toMatchObject({ code: 'offset_out_of_range' });
      await consumption.stop();
      expect(handler.read(0)).toEqual([]);
    });

    it('halts when records go that a running consumption has not read', async () => {
      const options = topicOptions(1);
      const log = await open(options);
      await log.append(0, buffers(0, 10));
      const handler = new RecordingHandler();
      const consumption = await log.consume(group, handler);
      await handler.until(() => handler.read(0).length >= 10, 'the first records');
      let release = (): void => undefined;
      const held = new Promise<undefined>((resolve) => {
        release = () => resolve(undefined);
      });
      handler.onRecords = () => held;
      // Far more than any adapter buffers, so that the middle is unread for certain when it is deleted.
      const large = Array.from({ length: 8 }, () => Buffer.alloc(recordBytesMax, 1));
      for (let i = 0; i < 6; i++) await log.append(0, large);
      await harness.deleteRecordsBefore(options.topic, 0, 10 + 47);
      release();
      expect(await failure(consumption)).toMatchObject({ code: 'offset_out_of_range' });
      await consumption.stop();
      const offsets = handler.read(0).map((record) => record.offset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
    }, 300_000);

    it('shares the partitions of a group, and hands them over when a member joins or leaves', async () => {
      const options = topicOptions(4);
      const logs = [await open(options), await open(options)] as const;
      // Where a partition goes on is known to all members, as it is in the database of the aggregator.
      const progress = (partition: number): number =>
        Math.max(...[a, b].map((handler) => (handler.read(partition).at(-1)?.offset ?? -1) + 1));
      const a: RecordingHandler = new RecordingHandler(progress);
      const b: RecordingHandler = new RecordingHandler(progress);
      const owned = (): number[] => [...a.owned(), ...b.owned()].sort((x, y) => x - y);
      const appendAll = async (from: number, to: number): Promise<void> => {
        for (const partition of [0, 1, 2, 3]) await logs[0].append(partition, buffers(from, to));
      };
      const read = (partition: number): Set<string> => new Set([...a.values(partition), ...b.values(partition)]);
      const untilRead = (count: number): Promise<void> =>
        a.until(
          () => [0, 1, 2, 3].every((partition) => read(partition).size >= count),
          `${count} records of each partition`,
          300_000,
        );

      const first = await logs[0].consume(group, a);
      await appendAll(0, 20);
      await untilRead(20);
      expect(a.owned()).toEqual([0, 1, 2, 3]);

      const second = await logs[1].consume(group, b);
      await b.until(() => b.owned().length === 2 && a.owned().length === 2, 'two partitions each', 60_000);
      expect(owned()).toEqual([0, 1, 2, 3]);
      // What a member keeps is not taken away and given back.
      for (const partition of a.owned())
        expect(a.ownerships.filter((each) => each.partition === partition)).toHaveLength(1);
      await appendAll(20, 40);
      await untilRead(40);

      await first.stop();
      expect(a.owned()).toEqual([]);
      await b.until(() => b.owned().length === 4, 'all partitions at the member that stayed', 60_000);
      await appendAll(40, 60);
      await untilRead(60);
      await second.stop();
      expect(b.owned()).toEqual([]);

      for (const handler of [a, b]) {
        expect(handler.violations).toEqual([]);
        for (const { startOffset, records } of handler.ownerships) {
          // Every record from the start on, once, in order.
          expect(records.map((record) => record.offset)).toEqual(records.map((_, i) => startOffset + i));
          expect(records.map((record) => record.value.toString())).toEqual(
            records.map((_, i) => String(startOffset + i)),
          );
        }
      }
    }, 300_000);

    it('keeps a partition at its member while a handler takes longer than a member may be silent', async () => {
      const log = await open(topicOptions(2));
      const handler = new RecordingHandler();
      handler.onRecords = async (partition) => {
        if (partition === 0) await new Promise((resolve) => setTimeout(resolve, 1.3 * harness.silenceMs));
        return undefined;
      };
      const consumption = await log.consume(group, handler);
      await log.append(0, buffers(0, 1));
      await handler.until(() => handler.owned().length === 2, 'both partitions');
      // The others are not held up by it.
      await log.append(1, buffers(0, 1));
      await handler.until(() => handler.read(1).length === 1, 'the other partition');
      expect(handler.read(0)).toEqual([]);
      await log.append(0, buffers(1, 2));
      await handler.until(() => handler.read(0).length === 2, 'both records of the slow one', 60_000);
      await consumption.stop();
      expect(handler.ownerships).toHaveLength(2);
      expect(handler.violations).toEqual([]);
    }, 300_000);

    it('has another id after the topic was deleted and made again, and a consumption of the old one halts', async () => {
      const options = topicOptions(1);
      const old = await open(options);
      await old.append(0, buffers(0, 3));
      const handler = new RecordingHandler();
      const consumption = await old.consume(group, handler);
      await handler.until(() => handler.read(0).length >= 3, 'the old records');
      await harness.deleteTopic(options.topic);
      const fresh = await open(options);

      expect(fresh.topicId).not.toBe(old.topicId);
      const error = await failure(consumption);
      expect(error).toBeInstanceOf(EventLogError);
      expect(['topic_mismatch', 'topic_missing', 'offset_out_of_range']).toContain((error as EventLogError).code);
      await consumption.stop();
      expect(handler.values(0)).toEqual(['0', '1', '2']);
      // Who still has the old topic open must not write into the new one for long, as if it were the same.
      const deadline = Date.now() + 20_000;
      let refused: unknown = null;
      while (refused === null && Date.now() < deadline) {
        refused = await old.append(0, buffers(0, 1)).then(
          () => null,
          (reason: unknown) => reason,
        );
      }
      expect(['topic_mismatch', 'topic_missing']).toContain((refused as EventLogError | null)?.code);
    }, 300_000);

    it('refuses a topic with another number of partitions', async () => {
      const options = topicOptions(2);
      await open(options);
      await expect(open({ ...options, partitions: 3 })).rejects.toMatchObject({ code: 'topic_mismatch' });
    });

    it('halts with the error of a handler', async () => {
      const log = await open(topicOptions(2));
      const handler = new RecordingHandler();
      const fault = new Error('the handler cannot go on');
      handler.onRecords = async () => {
        throw fault;
      };
      const consumption = await log.consume(group, handler);
      await log.append(0, buffers(0, 1));
      expect(await failure(consumption)).toBe(fault);
      await consumption.stop();
      expect(handler.owned()).toEqual([]);
      expect(handler.violations).toEqual([]);
    });

    it('halts with the error of an assignment', async () => {
      const log = await open(topicOptions(1));
      const fault = new Error('no progress could be read');
      const handler = new RecordingHandler(() => {
        throw fault;
      });
      const consumption = await log.consume(group, handler);
      expect(await failure(consumption)).toBe(fault);
      await consumption.stop();
    });

    it('waits on stop for the handler that runs, and calls nothing afterwards', async () => {
      const log = await open(topicOptions(1));
      const handler = new RecordingHandler();
      let release = (): void => undefined;
      const held = new Promise<undefined>((resolve) => {
        release = () => resolve(undefined);
      });
      let entered = (): void => undefined;
      const running = new Promise<void>((resolve) => {
        entered = resolve;
      });
      handler.onRecords = async () => {
        entered();
        return held;
      };
      const consumption = await log.consume(group, handler);
      await log.append(0, buffers(0, 1));
      await running;
      await log.append(0, buffers(1, 50));
      let stopped = false;
      const stopping = consumption.stop().then(() => {
        stopped = true;
      });
      await log.bounds();
      expect(stopped).toBe(false);
      expect(handler.owned()).toEqual([0]);
      release();
      await stopping;
      expect(handler.owned()).toEqual([]);
      expect(handler.values(0)[0]).toBe('0');
      const calls = handler.read(0).length;
      await log.append(0, buffers(50, 60));
      await log.bounds();
      expect(handler.read(0)).toHaveLength(calls);
      expect(handler.violations).toEqual([]);
    });
  });
}
