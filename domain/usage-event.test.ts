import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dedupKeyOf, partitionOf, payloadHashOf } from './usage-event.ts';

// Mostly the characters a joined key could be cut at in another place.
const hostile = fc.string({ unit: fc.constantFrom('a', 'b', ':', '-', '1', '2', '\u0000', 'é', '😀'), maxLength: 6 });

describe('dedupKeyOf', () => {
  it('is the first 16 bytes of SHA-256 over the length-prefixed parts', () => {
    const expected = createHash('sha256').update('4:acme3:apievt-1 é').digest().subarray(0, 16);
    expect(dedupKeyOf('acme', 'api', 'evt-1 é').equals(expected)).toBe(true);
  });

  it('is equal for equal triples and for no others', () => {
    fc.assert(
      fc.property(fc.tuple(hostile, hostile, hostile), fc.tuple(hostile, hostile, hostile), (a, b) => {
        const same = a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
        expect(dedupKeyOf(...a).equals(dedupKeyOf(...b))).toBe(same);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [
      ['a', 'b', 'c'],
      ['ab', '', 'c'],
    ],
    [
      ['a', 'b', 'c'],
      ['a', '', 'bc'],
    ],
    [
      ['a-b', 'c', 'd'],
      ['a', 'b-c', 'd'],
    ],
    [
      ['1:a', '', 'x'],
      ['1', ':a', 'x'],
    ],
    [
      ['t', 's', 'i'],
      ['T', 's', 'i'],
    ],
  ] as [[string, string, string], [string, string, string]][])('keeps %j and %j apart', (a, b) => {
    expect(dedupKeyOf(...a).equals(dedupKeyOf(...b))).toBe(false);
  });

  it('gives every copy the same partition below the number of partitions', () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 1, max: 64 }), (id, partitions) => {
        const partition = partitionOf(dedupKeyOf('t', 's', id), partitions);
        expect(partition).toBe(partitionOf(dedupKeyOf('t', 's', id), partitions));
        expect(partition).toBeGreaterThanOrEqual(0);
        expect(partition).toBeLessThan(partitions);
      }),
    );
  });
});

describe('payloadHashOf', () => {
  it('tells type, subject, time and data apart', () => {
    const hashes = new Set([
      payloadHashOf('t', 's', 1, '{}'),
      payloadHashOf('ts', '', 1, '{}'),
      payloadHashOf('t', 's1', null, '{}'),
      payloadHashOf('t', 's', null, '{}'),
      payloadHashOf('t', 's', 1, '{"a":1}'),
    ]);
    expect(hashes.size).toBe(5);
  });

  it('fits into 64 bits', () => {
    expect(payloadHashOf('t', 's', 1, '{}')).toBeLessThan(2n ** 64n);
  });
});
