import { describe, expect, it } from '@jest/globals';
import type { Aggregation } from '../../domain/catalog/catalog.ts';
import { contributionsOf, earlierAsOne } from './contributions.ts';

describe('contributionsOf', () => {
  const table: [Aggregation, bigint[], bigint[]][] = [
    ['sum', [3n, -1n, 5n], [3n, -1n, 5n]],
    ['count', [1n, 2n], [1n, 2n]],
    ['unique', [4n, 1n], [4n, 1n]],
    ['max', [3n, 9n, 4n, 10n], [3n, 6n, 0n, 1n]],
    ['max', [-5n, -2n], [-5n, 3n]],
    ['min', [3n, 9n, 1n], [3n, 0n, -2n]],
    ['latest', [7n, 2n, 2n, 8n], [7n, -5n, 0n, 6n]],
  ];
  it.each(table)('%s of %p adds %p', (aggregation, values, expected) => {
    const windows = values.map((quantity, i) => ({ windowStart: i * 60_000, quantity }));
    const contributions = contributionsOf(aggregation, 60_000, windows.toReversed());
    expect(contributions.map((contribution) => contribution.quantity)).toEqual(expected);
    expect(contributions.map((contribution) => contribution.windowEnd - contribution.windowStart)).toEqual(
      values.map(() => 60_000),
    );
  });
});

describe('earlierAsOne', () => {
  const windows = [3n, -1n, 5n].map((quantity, i) => ({
    windowStart: 100 + i * 10,
    windowEnd: 110 + i * 10,
    quantity,
  }));

  it('adds up what comes before, as of a window that starts with the period', () => {
    expect(earlierAsOne(windows, { periodStart: 95, detailFrom: 120 })).toEqual([
      { windowStart: 95, windowEnd: 120, quantity: 2n },
      windows[2],
    ]);
  });

  it('leaves the windows alone where none comes before', () => {
    expect(earlierAsOne(windows, { periodStart: 95, detailFrom: 100 })).toEqual(windows);
  });
});
