import { PassThrough } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { BodyBudget, readBody } from './body-reader.ts';

const MIB = 1_048_576;

const budgetOf = (bytesMax: number): BodyBudget => new BodyBudget(bytesMax);

describe('readBody', () => {
  it('gives the bytes of every chunk', async () => {
    const stream = new PassThrough();
    const body = readBody(stream, {}, '', 100, budgetOf(100).lease());
    stream.write('ab');
    stream.write('c');
    stream.end();
    expect((await body).toString()).toBe('abc');
  });

  it('refuses by Content-Length before it reads', async () => {
    const stream = new PassThrough();
    const body = readBody(stream, { 'content-length': '101' }, '', 100, budgetOf(100).lease());
    await expect(body).rejects.toMatchObject({ code: 'body_too_large' });
    expect(stream.listenerCount('data')).toBe(0);
  });

  it('stops at the chunk that passes the limit', async () => {
    const stream = new PassThrough();
    const budget = budgetOf(1_000);
    const body = readBody(stream, {}, '', 100, budget.lease());
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
      const body = readBody(stream, {}, '', 100, budgetOf(100).lease());
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
    const lease = budget.lease();
    const stream = new PassThrough();
    stream.end(packed);
    expect(await readBody(stream, {}, 'gzip', 1_000, lease)).toHaveLength(1_000);
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
    const body = readBody(stream, {}, encoding, 10 * MIB, budget.lease());
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
      expect(await readBody(stream, {}, encoding, 10 * MIB, budgetOf(100 * MIB).lease())).toHaveLength(text.length);
    },
  );

  it('never holds much more than the limit of what a bomb unpacks to', async () => {
    const budget = budgetOf(100 * MIB);
    const stream = new PassThrough();
    stream.end(gzipSync(Buffer.alloc(50 * MIB)));
    await expect(readBody(stream, {}, 'gzip', MIB, budget.lease())).rejects.toMatchObject({ code: 'body_too_large' });
    expect(budget.heldBytes).toBeLessThan(1.2 * MIB);
  });
});

describe('BodyBudget', () => {
  it('bounds all requests together, and takes no more of the one that does not fit', async () => {
    const budget = budgetOf(100);
    const first = budget.lease();
    expect(first.take(80)).toBe(true);
    const stream = new PassThrough();
    const second = budget.lease();
    const body = readBody(stream, {}, '', 100, second);
    stream.write('x'.repeat(30));
    await expect(body).rejects.toMatchObject({
      code: 'overloaded',
      headers: { connection: 'close', 'retry-after': '1' },
    });
    second.release();
    expect(budget.heldBytes).toBe(80);
    first.release();
    expect(budget.lease().take(100)).toBe(true);
  });

  it('lets a body that is alone pass the bound: its own limit holds it', () => {
    expect(budgetOf(100).lease().take(500)).toBe(true);
  });
});
