// Whose a subject is, as a function of the instant (A7): the customer of the latest assignment not after it, and before
// the first one the customer of its own name. A subject that was never assigned has no row anywhere.

export interface Assignment {
  readonly customer: string;
  /** The first instant at which it holds, in milliseconds since the epoch. */
  readonly from: number;
}

export interface AssignedSubject {
  readonly subject: string;
  /** Ascending, no two from the same instant. */
  readonly assignments: readonly Assignment[];
}

export const customerAt = ({ subject, assignments }: AssignedSubject, instant: number): string =>
  assignments.findLast(({ from }) => from <= instant)?.customer ?? subject;

/** With one more, in the place of the one from the same instant where there is such a one. */
export const withAssignment = <Kept extends Assignment>(assignments: readonly Kept[], added: Kept): readonly Kept[] =>
  [...assignments.filter(({ from }) => from !== added.from), added].sort((a, b) => a.from - b.from);
