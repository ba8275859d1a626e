// What a step has to look at, put together by customer: usage is stored and found by subject, and money is by customer.
import type { AssignedSubject } from '../../domain/accounts/assignments.ts';
import { customersOf, type Ownership } from '../../domain/accounts/ownership.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';

/** By tenant and name, instants. */
export type TouchedTimes = Map<string, Map<string, Set<number>>>;

/** What may be due. */
export interface Touched {
  /** By tenant and subject: starts of windows to look at. */
  readonly windows: TouchedTimes;
  /** By tenant and customer: starts of periods to look at. */
  readonly periods: TouchedTimes;
}

export const nothingTouched = (): Touched => ({ windows: new Map(), periods: new Map() });

function namedIn(touched: TouchedTimes, tenant: string): Map<string, Set<number>> {
  let names = touched.get(tenant);
  if (names === undefined) {
    names = new Map();
    touched.set(tenant, names);
  }
  return names;
}

export function touch(touched: TouchedTimes, tenant: string, name: string, time: number): void {
  const names = namedIn(touched, tenant);
  const times = names.get(name);
  if (times === undefined) names.set(name, new Set([time]));
  else times.add(time);
}

type NamedTimes = ReadonlyMap<string, ReadonlySet<number>>;

/** What a batch does for a customer. */
export interface CustomerWork extends TenantCustomer {
  /** Whatever is its subject at some time, as it was read. */
  readonly subjects: readonly AssignedSubject[];
  /** By subject, starts of windows that may be the customer's and for which something may be due. */
  readonly windows: NamedTimes;
  /** Starts of periods for which something may be due. */
  readonly periods: ReadonlySet<number>;
}

/** Instants for which something may be due. */
export function timesOf({ windows, periods }: CustomerWork): Iterable<number> {
  const sets = [...windows.values(), periods].filter((times) => times.size > 0);
  return sets.length === 1 ? sets[0]! : sets.flatMap((times) => [...times]);
}

/** Adds to `touched` what the work would have looked at. */
export function handBack({ tenant, customer, windows, periods }: CustomerWork, touched: Touched): void {
  for (const [subject, times] of windows) for (const time of times) touch(touched.windows, tenant, subject, time);
  for (const time of periods) touch(touched.periods, tenant, customer, time);
}

const NO_TIMES: ReadonlySet<number> = new Set();

/** In the order of the key of usage, so that the subjects of a batch lie side by side. */
export function* customerWork({ windows, periods }: Touched, ownership: Ownership): Generator<CustomerWork> {
  for (const tenant of [...new Set([...windows.keys(), ...periods.keys()])].sort()) {
    const due = periods.get(tenant) ?? new Map<string, Set<number>>();
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
      const ofPeriods = due.get(customer) ?? NO_TIMES;
      if (own === undefined && others === undefined && ofPeriods.size === 0) continue;
      yield {
        ...{ tenant, customer, periods: ofPeriods, subjects: ownership.subjectsOf({ tenant, customer }) },
        windows: new Map([...(own === undefined ? [] : [[customer, own] as const]), ...(others ?? [])]),
      };
    }
  }
}
