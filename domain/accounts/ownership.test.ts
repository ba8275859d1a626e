import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { windowSizeMs, windowSizes } from '../time/time-window.ts';
import type { AssignedSubject } from './assignments.ts';
import { customerOf, customersOf, Ownership, stretchesIn } from './ownership.ts';

const HOUR_MS = 3_600_000;
const at = (time: string): number => Date.parse(`2026-11-10T${time}Z`);
/** First a's from within an hour, then b's from within another, and back to itself on the hour. */
const moved: AssignedSubject = {
  subject: 's',
  assignments: [
    { customer: 'a', from: at('10:20') },
    { customer: 'b', from: at('12:20') },
    { customer: 's', from: at('14:00') },
  ],
};

describe('a window is of', () => {
  it.each([
    ['09:00', 's'],
    // T1: the window that holds the first assignment is that customer's.
    ['10:00', 'a'],
    ['11:00', 'a'],
    // A7: every other one is of who has the subject at its start.
    ['12:00', 'a'],
    ['13:00', 'b'],
    ['14:00', 's'],
  ])('whoever has the subject at %s: %s', (time, customer) => {
    expect(customerOf(moved, at(time), HOUR_MS)).toBe(customer);
    expect(customersOf(moved, at(time))).toContain(customer);
  });

  it('its own name where it was never assigned', () => {
    expect(customerOf({ subject: 's', assignments: [] }, 0, HOUR_MS)).toBe('s');
  });
});

const QUARTER_MS = 15 * 60_000;
const someSubject = fc
  .uniqueArray(fc.integer({ min: 0, max: 3 * 96 * 15 }), { maxLength: 6 })
  .chain((minutes) =>
    fc.tuple(
      fc.constant(minutes.toSorted((a, b) => a - b)),
      fc.array(fc.constantFrom('a', 'b', 's'), { minLength: minutes.length, maxLength: minutes.length }),
    ),
  )
  .map(
    ([minutes, customers]): AssignedSubject => ({
      subject: 's',
      assignments: minutes.map((minute, i) => ({ customer: customers[i]!, from: minute * 60_000 })),
    }),
  );

it('each window is in a stretch of one customer, and of nobody else, at any window', () => {
  fc.assert(
    fc.property(someSubject, fc.constantFrom(...windowSizes.slice(1)), (assigned, size) => {
      const windowMs = windowSizeMs[size];
      const span = { from: 2 * QUARTER_MS, to: 3 * 24 * HOUR_MS };
      for (let start = Math.ceil(span.from / windowMs) * windowMs; start < span.to; start += windowMs) {
        const owners = ['a', 'b', 's'].filter((customer) =>
          stretchesIn([assigned], customer, windowMs, span).some(({ from, to }) => from <= start && start < to),
        );
        expect(owners).toEqual([customerOf(assigned, start, windowMs)]);
        expect(customersOf(assigned, start)).toContain(owners[0]);
      }
    }),
    { numRuns: 50 },
  );
});

describe('a customer', () => {
  const ownership = new Ownership([{ tenant: 't', ...moved }]);

  it('has the subject of its name, and those that were ever assigned to it', () => {
    expect(ownership.subjectsOf({ tenant: 't', customer: 'a' })).toMatchObject([{ subject: 'a' }, moved]);
    expect(ownership.subjectsOf({ tenant: 't', customer: 's' })).toMatchObject([moved]);
    expect(ownership.subjectsOf({ tenant: 't', customer: 'c' })).toEqual([{ subject: 'c', assignments: [] }]);
  });

  it('has nothing of another tenant', () => {
    expect(ownership.assigned({ tenant: 'u', subject: 's' })).toBeNull();
    expect(ownership.subjectsOf({ tenant: 'u', customer: 'a' })).toEqual([{ subject: 'a', assignments: [] }]);
  });
});
