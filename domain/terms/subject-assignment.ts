// Whose usage a window of a subject is: of the customer that it belonged to at the window's start. The window that
// holds its first assignment is that customer's, where nothing had billed it (T1). A subject that was never assigned is
// a customer of its own name.

import { type Assignment, customerAt, withAssignment } from '../accounts/assignments.ts';

export interface SubjectAssignment extends Assignment {
  readonly sequence: number;
  /** Of the first one: whether the window that holds `from` is its own; stored when it was made. */
  readonly takesBegunWindow: boolean;
}

/** `assignments` in any order. */
export function customerOfWindow(
  subject: string,
  assignments: readonly SubjectAssignment[],
  windowStart: number,
  windowMs: number,
): string {
  const recorded = assignments.toSorted((a, b) => a.sequence - b.sequence);
  const held = recorded.reduce<readonly SubjectAssignment[]>(withAssignment, []);
  const [first] = held;
  const takesIt = first?.takesBegunWindow === true && first.from < windowStart + windowMs;
  return customerAt({ subject, assignments: held }, takesIt ? Math.max(first.from, windowStart) : windowStart);
}
