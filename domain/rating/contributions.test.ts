import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aggregationRules } from '../aggregation/aggregations.ts';
import { EARLIER } from '../billing/line-item.ts';
import type { Aggregation } from '../catalog/catalog.ts';
import { addedAcross, addedByWindows, earlierAsOne } from './contributions.ts';
import type { WindowSpan } from './window-span.ts';

const QUARTER_MS = 15 * 60_000;
const EVER = { from: 0, to: 1e12 };
const quarterly = (aggregation: Aggregation) => ({ aggregation, window: '15m', itemWidth: '1h' }) as const;

describe('addedByWindows', () => {
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
    const contributions = addedByWindows({ aggregation, window: '1m' }, [EVER], windows.toReversed());
    expect(contributions.map((contribution) => contribution.quantity)).toEqual(expected);
    expect(contributions.map((contribution) => contribution.windowEnd - contribution.windowStart)).toEqual(
      values.map(() => 60_000),
    );
  });
});

describe('addedByWindows, of a mean', () => {
  const windows = [
    { windowStart: 0, quantity: 10n, events: 1n },
    { windowStart: 60_000, quantity: 0n, events: 3n },
    { windowStart: 120_000, quantity: 9n, events: 3n },
  ];

  it('weighs every event alike, and rounds half to even what all come to', () => {
    const added = addedByWindows({ aggregation: 'avg', window: '1m' }, [EVER], windows.toReversed());
    // 10 / 1, 10 / 4 = 2.5, 19 / 7 = 2.71…
    expect(added.map(({ quantity }) => quantity)).toEqual([10n, -8n, 1n]);
  });

  it('takes windows of several subjects, and of several group values, for those of one', () => {
    const alike = windows.map((window) => ({ ...window, windowStart: 0 }));
    expect(addedByWindows({ aggregation: 'avg', window: '1m' }, [EVER], alike)).toMatchObject([{ quantity: 3n }]);
  });

  it('is nothing without the number of events', () => {
    const unknown = [{ windowStart: 0, quantity: 10n }];
    expect(() => addedByWindows({ aggregation: 'avg', window: '1m' }, [EVER], unknown)).toThrow('number of its events');
  });
});

describe('addedByWindows, of items wider than windows', () => {
  const quarters = (...values: (bigint | null)[]) =>
    values.flatMap((quantity, i) => (quantity === null ? [] : [{ windowStart: i * QUARTER_MS, quantity }]));
  const brief = (aggregation: Aggregation, terms: readonly WindowSpan[], values: bigint[]) =>
    addedByWindows(quarterly(aggregation), terms, quarters(...values)).map(
      ({ index, windowStart, windowEnd, quantity }) => [
        index,
        windowStart / QUARTER_MS,
        windowEnd / QUARTER_MS,
        quantity,
      ],
    );

  it.each<[Aggregation, bigint[], [number, number, bigint][]]>([
    [
      'sum',
      [1n, 2n, 3n, 4n, 5n],
      [
        [0, 4, 10n],
        [4, 8, 5n],
      ],
    ],
    [
      'max',
      [3n, 9n, 4n, 10n, 7n],
      [
        [0, 4, 10n],
        [4, 8, 0n],
      ],
    ],
    [
      'min',
      [3n, 9n, 1n, 5n, 0n],
      [
        [0, 4, 1n],
        [4, 8, -1n],
      ],
    ],
    [
      'latest',
      [7n, 2n, 2n, 8n, 1n],
      [
        [0, 4, 8n],
        [4, 8, -7n],
      ],
    ],
  ])('adds up the windows of an item of %s', (aggregation, values, expected) => {
    expect(brief(aggregation, [EVER], values)).toEqual(expected.map((item) => [0, ...item]));
  });

  it('gives an item that a change of terms cuts to both, each with its own windows', () => {
    const values = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n];
    const terms = [
      { from: 0, to: 6 * QUARTER_MS },
      { from: 6 * QUARTER_MS, to: 1e12 },
    ];
    expect(brief('sum', terms, values)).toEqual([
      [0, 0, 4, 10n],
      [0, 4, 6, 11n],
      [1, 6, 8, 15n],
      [1, 8, 12, 9n],
    ]);
    // What is high counts once for both.
    expect(brief('max', terms, [1n, 7n, 3n, 4n, 5n, 6n, 7n, 8n, 9n])).toEqual([
      [0, 0, 4, 7n],
      [0, 4, 6, 0n],
      [1, 6, 8, 1n],
      [1, 8, 12, 1n],
    ]);
  });

  it('leaves out what lies between terms', () => {
    const terms = [
      { from: 0, to: 2 * QUARTER_MS },
      { from: 3 * QUARTER_MS, to: 4 * QUARTER_MS },
    ];
    expect(brief('sum', terms, [1n, 2n, 4n, 8n, 16n])).toEqual([
      [0, 0, 2, 3n],
      [1, 3, 4, 8n],
    ]);
  });

  it('says the same of windows that were put together before, within their items', () => {
    const aggregation = fc.constantFrom<Aggregation>('sum', 'max', 'min', 'latest');
    const values = fc.array(fc.option(fc.bigInt({ min: -9n, max: 9n })), { minLength: 1, maxLength: 40 });
    const bound = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(aggregation, values, bound, bound, (of, all, start, length) => {
        const term = { from: start * QUARTER_MS, to: (start + 1 + length) * QUARTER_MS };
        const windows = quarters(...all).filter(({ windowStart }) => windowStart >= term.from && windowStart < term.to);
        const items = addedByWindows(quarterly(of), [term], windows);
        const { mergeWindows } = aggregationRules(of);
        const merged = items.map(({ windowStart, windowEnd }) => ({
          windowStart,
          quantity: windows
            .filter((window) => window.windowStart >= windowStart && window.windowStart < windowEnd)
            .reduce<bigint | null>((value, { quantity }) => mergeWindows(value, quantity), null)!,
        }));
        expect(addedByWindows(quarterly(of), [term], merged)).toEqual(items);
        const total = windows.reduce<bigint | null>((value, { quantity }) => mergeWindows(value, quantity), null);
        expect(items.reduce((sum, { quantity }) => sum + quantity, 0n)).toBe(total ?? 0n);
      }),
    );
  });
});

describe('earlierAsOne', () => {
  const windows = [3n, -1n, 5n].map((quantity, i) => ({
    windowStart: 100 + i * 10,
    windowEnd: 110 + i * 10,
    quantity,
  }));

  it('adds up what comes before, as of a window before all others', () => {
    expect(earlierAsOne(windows, 120)).toEqual([{ windowStart: EARLIER, windowEnd: 120, quantity: 2n }, windows[2]]);
  });

  it('leaves the windows alone where none comes before', () => {
    expect(earlierAsOne(windows, 100)).toEqual(windows);
  });
});

describe('addedAcross', () => {
  const at = (...values: (bigint | null)[]) =>
    values.flatMap((quantity, i) => (quantity === null ? [] : [{ windowStart: i * 60_000, quantity }]));
  const quantities = (
    aggregation: Aggregation,
    across: 'sum' | 'max',
    ...subjects: { windowStart: number; quantity: bigint }[][]
  ) => {
    const meter = { aggregation, across, window: '1m' } as const;
    return addedAcross(
      meter,
      [EVER],
      subjects.map((windows) => ({ windows })),
    ).map(({ windowStart, quantity }) => [windowStart / 60_000, quantity]);
  };

  it.each<[Aggregation, 'sum' | 'max', (bigint | null)[], (bigint | null)[], [number, bigint][]]>([
    [
      'sum',
      'sum',
      [1n, null, 2n],
      [10n, 20n],
      [
        [0, 11n],
        [1, 20n],
        [2, 2n],
      ],
    ],
    [
      'latest',
      'sum',
      [5n, null, 3n],
      [null, 7n],
      [
        [0, 5n],
        [1, 7n],
        [2, -2n],
      ],
    ],
    [
      'latest',
      'max',
      [5n, null, 3n],
      [null, 7n, 1n],
      [
        [0, 5n],
        [1, 2n],
        [2, -4n],
      ],
    ],
    [
      'max',
      'max',
      [5n, 6n],
      [4n, 9n, 1n],
      [
        [0, 5n],
        [1, 4n],
        [2, 0n],
      ],
    ],
    [
      'max',
      'sum',
      [5n, 6n],
      [4n, 9n, 1n],
      [
        [0, 9n],
        [1, 6n],
        [2, 0n],
      ],
    ],
    [
      'min',
      'max',
      [5n, 1n],
      [4n, 3n],
      [
        [0, 5n],
        [1, -2n],
      ],
    ],
    [
      'min',
      'max',
      [-5n],
      [null, -9n],
      [
        [0, -5n],
        [1, 0n],
      ],
    ],
    [
      'unique',
      'sum',
      [2n, 1n],
      [3n, null, 1n],
      [
        [0, 5n],
        [1, 1n],
        [2, 1n],
      ],
    ],
  ])('of %s and %s, %p and %p are %p', (aggregation, across, one, other, expected) => {
    expect(quantities(aggregation, across, at(...one), at(...other))).toEqual(expected);
  });

  const greater = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
  const windows = fc
    .uniqueArray(fc.tuple(fc.nat({ max: 20 }), fc.bigInt(-50n, 50n)), { selector: ([start]) => start, maxLength: 12 })
    .map((pairs) => pairs.map(([start, quantity]) => ({ windowStart: start * 60_000, quantity })));

  it('add up, after each item, to what the subjects come to that have a value by then', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Aggregation>('sum', 'count', 'max', 'min', 'latest', 'unique'),
        fc.constantFrom<'sum' | 'max'>('sum', 'max'),
        fc.array(windows, { minLength: 1, maxLength: 4 }),
        (aggregation, across, subjects) => {
          let total = 0n;
          for (const [start, quantity] of quantities(aggregation, across, ...subjects)) {
            total += quantity as bigint;
            // The slow way: each subject's value of all its windows up to here, and then all of them.
            const values = subjects.flatMap((each) => {
              const known = each
                .filter(({ windowStart }) => windowStart <= (start as number) * 60_000)
                .sort((a, b) => a.windowStart - b.windowStart)
                .map((window) => window.quantity);
              if (known.length === 0) return [];
              switch (aggregation) {
                case 'max':
                  return [known.sort(greater).at(-1)!];
                case 'min':
                  return [known.sort(greater)[0]!];
                case 'latest':
                  return [known.at(-1)!];
                default:
                  return [known.reduce((a, b) => a + b, 0n)];
              }
            });
            const expected = across === 'sum' ? values.reduce((a, b) => a + b, 0n) : values.sort(greater).at(-1)!;
            expect(total).toBe(expected);
          }
        },
      ),
    );
  });
});
