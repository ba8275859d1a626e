import { describe, expect, it } from '@jest/globals';
import { PagePool } from './page-pool.ts';

describe('PagePool', () => {
  it('lends a page again that was given back, and no other', () => {
    const pool = new PagePool();
    const [first, second] = [pool.take(5000), pool.take(5000)];
    expect(first.bytes.buffer).not.toBe(second.bytes.buffer);
    pool.giveBack([first.bytes.subarray(0, 10)]);
    expect(pool.take(4097)).toBe(first);
    expect([first, second]).not.toContain(pool.take(8192));
  });

  it('has pages of at least what is asked for, each by itself', () => {
    const pool = new PagePool();
    for (const bytes of [1, 255, 256, 257, 4096, 65_536, 100_000]) {
      const { bytes: page, view } = pool.take(bytes);
      expect(page.length).toBeGreaterThanOrEqual(bytes);
      expect([view.buffer, view.byteOffset, view.byteLength]).toEqual([page.buffer, page.byteOffset, page.length]);
    }
  });

  it('takes a page back once, and nothing that it did not lend', () => {
    const pool = new PagePool();
    const { bytes } = pool.take(4096);
    pool.giveBack([bytes, bytes.subarray(100), Buffer.alloc(4096), pool.take(10).bytes]);
    pool.giveBack([bytes]);
    expect(pool.take(4096).bytes).toBe(bytes);
    expect(pool.take(4096).bytes).not.toBe(bytes);
  });

  it('keeps no more than its bound', () => {
    const pool = new PagePool(10_000);
    const lent = Array.from({ length: 4 }, () => pool.take(4096));
    pool.giveBack(lent.map(({ bytes }) => bytes));
    const again = Array.from({ length: 4 }, () => pool.take(4096));
    expect(again.filter((page) => lent.includes(page))).toHaveLength(2);
  });
});
