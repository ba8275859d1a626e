import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Problem } from '../domain/problem.ts';
import { dedupKeyOf, partitionOf, type UsageEvent } from '../domain/usage-event.ts';
import { realTimers } from '../platform/calls/timers.ts';
import { orProblem } from '../test/support/or-problem.ts';
import { ScriptedEventLog } from '../test/support/scripted-event-log.ts';
import { until } from '../test/support/until.ts';
import { AppendFailed, Batcher, type BatcherLimits } from './batcher.ts';

const limits: BatcherLimits = {
  lingerMs: 1,
  batchEventsMax: 10,
  batchBytesMax: 100_000,
  queueEventsMax: 100,
  queueBytesMax: 1_000_000,
  appendTimeoutMs: 5_000,
};

const event = (id: string, data = '{}'): UsageEvent => ({
  tenant: 'acme',
  source: '',
  id,
  type: 't',
  subject: 's',
  eventTime: 0,
  timeGiven: false,
  receivedAt: 0,
  data,
  dedupKey: dedupKeyOf('acme', '', id),
  payloadHash: 0n,
});

let numbered = 0;
const events = (count: number, data?: string): UsageEvent[] =>
  Array.from({ length: count }, () => event(`evt-${numbered++}`, data));

/** Stands in for the record codec: the ids, one a line. */
class IdRecord {
  private readonly ids: string[] = [];

  get count(): number {
    return this.ids.length;
  }

  add({ id }: UsageEvent): void {
    this.ids.push(id);
  }

  record(): Buffer {
    return Buffer.from(this.ids.join('\n'));
  }
}

const idsIn = (log: ScriptedEventLog): Set<string> =>
  new Set(log.kept.flatMap(({ value }) => value.toString().split('\n')));

const drains: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(drains.splice(0).map((drain) => drain()));
});

function setUp(changed: Partial<BatcherLimits> = {}, partitions = 4) {
  const log = new ScriptedEventLog(partitions);
  const time = { now: 1_000_000 };
  const appends: { durationMs: number; error: unknown }[] = [];
  const batcher = new Batcher(
    { ...limits, ...changed },
    {
      log,
      newRecord: () => new IdRecord(),
      clock: () => time.now,
      timers: realTimers,
      onAppend: (durationMs, error) => appends.push({ durationMs, error }),
    },
  );
  drains.push(() => {
    log.release();
    return batcher.drain(5_000);
  });
  return { log, time, batcher, appends };
}

function expectTaken(outcome: Promise<void>): Promise<void> {
  // A test may look at the outcome later than it comes.
  outcome.catch(() => {});
  return outcome;
}

const codeOf = (append: () => Promise<void>): string => {
  const outcome = orProblem(append);
  return outcome instanceof Problem ? outcome.code : 'taken';
};

describe('a request', () => {
  it('resolves once all of its events are in the log, each in the partition of its key', async () => {
    const { log, batcher } = setUp();
    const sent = events(37);
    await expectTaken(batcher.append(sent));
    expect(idsIn(log)).toEqual(new Set(sent.map(({ id }) => id)));
    for (const { partition, value } of log.kept) {
      for (const id of value.toString().split('\n')) expect(partitionOf(dedupKeyOf('acme', '', id), 4)).toBe(partition);
    }
    expect(batcher.queued).toEqual({ events: 0, bytes: 0 });
  });

  it('does not resolve while one of its partitions is missing', async () => {
    const { log, batcher } = setUp();
    log.mode = 'hold';
    let resolved = false;
    const request = expectTaken(batcher.append(events(40))).then(() => {
      resolved = true;
    });
    await until(() => log.held.length >= 4, 'an append in every partition');
    const last = log.held.pop()!;
    for (const append of log.held.splice(0)) append.acknowledge();
    await until(() => batcher.queued.events === last.values[0]!.toString().split('\n').length, 'all others settled');
    expect(resolved).toBe(false);
    last.acknowledge();
    await request;
  });

  it('rejects when one of its partitions fails, even if the others are kept', async () => {
    const { log, batcher } = setUp();
    log.mode = 'hold';
    const request = expectTaken(batcher.append(events(40)));
    await until(() => log.held.length >= 4, 'an append in every partition');
    const [first, ...others] = log.held.splice(0);
    for (const append of others) append.acknowledge();
    first!.fail(new Error('the broker is gone'));
    await expect(request).rejects.toBeInstanceOf(AppendFailed);
    await until(() => batcher.queued.events === 0, 'nothing is left behind');
  });

  it('shares a record with others that come within the linger', async () => {
    const { log, batcher } = setUp({ lingerMs: 20 }, 1);
    await Promise.all([1, 2, 3].map((count) => expectTaken(batcher.append(events(count)))));
    expect(log.appends).toBe(1);
    expect(idsIn(log).size).toBe(6);
  });

  it('does not wait for the linger when its batch is full', async () => {
    const { log, batcher } = setUp({ lingerMs: 600_000 }, 1);
    await expectTaken(batcher.append(events(10)));
    expect(log.appends).toBe(1);
  });

  it('without events is durable at once', async () => {
    await expectTaken(setUp().batcher.append([]));
  });
});

describe('batches', () => {
  it('hold no more events and bytes than they may, but always one event', async () => {
    const { log, batcher } = setUp({ batchEventsMax: 7, batchBytesMax: 1_000 }, 1);
    await expectTaken(
      batcher.append([...events(20), ...events(5, `{"a":"${'x'.repeat(300)}"}`), event('huge', 'x'.repeat(5_000))]),
    );
    const sizes = log.kept.map(({ value }) => value.toString().split('\n'));
    expect(Math.max(...sizes.map(({ length }) => length))).toBeLessThanOrEqual(7);
    expect(sizes.find((ids) => ids.includes('huge'))).toEqual(['huge']);
    expect(idsIn(log).size).toBe(26);
  });

  it('of one partition are under way a few at a time', async () => {
    const { log, batcher } = setUp({}, 1);
    log.mode = 'hold';
    const request = expectTaken(batcher.append(events(100)));
    expect(log.held).toHaveLength(4);
    log.release();
    await request;
    expect(log.underWayMost).toBeLessThanOrEqual(4);
    expect(log.appends).toBe(10);
  });
});

describe('bounds', () => {
  it('refuse a request whole, before anything of it is taken', async () => {
    const { log, batcher } = setUp();
    log.mode = 'hold';
    const first = expectTaken(batcher.append(events(90)));
    expect(codeOf(() => batcher.append(events(11)))).toBe('overloaded');
    expect(batcher.queued.events).toBe(90);
    const second = expectTaken(batcher.append(events(10)));
    expect(batcher.refusal()).toMatchObject({ code: 'overloaded' });
    log.release();
    await Promise.all([first, second]);
    expect(batcher.refusal()).toBeNull();
    expect(idsIn(log).size).toBe(100);
  });

  it('hold for bytes as well', async () => {
    const { log, batcher } = setUp({ queueBytesMax: 10_000 });
    log.mode = 'hold';
    expectTaken(batcher.append(events(1, 'x'.repeat(9_000))));
    expect(codeOf(() => batcher.append(events(1, 'x'.repeat(2_000))))).toBe('overloaded');
    expect(batcher.queued.bytes).toBeLessThanOrEqual(10_000);
  });

  it('let a request that is larger than the queue through when nothing else waits', async () => {
    const { log, batcher } = setUp();
    await expectTaken(batcher.append(events(250)));
    expect(idsIn(log).size).toBe(250);
  });

  it('are kept whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }), async (sizes) => {
        const { log, batcher } = setUp({}, 3);
        log.mode = 'hold';
        const taken: Promise<void>[] = [];
        for (const size of sizes) {
          const outcome = orProblem(() => batcher.append(events(size)));
          if (!(outcome instanceof Problem)) taken.push(outcome);
          expect(batcher.queued.events).toBeLessThanOrEqual(100);
        }
        log.release();
        await Promise.all(taken);
        expect(batcher.queued).toEqual({ events: 0, bytes: 0 });
      }),
      { numRuns: 30 },
    );
  });
});

describe('a log that fails', () => {
  it('is refused after a few failures, tried by one request a second, and taken again', async () => {
    const { log, batcher, time } = setUp({}, 1);
    log.mode = 'fail';
    for (let failure = 0; failure < 3; failure++) {
      expect(batcher.refusal()).toBeNull();
      await expect(expectTaken(batcher.append(events(1)))).rejects.toThrow('did not take');
    }
    expect(batcher.refusal()).toMatchObject({ code: 'log_unavailable' });
    expect(batcher.notReady()).toContain('the last 3 appends');
    const appendsBefore = log.appends;
    expect(codeOf(() => batcher.append(events(1)))).toBe('log_unavailable');
    expect(log.appends).toBe(appendsBefore);

    time.now += 1_000;
    const probe = expectTaken(batcher.append(events(1)));
    expect(codeOf(() => batcher.append(events(1)))).toBe('log_unavailable');
    await expect(probe).rejects.toBeInstanceOf(AppendFailed);
    expect(codeOf(() => batcher.append(events(1)))).toBe('log_unavailable');

    log.mode = 'keep';
    time.now += 1_000;
    await expectTaken(batcher.append(events(1)));
    expect(batcher.refusal()).toBeNull();
    expect(batcher.notReady()).toBeNull();
  });

  it('does not keep the gateway unready for ever, as then no request would ever find out', async () => {
    const { log, batcher, time } = setUp({}, 1);
    log.mode = 'fail';
    for (let failure = 0; failure < 3; failure++)
      await expect(expectTaken(batcher.append(events(1)))).rejects.toThrow();
    time.now += 4_999;
    expect(batcher.notReady()).not.toBeNull();
    time.now += 1;
    expect(batcher.notReady()).toBeNull();
    await expect(expectTaken(batcher.append(events(1)))).rejects.toThrow();
    expect(batcher.notReady()).not.toBeNull();
  });

  it('is reported with the cause of each failure', async () => {
    const { log, batcher, appends } = setUp({}, 1);
    log.mode = 'fail';
    await expect(expectTaken(batcher.append(events(1)))).rejects.toMatchObject({ cause: { code: 'unavailable' } });
    expect(appends).toEqual([{ durationMs: 0, error: expect.objectContaining({ code: 'unavailable' }) }]);
  });
});

describe('a log that is slow', () => {
  it('is refused while an append takes too long, and taken again when it is done', async () => {
    const { log, batcher, time } = setUp({}, 1);
    log.mode = 'hold';
    const slow = expectTaken(batcher.append(events(10)));
    time.now += 2_501;
    expect(batcher.refusal()).toMatchObject({ code: 'log_unavailable' });
    expect(codeOf(() => batcher.append(events(1)))).toBe('log_unavailable');
    log.release();
    await slow;
    expect(batcher.refusal()).toBeNull();
  });

  it('is given up by the request, never acknowledged late, and still counts against the bounds', async () => {
    const { log, batcher } = setUp({ appendTimeoutMs: 20 }, 1);
    log.mode = 'hold';
    const outcomes: string[] = [];
    const slow = expectTaken(batcher.append(events(10))).then(
      () => outcomes.push('acknowledged'),
      (error: Error) => outcomes.push(error.message),
    );
    await slow;
    expect(outcomes).toEqual(['the event log did not acknowledge within 20 ms']);
    expect(batcher.queued.events).toBe(10);
    log.release();
    await until(() => batcher.queued.events === 0, 'the batch is let go of');
    expect(outcomes).toHaveLength(1);
  });

  it('does not let batches wait for a place longer than the timeout, nor sends them afterwards', async () => {
    const { log, batcher, time } = setUp({ appendTimeoutMs: 20 }, 1);
    log.mode = 'hold';
    const sent = events(60);
    const request = expectTaken(batcher.append(sent));
    time.now += 20;
    await expect(request).rejects.toBeInstanceOf(AppendFailed);
    await until(() => batcher.queued.events === 40, 'only what the log holds is left');
    log.release();
    await until(() => batcher.queued.events === 0, 'the rest is let go of');
    expect(idsIn(log).size).toBe(40);
  });
});

describe('what is acknowledged', () => {
  it('is in the log, whichever appends fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.boolean()),
        async (sizes, fates) => {
          const { log, batcher } = setUp({ queueEventsMax: 1_000 }, 3);
          log.mode = 'hold';
          const acknowledged: string[] = [];
          const requests = sizes.map((size) => {
            const sent = events(size);
            return expectTaken(batcher.append(sent)).then(
              () => acknowledged.push(...sent.map(({ id }) => id)),
              () => {},
            );
          });
          await until(() => {
            for (const append of log.held.splice(0)) {
              if (fates.next().value === true) append.acknowledge();
              else append.fail(new Error('lost'));
            }
            return batcher.queued.events === 0;
          }, 'everything is settled');
          await Promise.all(requests);
          const kept = idsIn(log);
          for (const id of acknowledged) expect(kept.has(id)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('drain', () => {
  it('takes nothing more and waits until everything is durable', async () => {
    const { log, batcher } = setUp({ lingerMs: 600_000 });
    log.mode = 'hold';
    const request = expectTaken(batcher.append(events(25)));
    let left: number | null = null;
    const drained = batcher.drain(10_000).then((count) => {
      left = count;
    });
    expect(codeOf(() => batcher.append(events(1)))).toBe('shutting_down');
    expect(left).toBeNull();
    await until(() => {
      for (const append of log.held.splice(0)) append.acknowledge();
      return left !== null;
    }, 'drained');
    await Promise.all([request, drained]);
    expect(left).toBe(0);
    expect(idsIn(log).size).toBe(25);
  });

  it('says what is left at its deadline', async () => {
    const { log, batcher } = setUp();
    log.mode = 'hold';
    expectTaken(batcher.append(events(3)));
    expect(await batcher.drain(5)).toBe(3);
  });
});
