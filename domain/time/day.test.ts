import { expect, it } from '@jest/globals';
import { isDay } from './day.ts';

it.each(['2026-11-20', '2024-02-29'])('%s is a day', (text) => {
  expect(isDay(text)).toBe(true);
});

it.each(['2026-13-01', '2026-02-31', '2025-02-29', '2026-1-2', '2026-11-20T00:00:00Z', 'today'])(
  '%s is none',
  (text) => {
    expect(isDay(text)).toBe(false);
  },
);
