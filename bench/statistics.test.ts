import { describe, expect, it } from '@jest/globals';
import { median, percentile, rounded } from './statistics.ts';

describe('statistics of runs', () => {
  it('has the middle of an odd and of an even number of values', () => {
    expect(median([30, 10, 20])).toBe(20);
    expect(median([40, 10, 20, 30])).toBe(25);
    expect(median([])).toBeNaN();
  });

  it('has percentiles that are values which were measured', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentile(values, 0.5)).toBe(100);
    expect(percentile(values, 0.99)).toBe(198);
    expect(percentile(values, 1)).toBe(200);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });

  it('rounds to significant digits and leaves what is no number alone', () => {
    expect(rounded(1234567.8)).toBe(1235000);
    expect(rounded(0.00123456)).toBe(0.001235);
    expect(rounded(Number.NaN)).toBeNaN();
  });
});
