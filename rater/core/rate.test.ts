import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RatedItem, WrittenWindow } from '../../domain/billing/line-item.ts';
import type { Aggregation, Price } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, QUANTITY_ONE, quantityToDecimal } from '../../domain/number/quantity.ts';
import { amountOf } from '../../domain/pricing/prices.ts';
import { addedByWindows, earlierAsOne, type WindowValue } from '../../domain/rating/contributions.ts';
import { type RateInput, RatingInvariantError, rate } from './rate.ts';

const HOUR_MS = 3_600_000;
const perUnit: Price = { slug: 'p', meter: 'm', match: {}, model: 'per_unit', unitAmount: '0.5' };
const volume: Price = {
  slug: 'p',
  meter: 'm',
  match: {},
  model: 'volume',
  tiers: [
    { upTo: '1000', unitAmount: '0.10', flatAmount: '0' },
    { upTo: null, unitAmount: '0.05', flatAmount: '0' },
  ],
};
const graduated: Price = { ...volume, model: 'graduated' };
const packaged: Price = {
  slug: 'p',
  meter: 'm',
  match: {},
  model: 'package',
  packageSize: '3',
  packageAmount: '0.333333333333333',
};

const stairstep: Price = {
  ...{ slug: 'p', meter: 'm', match: {}, model: 'stairstep' },
  tiers: [
    { upTo: '1000', amount: '7.5' },
    { upTo: null, amount: '6' },
  ],
};
const tieredPackage: Price = {
  ...{ slug: 'p', meter: 'm', match: {}, model: 'tiered_package' },
  tiers: [
    { upTo: '1000', packageSize: '7', packageAmount: '0.333333333333333' },
    { upTo: null, packageSize: '100', packageAmount: '2' },
  ],
};

const hourly = (aggregation: Aggregation) => ({ aggregation, window: '1h' }) as const;
const EVER = [{ from: 0, to: 1_000 * HOUR_MS }];

/** Contributions of hours 0, 1, 2, … in whole units; 0 is a window without usage. */
const hours = (...units: readonly number[]) =>
  units.flatMap((unit, hour) =>
    unit === 0
      ? []
      : [{ windowStart: hour * HOUR_MS, windowEnd: (hour + 1) * HOUR_MS, quantity: BigInt(unit) * QUANTITY_ONE }],
  );

/** What a store would hold after items were written. */
function writtenAfter(items: readonly RatedItem[]): Pick<RateInput, 'written' | 'writtenAmount'> {
  const windows = new Map<number, WrittenWindow>();
  for (const { windowStart, windowEnd, quantity, revision } of items) {
    const sum = (windows.get(windowStart)?.quantity ?? 0n) + quantity;
    windows.set(windowStart, { windowStart, lastStart: windowStart, windowEnd, quantity: sum, revision });
  }
  return { written: [...windows.values()], writtenAmount: amountSum(items) };
}

const amountSum = (items: readonly RatedItem[]): Decimal =>
  items.reduce((sum, item) => sum.plus(item.amount), Decimal.zero);

const input = (price: Price, more: Partial<RateInput> = {}): RateInput => ({
  price: amountOf(price),
  contributions: [],
  ...{ written: [], writtenAmount: Decimal.zero },
  wasClosed: () => false,
  ...{ changedFrom: null, mayReprice: false },
  onTimeCause: 'window_closed',
  repricedBy: 'plan_change',
  ...more,
});

const brief = ({ windowStart, quantity, amount, kind, revision, cause }: RatedItem): string =>
  `${windowStart / HOUR_MS}h ${formatQuantity(quantity)} = ${amount} ${kind} ${revision} ${cause}`;

describe('rate', () => {
  const table: { name: string; price: Price; steps: Partial<RateInput>[]; expected: string[][] }[] = [
    {
      name: 'a window that closes on time is usage, revision 0',
      price: perUnit,
      steps: [{ contributions: hours(2, 0, 4) }],
      expected: [['0h 2 = 1 usage 0 window_closed', '2h 4 = 2 usage 0 window_closed']],
    },
    {
      name: 'done again writes nothing',
      price: perUnit,
      steps: [{ contributions: hours(2) }, { contributions: hours(2) }],
      expected: [['0h 2 = 1 usage 0 window_closed'], []],
    },
    {
      name: 'late usage of a rated window is an adjustment with the next revision',
      price: perUnit,
      steps: [{ contributions: hours(2) }, { contributions: hours(3) }, { contributions: hours(7) }],
      expected: [
        ['0h 2 = 1 usage 0 window_closed'],
        ['0h 1 = 0.5 adjustment 1 late_usage'],
        ['0h 4 = 2 adjustment 2 late_usage'],
      ],
    },
    {
      name: 'the first usage of a window that had closed empty is an adjustment',
      price: perUnit,
      steps: [
        { contributions: hours(0, 2) },
        { contributions: hours(1, 2, 1), wasClosed: (windowEnd) => windowEnd <= 2 * HOUR_MS },
      ],
      expected: [
        ['1h 2 = 1 usage 0 window_closed'],
        ['0h 1 = 0.5 adjustment 0 late_usage', '2h 1 = 0.5 usage 0 window_closed'],
      ],
    },
    {
      name: 'a volume price falls: 1,000 cost 100, 1,001 cost 50.05',
      price: volume,
      steps: [{ contributions: hours(1000) }, { contributions: hours(1000, 1) }],
      expected: [['0h 1000 = 100 usage 0 window_closed'], ['1h 1 = -49.95 usage 0 window_closed']],
    },
    {
      name: 'a package already paid for costs nothing more, and says so',
      price: { ...packaged, packageAmount: '9' },
      steps: [{ contributions: hours(1) }, { contributions: hours(1, 2) }],
      expected: [['0h 1 = 9 usage 0 window_closed'], ['1h 2 = 0 usage 0 window_closed']],
    },
    {
      name: 'usage that went to another term is given back',
      price: perUnit,
      steps: [{ contributions: hours(2, 4) }, { contributions: hours(2), changedFrom: HOUR_MS }],
      expected: [
        ['0h 2 = 1 usage 0 window_closed', '1h 4 = 2 usage 0 window_closed'],
        ['1h -4 = -2 adjustment 1 plan_change'],
      ],
    },
  ];
  it.each(table)('$name', ({ price, steps, expected }) => {
    let items: RatedItem[] = [];
    const found = steps.map((step) => {
      const added = rate(input(price, { ...step, ...writtenAfter(items) }));
      items = [...items, ...added];
      return added.map(brief);
    });
    expect(found).toEqual(expected);
  });

  it('writes the difference when a change of terms gives the same usage another amount', () => {
    const before = rate(input(perUnit, { contributions: hours(2, 4) }));
    const dearer: Price = { ...perUnit, unitAmount: '2' };
    const after = rate(
      input(dearer, { contributions: hours(2, 4), changedFrom: 0, mayReprice: true, ...writtenAfter(before) }),
    );
    expect(after.map(brief)).toEqual(['1h 0 = 9 adjustment 1 plan_change']);
  });

  it('says what an amount was computed from', () => {
    const [, second] = rate(input(graduated, { contributions: hours(999, 2) }));
    expect(second?.cumulativeQuantity).toBe(1001n * QUANTITY_ONE);
    expect(second?.amount.toString()).toBe('0.15');
    expect(second?.cumulativeAmount.toString()).toBe('100.05');
    expect(second?.writtenAmount.toString()).toBe('99.9');
  });

  it('names all windows of an item whose term changed its end inside it', () => {
    const quarters = (count: number, units: number) => [
      { windowStart: 0, windowEnd: (count * HOUR_MS) / 4, quantity: BigInt(units) * QUANTITY_ONE },
    ];
    const whole = rate(input(perUnit, { contributions: quarters(4, 6) }));
    const of = { changedFrom: HOUR_MS / 4, wasClosed: () => true };
    const cut = rate(input(perUnit, { contributions: quarters(1, 2), ...of, ...writtenAfter(whole) }));
    const regrown = { ...writtenAfter([...whole, ...cut]), contributions: quarters(4, 6) };
    const again = rate(input(perUnit, { ...regrown, ...of }));
    expect([...cut, ...again]).toMatchObject([
      { windowStart: 0, windowEnd: HOUR_MS, quantity: -4n * QUANTITY_ONE, revision: 1, cause: 'plan_change' },
      { windowStart: 0, windowEnd: HOUR_MS, quantity: 4n * QUANTITY_ONE, revision: 2, cause: 'plan_change' },
    ]);
  });

  it('refuses written amounts that no usage explains', () => {
    const written = writtenAfter(rate(input(perUnit, { contributions: hours(2) })));
    const wrong = { ...written, writtenAmount: Decimal.parse('1.01') };
    expect(() => rate(input(perUnit, { contributions: hours(2), ...wrong }))).toThrow(RatingInvariantError);
  });
});

describe('rate, for any history', () => {
  // Each step closes some windows and adds late usage to any that are closed; the state is what the events so far say.
  const event = fc.record({
    hour: fc.integer({ min: 0, max: 9 }),
    units: fc.bigInt({ min: -(10n ** 14n), max: 10n ** 16n }),
  });
  const history = fc.array(fc.record({ events: fc.array(event, { maxLength: 6 }), closes: fc.nat({ max: 4 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  const price = fc.constantFrom<Price>(perUnit, volume, graduated, packaged, stairstep, tieredPackage);
  const aggregation = fc.constantFrom<Aggregation>('sum', 'max', 'min', 'latest');

  function windowsOf(
    events: readonly { hour: number; units: bigint }[],
    of: Aggregation,
    closed: number,
  ): WindowValue[] {
    const windows = new Map<number, bigint>();
    for (const { hour, units } of events) {
      if (hour >= closed) continue;
      const known = windows.get(hour);
      const merged = {
        sum: (known ?? 0n) + units,
        max: known === undefined || units > known ? units : known,
        min: known === undefined || units < known ? units : known,
        latest: units,
      }[of as 'sum' | 'max' | 'min' | 'latest'];
      windows.set(hour, merged);
    }
    return [...windows].map(([hour, quantity]) => ({ windowStart: hour * HOUR_MS, quantity }));
  }

  function totalOf(windows: readonly WindowValue[], of: Aggregation): bigint {
    const values = windows.toSorted((a, b) => a.windowStart - b.windowStart).map((window) => window.quantity);
    if (values.length === 0) return 0n;
    if (of === 'sum') return values.reduce((sum, value) => sum + value, 0n);
    if (of === 'latest') return values.at(-1)!;
    return values.reduce((best, value) => ((of === 'max' ? value > best : value < best) ? value : best));
  }

  /** What each step of a history finds, and the first hour that it touches. */
  function* replay(
    steps: readonly { readonly events: readonly { hour: number; units: bigint }[]; readonly closes: number }[],
    of: Aggregation,
  ) {
    const events: { hour: number; units: bigint }[] = [];
    let closed = 0;
    for (const step of steps) {
      const closedBefore = closed;
      events.push(...step.events);
      closed += step.closes;
      const windows = windowsOf(events, of, closed);
      yield {
        windows,
        contributions: addedByWindows(hourly(of), EVER, windows),
        wasClosed: (windowEnd: number): boolean => windowEnd <= closedBefore * HOUR_MS,
        firstTouched: Math.min(closedBefore, ...step.events.map(({ hour }) => hour)),
      };
    }
  }

  it('amounts add up to the price of the total after every step, and a step done again adds nothing', () => {
    fc.assert(
      fc.property(history, price, aggregation, (steps, anyPrice, of) => {
        const items: RatedItem[] = [];
        for (const { windows, contributions, wasClosed } of replay(steps, of)) {
          items.push(...rate(input(anyPrice, { contributions, wasClosed, ...writtenAfter(items) })));

          const due = amountOf(anyPrice)(quantityToDecimal(totalOf(windows, of)));
          expect(amountSum(items).toString()).toBe(due.toString());
          expect(rate(input(anyPrice, { contributions, wasClosed, ...writtenAfter(items) }))).toEqual([]);
          for (const item of items) {
            expect(item.amount.toString()).toBe(item.cumulativeAmount.minus(item.writtenAmount).toString());
          }
        }
        const keys = items.map((item) => `${item.windowStart}/${item.revision}`);
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 500 },
    );
  });

  it('writes the same where what no event of a step touched is told as one', () => {
    fc.assert(
      fc.property(history, price, aggregation, (steps, anyPrice, of) => {
        const items: RatedItem[] = [];
        for (const { contributions, wasClosed, firstTouched } of replay(steps, of)) {
          const detail = firstTouched * HOUR_MS;
          const { written, writtenAmount } = writtenAfter(items);
          const whole = rate(input(anyPrice, { contributions, wasClosed, written, writtenAmount }));
          const told = { contributions: earlierAsOne(contributions, detail), written: earlierAsOne(written, detail) };
          expect(rate(input(anyPrice, { ...told, wasClosed, writtenAmount }))).toEqual(whole);
          items.push(...whole);
        }
      }),
    );
  });

  it('says the same in one step as in many', () => {
    fc.assert(
      fc.property(history, price, aggregation, (steps, anyPrice, of) => {
        const events = steps.flatMap((step) => step.events);
        const closed = steps.reduce((sum, step) => sum + step.closes, 0);
        const contributions = addedByWindows(hourly(of), EVER, windowsOf(events, of, closed));
        const once = rate(input(anyPrice, { contributions }));
        const due = amountOf(anyPrice)(quantityToDecimal(totalOf(windowsOf(events, of, closed), of)));
        expect(amountSum(once).toString()).toBe(due.toString());
      }),
    );
  });
});
