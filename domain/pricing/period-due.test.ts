import { describe, expect, it } from '@jest/globals';
import { isPeriodDue } from './period-due.ts';

const START = Date.UTC(2026, 10, 1);
const END = Date.UTC(2026, 11, 1);
const period = (subscriptionStart: number | null, periodEnd = END) => ({
  periodStart: START,
  periodEnd,
  subscriptionStart,
});

describe('isPeriodDue', () => {
  it.each([
    ['a subscription, before its start', period(START), START - 1, true, false],
    ['a subscription, at its start', period(START), START, false, true],
    ['the default plan, without usage', period(null), END, false, false],
    ['the default plan, with usage', period(null), START, true, true],
    // An event may be dated minutes ahead, into a period that has not begun by the log's time.
    ['the default plan, with usage ahead of the watermark', period(null), START - 1, true, false],
    ['a replaced period', period(START, START), END, true, false],
  ])('%s', (_, of, watermark, hasUsage, isDue) => {
    expect(isPeriodDue(of, watermark, hasUsage)).toBe(isDue);
  });
});
