import { describe, expect, it } from '@jest/globals';
import { Problem } from '../../domain/problem.ts';
import { assignmentOf } from './assigning.ts';

const NOW = 1_000_000;
const none = { subject: 's', assignments: [], version: 0 };
const twice = {
  subject: 's',
  assignments: [
    { customer: 'a', from: 100 },
    { customer: 'b', from: NOW + 100 },
  ],
  version: 2,
};
const clocks = { now: NOW, closedUpTo: null };
const wanted = { customer: 'a', from: null, condition: null };

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error.code;
  }
  return 'none';
}

describe('assignmentOf', () => {
  it('begins now where no instant is given, and never before what was rated', () => {
    expect(assignmentOf(none, wanted, clocks)).toEqual({ customer: 'a', from: NOW });
    expect(assignmentOf(none, wanted, { now: NOW, closedUpTo: NOW - 1 })?.from).toBe(NOW);
    expect(assignmentOf(none, wanted, { now: NOW, closedUpTo: NOW + 5 })?.from).toBe(NOW + 5);
  });

  it('changes nothing where it is so already', () => {
    expect(assignmentOf(twice, wanted, clocks)).toBeNull();
    expect(assignmentOf(twice, { ...wanted, from: 100 }, clocks)).toBeNull();
    // Also behind what was rated: nothing is assigned by it.
    expect(assignmentOf(twice, { ...wanted, from: 100 }, { now: NOW, closedUpTo: NOW })).toBeNull();
    expect(assignmentOf(twice, { ...wanted, from: 100, condition: 1 }, clocks)).toBeNull();
  });

  it('makes a subject its namesake’s by a row of its own', () => {
    expect(assignmentOf(none, { ...wanted, customer: 's' }, clocks)).toEqual({ customer: 's', from: NOW });
  });

  it('takes another instant without a condition, and the same one only with it', () => {
    expect(assignmentOf(twice, { ...wanted, customer: 'c', from: 101 }, clocks)).toEqual({ customer: 'c', from: 101 });
    expect(codeOf(() => assignmentOf(twice, { ...wanted, customer: 'c', from: 100 }, clocks))).toBe('version_mismatch');
    const replacing = { customer: 'c', from: 100, condition: 2 };
    expect(assignmentOf(twice, replacing, clocks)).toEqual({ customer: 'c', from: 100 });
    expect(codeOf(() => assignmentOf(twice, { ...replacing, condition: 1 }, clocks))).toBe('version_mismatch');
    expect(codeOf(() => assignmentOf(none, { ...replacing, condition: 'any' }, clocks))).toBe('version_mismatch');
    expect(assignmentOf(none, { ...replacing, condition: 0 }, clocks)).toEqual({ customer: 'c', from: 100 });
  });

  it('refuses what reaches into what was rated, with the earliest instant that works', () => {
    const rated = { now: NOW, closedUpTo: NOW - 1_000 };
    expect(assignmentOf(none, { ...wanted, from: NOW - 1_000 }, rated)?.from).toBe(NOW - 1_000);
    expect(() => assignmentOf(none, { ...wanted, from: NOW - 1_001 }, rated)).toThrow(
      'Usage up to 1970-01-01T00:16:39Z was rated already.',
    );
  });

  it('keeps a hundred', () => {
    const assignments = Array.from({ length: 100 }, (_, i) => ({ customer: 'a', from: i }));
    const full = { subject: 's', assignments, version: 100 };
    expect(codeOf(() => assignmentOf(full, { ...wanted, customer: 'c' }, clocks))).toBe('assignments_full');
    expect(assignmentOf(full, { customer: 'c', from: 5, condition: 100 }, clocks)).toEqual({ customer: 'c', from: 5 });
  });
});
