import { describe, expect, it } from '@jest/globals';
import { RateLimit } from './rate-limit.ts';

describe('RateLimit', () => {
  it('lets a second’s worth through at once, then the rate', () => {
    const limit = new RateLimit(10);
    for (let request = 0; request < 10; request++) expect(limit.take('key', 0)).toBe(0);
    expect(limit.take('key', 0)).toBe(100);
    expect(limit.take('key', 50)).toBe(50);
    expect(limit.take('key', 100)).toBe(0);
    expect(limit.take('key', 100)).toBe(100);
  });

  it('saves no more than a second’s worth', () => {
    const limit = new RateLimit(2);
    limit.take('key', 0);
    const taken = [1, 2, 3].map(() => limit.take('key', 3_600_000));
    expect(taken).toEqual([0, 0, 500]);
  });

  it('counts each key for itself', () => {
    const limit = new RateLimit(1);
    expect(limit.take('a', 0)).toBe(0);
    expect(limit.take('b', 0)).toBe(0);
    expect(limit.take('a', 0)).toBeGreaterThan(0);
  });

  it('lets one request through in its time at less than one a second', () => {
    const limit = new RateLimit(0.5);
    expect(limit.take('key', 0)).toBe(0);
    expect(limit.take('key', 0)).toBe(2_000);
    expect(limit.take('key', 2_000)).toBe(0);
  });

  it('gives nothing for a clock that steps back', () => {
    const limit = new RateLimit(1);
    limit.take('key', 10_000);
    expect(limit.take('key', 0)).toBe(1_000);
  });

  it('has no limit at 0', () => {
    const limit = new RateLimit(0);
    for (let request = 0; request < 1_000; request++) expect(limit.take('key', 0)).toBe(0);
  });
});
