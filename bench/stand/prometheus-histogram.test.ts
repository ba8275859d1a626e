import { describe, expect, it } from '@jest/globals';
import { parseHistogram, quantileOf, shareWithin } from './prometheus-histogram.ts';

const metrics = (counts: readonly number[]): string =>
  [
    '# TYPE lag_seconds histogram',
    `lag_seconds_bucket{le="0.5"} ${counts[0]}`,
    `lag_seconds_bucket{le="1"} ${counts[1]}`,
    `lag_seconds_bucket{le="+Inf"} ${counts[2]}`,
    `lag_seconds_sum 12.5`,
    'lag_seconds_total_bucket{le="7"} 9',
  ].join('\n');

describe('histogram of a stage', () => {
  it('is read with its bounds, and no other histogram’s', () => {
    expect(parseHistogram(metrics([1, 2, 3]), 'lag_seconds')).toEqual({
      bounds: [0.5, 1, Number.POSITIVE_INFINITY],
      counts: [1, 2, 3],
    });
    expect(() => parseHistogram(metrics([1, 2, 3]), 'other')).toThrow('no histogram other');
  });

  it('says what was observed between two readings', () => {
    const before = parseHistogram(metrics([100, 100, 100]), 'lag_seconds');
    const after = parseHistogram(metrics([150, 199, 200]), 'lag_seconds');
    expect(quantileOf(before, after, 0.5)).toBe(0.5);
    expect(quantileOf(before, after, 0.99)).toBe(1);
    expect(quantileOf(before, after, 0.995)).toBe(Number.POSITIVE_INFINITY);
    expect(quantileOf(after, after, 0.5)).toBeNaN();
    expect(shareWithin(before, after, 1)).toBe(0.99);
    expect(shareWithin(after, after, 1)).toBeNaN();
    expect(() => shareWithin(before, after, 2)).toThrow('ends at 2');
  });
});
