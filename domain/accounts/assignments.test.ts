import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Assignment, customerAt, withAssignment } from './assignments.ts';

const instants = fc.integer({ min: -50, max: 50 });
const assignment = fc.record({ customer: fc.constantFrom('a', 'b', 'c'), from: instants });
const timeline = fc
  .array(assignment, { maxLength: 12 })
  .map((given) => given.reduce<readonly Assignment[]>(withAssignment, []));

describe('customerAt', () => {
  it('is the customer of its own name before the first assignment, and without any', () => {
    expect(customerAt({ subject: 's', assignments: [] }, 0)).toBe('s');
    const assignments = [{ customer: 'a', from: 10 }];
    expect([9, 10, 11].map((at) => customerAt({ subject: 's', assignments }, at))).toEqual(['s', 'a', 'a']);
  });

  it('changes at the starts of assignments and nowhere else', () => {
    fc.assert(
      fc.property(timeline, instants, (assignments, at) => {
        const of = (instant: number) => customerAt({ subject: 's', assignments }, instant);
        if (!assignments.some(({ from }) => from === at)) expect(of(at)).toBe(of(at - 1));
      }),
    );
  });

  it('is that of the slow way round: all assignments, the last one that has begun', () => {
    fc.assert(
      fc.property(timeline, instants, (assignments, at) => {
        let expected = 's';
        let latest = Number.NEGATIVE_INFINITY;
        for (const { customer, from } of assignments) {
          if (from > at || from < latest) continue;
          latest = from;
          expected = customer;
        }
        expect(customerAt({ subject: 's', assignments }, at)).toBe(expected);
      }),
    );
  });
});

describe('withAssignment', () => {
  it('keeps them in order, one an instant, and leaves what was before it alone', () => {
    fc.assert(
      fc.property(timeline, assignment, instants, (assignments, added, at) => {
        const after = withAssignment(assignments, added);
        const starts = after.map(({ from }) => from);
        expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
        const before = customerAt({ subject: 's', assignments }, at);
        const now = customerAt({ subject: 's', assignments: after }, at);
        const next = assignments.find(({ from }) => from > added.from)?.from ?? Number.POSITIVE_INFINITY;
        expect(now).toBe(at >= added.from && at < next ? added.customer : before);
      }),
    );
  });
});
