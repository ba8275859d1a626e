// Whose usage a subject's windows are, of the subjects of some customers.
//
// A window is the customer's that its subject belongs to at the window's start (A7). The window that holds a subject's
// first assignment is that customer's whole (T1): nothing can have billed it, as no assignment is made to an instant
// before what was rated. What follows is in window starts, so that it is a matter of the meter's window.
import type { SubjectKey, TenantCustomer } from '../billing/billing-period-terms.ts';
import { customerText, subjectText } from '../billing/billing-period-terms.ts';
import { LONGEST_WINDOW_MS, windowStartFrom, windowStartOf } from '../time/time-window.ts';
import { type AssignedSubject, customerAt } from './assignments.ts';

/** The windows of a subject that are one customer's: those that start at or after `from` and before `to`. */
export interface OwnedStretch {
  readonly subject: string;
  /** Milliseconds since the epoch, or infinite. */
  readonly from: number;
  readonly to: number;
}

/** Whose a window of a subject is. */
export function customerOf(assigned: AssignedSubject, windowStart: number, windowMs: number): string {
  const first = assigned.assignments[0];
  if (first === undefined) return assigned.subject;
  const begins = windowStartOf(first.from, windowMs);
  return windowStart >= begins && windowStart < first.from ? first.customer : customerAt(assigned, windowStart);
}

/** Those whose it may be, where it is not known how long the window is. */
export function customersOf(assigned: AssignedSubject, windowStart: number): readonly string[] {
  const first = assigned.assignments[0];
  const customer = customerAt(assigned, windowStart);
  const mayHoldFirst = first !== undefined && windowStart < first.from && first.from < windowStart + LONGEST_WINDOW_MS;
  return mayHoldFirst && first.customer !== customer ? [customer, first.customer] : [customer];
}

/** The stretches of the subject that are the customer's, ascending. */
function stretchesOf(assigned: AssignedSubject, customer: string, windowMs: number): OwnedStretch[] {
  const { subject, assignments } = assigned;
  // Most are: and whoever rates asks it of each customer.
  if (assignments.length === 0) {
    return subject === customer ? [{ subject, from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }] : [];
  }
  const starts = assignments.map(({ from }, i) =>
    i === 0 ? windowStartOf(from, windowMs) : windowStartFrom(from, windowMs),
  );
  const owners = [subject, ...assignments.map((assignment) => assignment.customer)];
  const bounds = [Number.NEGATIVE_INFINITY, ...starts, Number.POSITIVE_INFINITY];
  return owners.flatMap((owner, i) => {
    const [from, to] = [bounds[i]!, bounds[i + 1]!];
    return owner === customer && from < to ? [{ subject, from, to }] : [];
  });
}

/**
 * The stretches of a customer's subjects within a span of window starts; in the order in which the subjects are given.
 */
export function stretchesIn(
  subjects: readonly AssignedSubject[],
  customer: string,
  windowMs: number,
  { from, to }: { readonly from: number; readonly to: number },
): OwnedStretch[] {
  return subjects.flatMap((assigned) =>
    stretchesOf(assigned, customer, windowMs).flatMap((stretch) => {
      const within = { ...stretch, from: Math.max(stretch.from, from), to: Math.min(stretch.to, to) };
      return within.from < within.to ? [within] : [];
    }),
  );
}

export interface TenantSubject extends AssignedSubject, SubjectKey {}

/**
 * Who has which subjects. It knows the customers and subjects that were asked for, and takes every other one for never
 * assigned.
 */
export class Ownership {
  private readonly bySubject = new Map<string, TenantSubject>();
  /** Those that were assigned and are the customer's at some time. */
  private readonly byCustomer = new Map<string, TenantSubject[]>();

  constructor(assigned: Iterable<TenantSubject>) {
    for (const subject of assigned) {
      this.bySubject.set(subjectText(subject), subject);
      const owners = new Set([subject.subject, ...subject.assignments.map(({ customer }) => customer)]);
      for (const customer of owners) {
        const key = customerText({ tenant: subject.tenant, customer });
        const known = this.byCustomer.get(key);
        if (known === undefined) this.byCustomer.set(key, [subject]);
        else known.push(subject);
      }
    }
    for (const subjects of this.byCustomer.values()) subjects.sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  get isEmpty(): boolean {
    return this.bySubject.size === 0;
  }

  /** Null: it was never assigned. */
  assigned(key: SubjectKey): TenantSubject | null {
    return this.bySubject.get(subjectText(key)) ?? null;
  }

  /** Whatever is the customer's at some time, by name. */
  subjectsOf({ tenant, customer }: TenantCustomer): readonly AssignedSubject[] {
    const assigned = this.byCustomer.get(customerText({ tenant, customer })) ?? [];
    if (this.bySubject.has(subjectText({ tenant, subject: customer }))) return assigned;
    return [{ subject: customer, assignments: [] }, ...assigned];
  }
}
