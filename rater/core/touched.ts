// What a step has to look at, put together by customer: usage is stored and found by subject, and money is by customer.
import { customersOf, type Ownership } from '../../domain/accounts/ownership.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { CustomerWork } from '../../domain/rating/customer-work.ts';

/** By tenant and name, instants. */
export type TouchedTimes = Map<string, Map<string, Set<number>>>;

/** What may be due. */
export interface Touched {
  /** By tenant and subject: starts of windows to look at. */
  readonly windows: TouchedTimes;
  /** By tenant and customer: from when on to look at it, used or not. */
  readonly due: DueTimes;
}
type DueTimes = Map<string, Map<string, number>>;

export const nothingTouched = (): Touched => ({ windows: new Map(), due: new Map() });

export const isNothing = ({ windows, due }: Touched): boolean => windows.size + due.size === 0;

export function becomesDue({ due }: Touched, { tenant, customer }: TenantCustomer, dueFrom: number): void {
  const customers = due.get(tenant) ?? new Map<string, number>();
  due.set(tenant, customers.set(customer, Math.min(dueFrom, customers.get(customer) ?? dueFrom)));
}

function namedIn(touched: TouchedTimes, tenant: string): Map<string, Set<number>> {
  let names = touched.get(tenant);
  if (names === undefined) {
    names = new Map();
    touched.set(tenant, names);
  }
  return names;
}

/** False: it was there. */
export function touch(touched: TouchedTimes, tenant: string, name: string, time: number): boolean {
  const names = namedIn(touched, tenant);
  const times = names.get(name);
  if (times?.has(time) === true) return false;
  if (times === undefined) names.set(name, new Set([time]));
  else times.add(time);
  return true;
}

/** Adds to `touched` what the work would have looked at. */
export function handBack({ tenant, customer, windows, dueFrom }: CustomerWork, touched: Touched): void {
  for (const [subject, times] of windows) for (const time of times) touch(touched.windows, tenant, subject, time);
  if (dueFrom !== null) becomesDue(touched, { tenant, customer }, dueFrom);
}

/**
 * Of the customers that are meant, in the order of the key of usage, so that the subjects of a batch lie side by side.
 */
export function* customerWork(
  { windows, due: allDue }: Touched,
  ownership: Ownership,
  isMeant: (customer: TenantCustomer) => boolean,
): Generator<CustomerWork> {
  for (const tenant of [...new Set([...windows.keys(), ...allDue.keys()])].sort()) {
    const due = allDue.get(tenant) ?? new Map<string, number>();
    const subjects = windows.get(tenant) ?? new Map<string, Set<number>>();
    // Only of subjects that were ever assigned: the others are most, and each is its own customer.
    const moved = new Map<string, Map<string, Set<number>>>();
    const unmoved = (name: string): ReadonlySet<number> | undefined =>
      ownership.assigned({ tenant, subject: name }) === null ? subjects.get(name) : undefined;
    if (!ownership.isEmpty) {
      for (const [subject, times] of subjects) {
        const assigned = ownership.assigned({ tenant, subject });
        if (assigned === null) continue;
        for (const time of times) {
          for (const customer of customersOf(assigned, time)) touch(moved, customer, subject, time);
        }
      }
    }
    const names = new Set([...subjects.keys(), ...due.keys(), ...moved.keys()]);
    for (const customer of [...names].sort()) {
      const own = unmoved(customer);
      const others = moved.get(customer);
      const dueFrom = due.get(customer) ?? null;
      if (own === undefined && others === undefined && dueFrom === null) continue;
      if (!isMeant({ tenant, customer })) continue;
      yield {
        ...{ tenant, customer, dueFrom, subjects: ownership.subjectsOf({ tenant, customer }) },
        windows: new Map([...(own === undefined ? [] : [[customer, own] as const]), ...(others ?? [])]),
      };
    }
  }
}
