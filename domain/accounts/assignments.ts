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

/** A stretch of time in which a subject is a customer's; infinite where nothing bounds it. */
export interface Holding {
  readonly customer: string;
  readonly from: number;
  readonly to: number;
}

/** All of time, in its order. */
export function holdingsOf({ subject, assignments }: AssignedSubject): Holding[] {
  const all = [{ customer: subject, from: Number.NEGATIVE_INFINITY }, ...assignments];
  return all.map((each, i) => ({ ...each, to: all[i + 1]?.from ?? Number.POSITIVE_INFINITY }));
}

/** With one more, in the place of the one from the same instant where there is such a one. */
export const withAssignment = <Kept extends Assignment>(assignments: readonly Kept[], added: Kept): readonly Kept[] =>
  [...assignments.filter(({ from }) => from !== added.from), added].sort((a, b) => a.from - b.from);
