import { expect, it } from '@jest/globals';
import { isComplete } from './billed-periods.ts';

it.each([
  ['before its last window was closed', 1_999, false],
  ['once its last window was closed', 2_000, true],
  ['later', 9_000, true],
])('a period is complete %s: %#', (_, closedUpTo, expected) => {
  expect(isComplete({ periodEnd: 2_000, closedUpTo })).toBe(expected);
});
