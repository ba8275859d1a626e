// Whose usage a window of a subject is: of the customer that it belonged to at the window's start. The window that
// holds its first assignment is that customer's, where nothing had billed it (T1). A subject that was never assigned is
// a customer of its own name.

export interface SubjectAssignment {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly sequence: number;
  readonly customer: string;
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
  const sorted = assignments.toSorted((a, b) => a.from - b.from || a.sequence - b.sequence);
  const held = sorted.findLast(({ from }) => from <= windowStart);
  if (held !== undefined) return held.customer;
  const begun = sorted.findLast(({ from }) => from === sorted[0]!.from);
  const isTaken = begun?.takesBegunWindow === true && begun.from < windowStart + windowMs;
  return isTaken ? begun.customer : subject;
}
