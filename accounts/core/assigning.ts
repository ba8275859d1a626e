// Whether a subject may be a customer's from an instant on, given what is there.
import { type Assignment, customerAt } from '../../domain/accounts/assignments.ts';
import { Problem } from '../../domain/problem.ts';
import { RERATED_BACK_MAX_MS } from '../../domain/terms/record-rules.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { LONGEST_WINDOW_MS, windowStartOf } from '../../domain/time/time-window.ts';
import { invalidField, invalidFields } from './body-fields.ts';
import { meets, type VersionCondition, versionMismatch } from './request-headers.ts';
import { alreadyRated } from './subscriptions/already-rated.ts';

/** Each change keeps them all, so that they are few. */
const ASSIGNMENTS_MAX = 100;

export interface SubjectNow {
  readonly subject: string;
  readonly assignments: readonly Assignment[];
  readonly version: number;
}

export interface WantedAssignment {
  readonly customer: string;
  /** Null: from now on. */
  readonly from: number | null;
  readonly condition: VersionCondition;
  /** True: it may hold from before what was rated, which is then billed anew, by adjustments (P2). */
  readonly rerate?: boolean;
}

export interface Clocks {
  readonly now: number;
  /** Windows that end by then were rated, or may be at this moment; null: none was yet. */
  readonly closedUpTo: number | null;
}

/** What is to be added; null: it is so already. Throws a `Problem` where it can't be. */
export function assignmentOf(
  found: SubjectNow,
  { customer, from: given, condition, rerate = false }: WantedAssignment,
  { now, closedUpTo }: Clocks,
): Assignment | null {
  // What was rated can't be behind a clock that is.
  const from = given ?? Math.max(now, closedUpTo ?? now);
  const { assignments, version } = found;
  const same = assignments.find((each) => each.from === from);
  if (same?.customer === customer) return null;
  if (given === null && assignments.length > 0 && customerAt(found, from) === customer) return null;
  if (condition !== null && !meets(condition, version)) {
    throw versionMismatch('The subject was assigned since.', version);
  }
  if (same !== undefined && condition === null) {
    throw versionMismatch(`The subject belongs to another customer from ${formatRfc3339(from)} on.`, version);
  }
  if (!rerate && closedUpTo !== null && from < closedUpTo) throw alreadyRated(closedUpTo);
  if (rerate && closedUpTo !== null && from < Math.min(closedUpTo, now) - RERATED_BACK_MAX_MS)
    throw invalidFields([invalidField('from', 'lie within 400 days where it is to be rated again')]);
  if (same === undefined && assignments.length >= ASSIGNMENTS_MAX) {
    throw new Problem('assignments_full', `A subject may be assigned ${ASSIGNMENTS_MAX} times.`);
  }
  return { customer, from };
}

/**
 * From when on whoever has the subject at some time is to be rated again, since windows were rated that are another
 * one's by an assignment; null: none was. A subject's first one takes the window that had begun (T1).
 */
export function assignmentDueAt({ from }: Assignment, closedUpTo: number | null): number | null {
  const begins = windowStartOf(from, LONGEST_WINDOW_MS);
  return closedUpTo !== null && from < closedUpTo ? begins : null;
}
