import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BodyBudget, type BodyLease } from './body-budget.ts';

const MB = 1_000_000;

/** As many chunks as the lease gives beside those of others. */
function takeAll(lease: BodyLease, chunkBytes: number): number {
  let taken = 0;
  while (lease.take(chunkBytes) === null) taken += chunkBytes;
  return taken;
}

describe('BodyBudget', () => {
  it('gives one key a quarter, in however many requests, and leaves the rest to others', () => {
    const budget = new BodyBudget(256 * MB);
    budget.lease('other', 'other').take(1);
    const leases = Array.from({ length: 36 }, () => budget.lease('hog', 'hog'));
    let held = 0;
    for (const lease of leases) {
      for (let bytes = 0; bytes < 7 * MB && lease.take(65_536) === null; bytes += 65_536) held += 65_536;
    }
    expect(held).toBeGreaterThan(63 * MB);
    expect(held).toBeLessThanOrEqual(64 * MB);
    expect(leases[0]!.take(65_536)).toBe('key_share');
    expect(takeAll(budget.lease('third', 'third'), 65_536)).toBeGreaterThan(40 * MB);
  });

  it('gives one tenant half, with however many keys, and leaves the other half to others', () => {
    const budget = new BodyBudget(256 * MB);
    budget.lease('other', 'other').take(1);
    let held = 0;
    for (let key = 0; key < 200; key++) held += takeAll(budget.lease(`key-${key}`, 'hog'), 65_536);
    expect(held).toBeGreaterThan(127 * MB);
    expect(held).toBeLessThanOrEqual(128 * MB);
    expect(budget.lease('key-201', 'hog').take(65_536)).toBe('key_share');
    expect(takeAll(budget.lease('third', 'third'), 65_536)).toBeGreaterThan(30 * MB);
  });

  it('always has room for a newcomer, and never gives more than there is', () => {
    const bytesMax = 10_000;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 400 })), { maxLength: 300 }), (takes) => {
        const budget = new BodyBudget(bytesMax);
        const leases = Array.from({ length: 10 }, (_, key) => budget.lease(`key-${key}`, `key-${key}`));
        budget.lease('small', 'small').take(1);
        for (const [key, bytes] of takes) leases[key]!.take(bytes);
        expect(budget.heldBytes).toBeLessThanOrEqual(bytesMax);
        // Ten keys that take all they can, one after the other, leave 0.75^10 free; a newcomer may take a quarter of
        // that.
        expect(budget.lease('new', 'new').take(130)).toBeNull();
      }),
    );
  });

  it('says whose fault it is', () => {
    const budget = new BodyBudget(100);
    budget.lease('other', 'other').take(1);
    for (const key of ['a', 'b', 'c', 'd']) takeAll(budget.lease(key, key), 1);
    expect(budget.lease('e', 'e').take(12)).toBe('full');
    expect(budget.lease('e', 'e').take(13)).toBe('key_share');
    expect(budget.lease('e', 'e').take(5)).toBeNull();
  });

  it('lets a body that is alone pass the bound: its own limit holds it', () => {
    const budget = new BodyBudget(100);
    const lease = budget.lease('k', 'k');
    expect([lease.take(500), lease.take(500)]).toEqual([null, null]);
    expect(budget.lease('other', 'other').take(1)).toBe('full');
  });

  it('takes everything back once, in the phase in which it is', () => {
    const budget = new BodyBudget(100);
    const [first, second] = [budget.lease('k', 'k'), budget.lease('k', 'k')];
    first.take(10);
    second.take(5);
    first.beginAppending();
    expect([budget.held('reading'), budget.held('appending')]).toEqual([5, 10]);
    first.release();
    first.release();
    second.release();
    expect([budget.held('reading'), budget.held('appending')]).toEqual([0, 0]);
  });

  it('knows what a key holds among however many others', () => {
    const budget = new BodyBudget(100);
    const first = budget.lease('first', 'first');
    first.take(20);
    for (let key = 0; key < 5_000; key++) {
      const lease = budget.lease(`key-${key}`, `key-${key}`);
      expect(lease.take(1)).toBeNull();
      lease.release();
    }
    expect(budget.lease('first', 'first').take(10)).toBe('key_share');
    expect(budget.heldBytes).toBe(20);
  });

  it('tells of a key that wants more than its part once, until it holds nothing', () => {
    const told: [string, number][] = [];
    const budget = new BodyBudget(100, { onShareExceeded: (...what) => told.push(what) });
    budget.lease('other', 'other').take(1);
    for (let round = 0; round < 2; round++) {
      const lease = budget.lease('k', 'k');
      lease.take(20);
      for (let i = 0; i < 5; i++) lease.take(20);
      lease.release();
    }
    expect(told).toEqual([
      ['k', 20],
      ['k', 20],
    ]);
  });
});
