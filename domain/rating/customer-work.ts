// What is looked at of a customer: the windows of its subjects, or all from an instant on.
import type { AssignedSubject } from '../accounts/assignments.ts';
import type { TenantCustomer } from '../billing/billing-period-terms.ts';

type NamedTimes = ReadonlyMap<string, ReadonlySet<number>>;

/** What a batch does for a customer. */
export interface CustomerWork extends TenantCustomer {
  /** Whatever is its subject at some time, as it was read. */
  readonly subjects: readonly AssignedSubject[];
  /** By subject, starts of windows that may be the customer's and for which something may be due. */
  readonly windows: NamedTimes;
  /** From when on anything may be due, used or not; null: nothing is but by its windows. */
  readonly dueFrom: number | null;
}

/** Starts of windows for which something may be due. */
export function timesOf({ windows }: Pick<CustomerWork, 'windows'>): Iterable<number> {
  const sets = [...windows.values()];
  return sets.length === 1 ? sets[0]! : sets.flatMap((times) => [...times]);
}
