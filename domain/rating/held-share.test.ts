import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aMeter } from '../../test/support/a-meter.ts';
import type { Assignment } from '../accounts/assignments.ts';
import { HeldShare, heldTimes } from './held-share.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const level = aMeter('seats', { aggregation: 'max', window: '1h' });
const MONTH = [{ from: 0, to: 31 * DAY }];
const closed = 100 * DAY;
const of = (assignments: readonly Assignment[]) => ({ subject: 's', assignments });
const held = (assignments: readonly Assignment[], customer: string, closedUpTo = closed) =>
  heldTimes(level, { customer, subjects: [of(assignments)] }, 's', MONTH, closedUpTo);

describe('heldTimes', () => {
  it('are told of levels of subjects that are not with the customer all of the time', () => {
    expect(held([], 's')).toBeNull();
    expect(held([{ customer: 'a', from: -DAY }], 'a')).toBeNull();
    expect(held([{ customer: 'a', from: 40 * DAY }], 's')).toBeNull();
    const units = { ...level, aggregation: 'sum' as const };
    expect(
      heldTimes(units, { customer: 'a', subjects: [of([{ customer: 'a', from: DAY }])] }, 's', MONTH, closed),
    ).toBeNull();
    expect(held([{ customer: 'a', from: 10 * DAY }], 'a')).toEqual([{ from: 10 * DAY, to: Infinity }]);
  });

  it('go on until the window is closed that the subject leaves with', () => {
    const moves = [
      { customer: 'a', from: 0 },
      { customer: 'b', from: 10 * DAY },
    ];
    expect(held(moves, 'a', 10 * DAY)).toBeNull();
    expect(held(moves, 'a', 10 * DAY + HOUR)).toEqual([{ from: 0, to: 10 * DAY }]);
  });
});

describe('a share', () => {
  // G3: counted whole for both, 31 seats of one subject would be 62.
  it('of 31 seats that move on the 11th is 10 and 21 (G3)', () => {
    const moves = [
      { customer: 'a', from: 0 },
      { customer: 'b', from: 10 * DAY },
    ];
    const shareOf = (customer: string): bigint => new HeldShare(MONTH, held(moves, customer)!).of(31n, 30 * DAY);
    expect([shareOf('a'), shareOf('b')]).toEqual([10n, 21n]);
  });

  // By the seconds of the period it would be 21 of 31, of which T6 charges 21 days of 31.
  it('of whoever subscribes when it gets the subject is whole (G3)', () => {
    const terms = [{ from: 10 * DAY, to: 31 * DAY }];
    expect(
      heldTimes(level, { customer: 'b', subjects: [of([{ customer: 'b', from: 10 * DAY }])] }, 's', terms, closed),
    ).toBeNull();
  });

  it('is held on to the end until the subject leaves, and counts again where it comes back', () => {
    const share = new HeldShare(MONTH, [
      { from: 0, to: 10 * DAY },
      { from: 20 * DAY, to: Infinity },
    ]);
    const counted = [0, 9, 10, 19, 20, 30].map((day) => share.of(31n, day * DAY));
    expect(counted).toEqual([31n, 31n, 10n, 10n, 21n, 21n]);
    expect(share.moves).toEqual([
      { at: 10 * DAY, index: 0 },
      { at: 20 * DAY, index: 0 },
    ]);
  });

  it('leaves with the next term where none holds when the subject moves', () => {
    const terms = [
      { from: 0, to: 5 * DAY },
      { from: 8 * DAY, to: 10 * DAY },
    ];
    expect(new HeldShare(terms, [{ from: 0, to: 6 * DAY }]).moves).toEqual([{ at: 8 * DAY, index: 1 }]);
    expect(new HeldShare(terms, [{ from: 0, to: 12 * DAY }]).moves).toEqual([]);
  });

  it('of all who have the subject add up to the level, however often it moves (P7)', () => {
    const customers = ['s', 'a', 'b'] as const;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ customer: fc.constantFrom(...customers), from: fc.integer({ min: -DAY, max: 32 * DAY }) }),
          { minLength: 1 },
        ),
        fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
        (drawn, value) => {
          const moves = [...new Map(drawn.map((each) => [each.from, each])).values()].sort((a, b) => a.from - b.from);
          const parts = customers.map((customer) => {
            const times = held(moves, customer);
            return times === null ? value : new HeldShare(MONTH, times).of(value, 31 * DAY);
          });
          expect(parts.reduce((a, b) => a + b)).toBe(value);
        },
      ),
    );
  });
});
