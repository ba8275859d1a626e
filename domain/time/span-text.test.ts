import { describe, expect, it } from '@jest/globals';
import { spanText } from './span-text.ts';

const HOUR = 3_600_000;

describe('a length of time in words', () => {
  it.each([
    [35 * 24 * HOUR, '35 days'],
    [35 * 24 * HOUR - HOUR, '34 days 23 hours'],
    [35 * 24 * HOUR + HOUR, '35 days 1 hour'],
    [HOUR + 15 * 60_000, '1 hour 15 minutes'],
    [59_999, '0 minutes'],
  ])('%i ms are %s', (ms, text) => {
    expect(spanText(ms)).toBe(text);
  });
});
