import { PassThrough } from 'node:stream';
import { setImmediate as setImmediatePromise } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { BodyArrivals } from './body-arrivals.ts';
import { BodyBudget, type BodyLease } from './body-budget.ts';
import { readBody as readArrivingBody, refuseByLength } from './body-reader.ts';

const MIB = 1_048_576;

const budgetOf = (bytesMax: number): BodyBudget => new BodyBudget(bytesMax);

/** Timers that a test makes fire, on a clock that it moves. */
function setUpArrivals() {
  let now = 0;
  let tick = (): void => {};
  const timers = {
    setTimeout: (fn: () => void) => {
      tick = fn;
    },
    clearTimeout: () => {},
  };
  return {
    arrivals: new BodyArrivals(timers, () => now),
    pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        now += 1_000;
        tick();
      }
    },
    leap(ms: number) {
      now += ms;
      tick();
    },
  };
}

const readBody = (
  stream: PassThrough,
  encoding: string,
  bytesMax: number,
  lease: BodyLease,
  arrivals = setUpArrivals().arrivals,
) => readArrivingBody(stream, Number.NaN, encoding, bytesMax, lease, arrivals);

/** With a Content-Length. */
const readLength = (stream: PassThrough, length: number, lease: BodyLease, encoding = '') =>
  readArrivingBody(stream, length, encoding, 100, lease, setUpArrivals().arrivals);

describe('readBody', () => {
  it('takes a body that is all there without waiting for its end', async () => {
    const budget = budgetOf(100);
    const stream = new PassThrough();
    stream.write('ab');
    stream.write('c');
    expect((await readLength(stream, 3, budget.lease('k', 'k'))).toString()).toBe('abc');
    expect(budget.heldBytes).toBe(3);
    const packed = gzipSync('x'.repeat(50));
    stream.write(packed);
    expect((await readLength(stream, packed.length, budgetOf(200).lease('k', 'k'), 'gzip')).toString()).toHaveLength(
      50,
    );
  });

  it('waits for a body of which a part is there', async () => {
    const stream = new PassThrough();
    stream.write('ab');
    const body = readLength(stream, 3, budgetOf(100).lease('k', 'k'));
    stream.end('c');
    expect((await body).toString()).toBe('abc');
  });

  it('refuses a body that is all there as any other', async () => {
    const budget = budgetOf(100);
    budget.lease('other', 'other').take(90);
    const stream = new PassThrough();
    stream.write('x'.repeat(50));
    await expect(readLength(stream, 50, budget.lease('k', 'k'))).rejects.toMatchObject({ code: 'share_exceeded' });
    stream.write('x'.repeat(51));
    await expect(readLength(stream, 101, budgetOf(200).lease('k', 'k'))).rejects.toMatchObject({
      code: 'body_too_large',
    });
  });

  it('gives the bytes of every chunk', async () => {
    const stream = new PassThrough();
    const body = readBody(stream, '', 100, budgetOf(100).lease('k', 'k'));
    stream.write('ab');
    stream.write('c');
    stream.end();
    expect((await body).toString()).toBe('abc');
  });

  it('refuses by Content-Length before it reads', () => {
    expect(() => refuseByLength({ 'content-length': '101' }, 100)).toThrow(
      expect.objectContaining({ code: 'body_too_large' }),
    );
    refuseByLength({ 'content-length': '100' }, 100);
    refuseByLength({}, 100);
  });

  it('stops at the chunk that passes the limit', async () => {
    const stream = new PassThrough();
    const budget = budgetOf(1_000);
    const body = readBody(stream, '', 100, budget.lease('k', 'k'));
    stream.write('x'.repeat(60));
    stream.write('x'.repeat(60));
    await expect(body).rejects.toMatchObject({ code: 'body_too_large' });
    expect(budget.heldBytes).toBeLessThanOrEqual(60);
    expect(stream.isPaused()).toBe(true);
  });

  it.each(['error', 'close'])(
    'refuses a body whose stream ends with %s, and survives a later error',
    async (ending) => {
      const stream = new PassThrough();
      const body = readBody(stream, '', 100, budgetOf(100).lease('k', 'k'));
      stream.write('ab');
      if (ending === 'error') stream.destroy(new Error('reset'));
      else stream.destroy();
      await expect(body).rejects.toMatchObject({ code: 'malformed_body' });
      stream.emit('error', new Error('once more'));
    },
  );

  it('counts what is packed and what it unpacks to', async () => {
    const packed = gzipSync('x'.repeat(1_000));
    const budget = budgetOf(MIB);
    const lease = budget.lease('k', 'k');
    const stream = new PassThrough();
    stream.end(packed);
    expect(await readBody(stream, 'gzip', 1_000, lease)).toHaveLength(1_000);
    expect(budget.heldBytes).toBe(packed.length + 1_000);
    lease.release();
    expect(budget.heldBytes).toBe(0);
  });

  it.each([
    ['gzip', gzipSync(Buffer.alloc(9 * MIB, ',1'))],
    ['deflate', deflateSync(Buffer.alloc(9 * MIB, ',1'))],
    ['br', brotliCompressSync(Buffer.alloc(9 * MIB, ',1'))],
  ])('refuses what unpacks to more than events do (%s)', async (encoding, packed) => {
    const budget = budgetOf(100 * MIB);
    const stream = new PassThrough();
    stream.end(packed);
    const body = readBody(stream, encoding, 10 * MIB, budget.lease('k', 'k'));
    await expect(body).rejects.toMatchObject({ code: 'body_too_large', detail: expect.stringContaining('times') });
    expect(budget.heldBytes).toBeLessThan(7 * MIB);
  });

  it.each(['gzip', 'deflate', 'br'])(
    'takes 10,000 events that differ in nothing but their ids (%s)',
    async (encoding) => {
      const text = JSON.stringify(
        Array.from({ length: 10_000 }, (_, index) => ({
          ...{ id: `evt_${index}`, type: 'llm.completion', subject: 'cus_42', time: '2026-11-20T10:00:00Z' },
          data: { model: 'm-large', operation: 'chat', region: 'eu-west-1', input_tokens: 1204, output_tokens: 88 },
        })),
        null,
        4,
      );
      const pack = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync }[encoding]!;
      const stream = new PassThrough();
      stream.end(pack(text));
      expect(await readBody(stream, encoding, 10 * MIB, budgetOf(100 * MIB).lease('k', 'k'))).toHaveLength(text.length);
    },
  );

  it('never holds much more than the limit of what a bomb unpacks to', async () => {
    const budget = budgetOf(100 * MIB);
    const stream = new PassThrough();
    stream.end(gzipSync(Buffer.alloc(50 * MIB)));
    await expect(readBody(stream, 'gzip', MIB, budget.lease('k', 'k'))).rejects.toMatchObject({
      code: 'body_too_large',
    });
    expect(budget.heldBytes).toBeLessThan(1.2 * MIB);
  });

  it.each([
    ['full', 'overloaded', 95],
    ['key_share', 'share_exceeded', 30],
  ])('stops at the chunk that the budget does not give (%s)', async (_, code, heldByOther) => {
    const budget = budgetOf(100);
    budget.lease(code === 'overloaded' ? 'other' : 'k', code === 'overloaded' ? 'other' : 'k').take(heldByOther);
    const stream = new PassThrough();
    const lease = budget.lease('k', 'k');
    const body = readBody(stream, '', 100, lease);
    stream.write('x'.repeat(10));
    await expect(body).rejects.toMatchObject({ code, headers: { connection: 'close', 'retry-after': '1' } });
    lease.release();
    expect(budget.heldBytes).toBe(heldByOther);
    expect(stream.isPaused()).toBe(true);
  });
});

describe('the arrival of a body', () => {
  const read = () => {
    const budget = budgetOf(100 * MIB);
    const clock = setUpArrivals();
    const stream = new PassThrough({ highWaterMark: 100 * MIB });
    const lease = budget.lease('k', 'k');
    let refusal: unknown = null;
    const body = readBody(stream, '', 50 * MIB, lease, clock.arrivals).finally(() => lease.release());
    body.catch((error: unknown) => {
      refusal = error;
    });
    const send = async (bytes: number) => {
      stream.write(Buffer.alloc(bytes));
      await setImmediatePromise();
    };
    return { budget, ...clock, stream, send, body, refusal: () => refusal };
  };

  it('ends about ten seconds after the last byte, whatever came before, and its lease with it', async () => {
    const { budget, pass, send, body, refusal, arrivals } = read();
    await send(7_000_000);
    pass(10);
    await setImmediatePromise();
    expect([refusal(), budget.heldBytes]).toEqual([null, 7_000_000]);
    pass(1);
    await expect(body).rejects.toMatchObject({ status: 408, code: 'request_timeout' });
    expect([budget.heldBytes, arrivals.count]).toEqual([0, 0]);
  });

  it('goes on while it keeps the pace, and ends when it drips', async () => {
    const { pass, send, body, refusal } = read();
    for (let second = 0; second < 60; second++) {
      await send(16_000);
      pass(1);
    }
    await setImmediatePromise();
    expect(refusal()).toBeNull();
    for (let second = 0; second < 11; second++) {
      await send(1);
      pass(1);
    }
    await expect(body).rejects.toMatchObject({ code: 'request_timeout' });
  });

  it('is not cut off for a delay of this process', async () => {
    const { leap, send, stream, body } = read();
    await send(10);
    leap(60_000);
    stream.end();
    expect(await body).toHaveLength(10);
  });

  it('has a second left once the gateway drains', async () => {
    const { arrivals, pass, body } = read();
    arrivals.drain();
    pass(1);
    await expect(body).rejects.toMatchObject({ code: 'shutting_down' });
  });

  it('is looked at no more once the body is whole', async () => {
    const { arrivals, stream, body } = read();
    expect(arrivals.count).toBe(1);
    stream.end('x');
    await body;
    expect(arrivals.count).toBe(0);
  });
});
