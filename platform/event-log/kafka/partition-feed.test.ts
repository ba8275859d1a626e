// What a feed hands over once its handler is free again: all that came meanwhile, but never across a gap.
import { describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { until } from '../../../test/support/until.ts';
import type { LogRecord } from '../event-log.ts';
import { type FeedSource, PartitionFeed } from './partition-feed.ts';

const record = (offset: number): LogRecord => ({ offset, appendTime: 0, value: Buffer.from(String(offset)) });
const recordsOf = (from: number, to: number): LogRecord[] =>
  Array.from({ length: to - from }, (_, i) => record(from + i));

/** A feed from offset 0 whose handler keeps the offsets of each call, and is busy with the first until `release`. */
async function busyFeed() {
  const calls: number[][] = [];
  const held: number[] = [];
  let release = (): void => undefined;
  const busy = new Promise<void>((resolve) => {
    release = resolve;
  });
  const source: FeedSource = {
    seek: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    assertHeld: async (_, offset) => void held.push(offset),
  };
  const handler = {
    assigned: async () => 0,
    records: async (_: number, records: readonly LogRecord[]) => {
      calls.push(records.map(({ offset }) => offset));
      if (calls.length === 1) await busy;
      return undefined;
    },
    revoked: async () => undefined,
  };
  const feed = new PartitionFeed(0, handler, source, Promise.resolve(), 1_000_000, pino({ level: 'silent' }));
  await until(() => feed.offer({ fetchOffset: 0, records: [record(0)], nextOffset: 1 }), 'the feed takes batches');
  await until(() => calls.length === 1, 'the handler is busy');
  return { feed, calls, held, release };
}

describe('partition feed', () => {
  it('hands over what came while the handler was busy at once and in order', async () => {
    const { feed, calls, release } = await busyFeed();
    for (const from of [1, 3, 5])
      feed.offer({ fetchOffset: from, records: recordsOf(from, from + 2), nextOffset: from + 2 });
    release();
    await until(() => calls.length === 2, 'the rest is handed over');
    expect(calls[1]).toEqual([1, 2, 3, 4, 5, 6]);
    feed.stop();
    expect(await feed.ended).toBeUndefined();
  });

  it('asks whether the log holds what is before a gap, and hands over no records of both sides together', async () => {
    const { feed, calls, held, release } = await busyFeed();
    feed.offer({ fetchOffset: 1, records: recordsOf(1, 3), nextOffset: 3 });
    feed.offer({ fetchOffset: 3, records: recordsOf(7, 9), nextOffset: 9 });
    expect(held).toEqual([0]);
    release();
    await until(() => calls.length === 3, 'both sides are handed over');
    expect(calls.slice(1)).toEqual([
      [1, 2],
      [7, 8],
    ]);
    expect(held).toEqual([0, 3]);
    feed.stop();
    expect(await feed.ended).toBeUndefined();
  });

  it('hands over no more than some megabytes at once', async () => {
    const { feed, calls, release } = await busyFeed();
    const large = (offset: number): LogRecord => ({ ...record(offset), value: Buffer.alloc(1_500_000) });
    for (const offset of [1, 2, 3])
      feed.offer({ fetchOffset: offset, records: [large(offset)], nextOffset: offset + 1 });
    release();
    await until(() => calls.length === 3, 'all of it is handed over');
    expect(calls.slice(1)).toEqual([[1, 2], [3]]);
    feed.stop();
    expect(await feed.ended).toBeUndefined();
  });
});
