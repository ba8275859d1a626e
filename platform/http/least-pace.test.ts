import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LEAST_BYTES_PER_SECOND, PATIENCE_MS, patienceAfter } from './least-pace.ts';

/** The seconds until a peer is given up that sends so many bytes in each of these seconds, and then nothing. */
function secondsUntilGivenUp(bytesOfSeconds: readonly number[]): number {
  let left = PATIENCE_MS;
  for (let second = 1; ; second++) {
    left = patienceAfter(left, 1_000, bytesOfSeconds[second - 1] ?? 0);
    if (left <= 0) return second;
  }
}

describe('the least pace', () => {
  it('gives silence its patience, and no more after a burst of any size', () => {
    expect(secondsUntilGivenUp([])).toBe(10);
    expect(secondsUntilGivenUp([7_000_000])).toBe(11);
    expect(secondsUntilGivenUp(Array(100).fill(LEAST_BYTES_PER_SECOND * 100))).toBe(110);
  });

  it('lets whoever keeps it go on for ever, at any unevenness below the patience', () => {
    const uneven = Array.from({ length: 1_000 }, (_, second) => (second % 8 === 7 ? 8 * LEAST_BYTES_PER_SECOND : 0));
    expect(secondsUntilGivenUp(uneven)).toBeGreaterThan(1_000);
    expect(secondsUntilGivenUp(Array(1_000).fill(LEAST_BYTES_PER_SECOND - 1_000))).toBeLessThan(180);
  });

  it('never ends later than the patience after what the bytes are worth', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { maxLength: 200 }), (bytes) => {
        const worthSeconds = bytes.reduce((sum, each) => sum + each, 0) / LEAST_BYTES_PER_SECOND;
        expect(secondsUntilGivenUp(bytes)).toBeLessThanOrEqual(worthSeconds + PATIENCE_MS / 1_000 + 1);
      }),
    );
  });
});
