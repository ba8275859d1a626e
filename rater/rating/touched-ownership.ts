// Who has the subjects that a step has found, and the other subjects of these customers. It may have changed by the
// time that a batch is rated, and the batch looks.
import { customersOf, Ownership, type TenantSubject } from '../../domain/accounts/ownership.ts';
import { customerText, subjectText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { Touched } from '../core/touched.ts';
import type { RatingState } from '../store/rating-store.ts';

/** Names in a statement. */
const NAMES_AT_ONCE = 10_000;

function* namesIn(touched: ReadonlyMap<string, ReadonlyMap<string, unknown>>): Generator<TenantCustomer> {
  for (const [tenant, names] of touched) for (const customer of names.keys()) yield { tenant, customer };
}

async function* readAround(
  store: Pick<RatingState, 'readAssignmentsAround'>,
  names: Iterable<TenantCustomer>,
): AsyncGenerator<TenantSubject> {
  let some: TenantCustomer[] = [];
  for (const name of names) {
    if (some.push(name) < NAMES_AT_ONCE) continue;
    yield* await store.readAssignmentsAround(some);
    some = [];
  }
  if (some.length > 0) yield* await store.readAssignmentsAround(some);
}

export async function readOwnership(
  store: Pick<RatingState, 'readAssignmentsAround'>,
  touched: Touched,
): Promise<Ownership> {
  const { windows, due } = touched;
  const found = new Map<string, TenantSubject>();
  for (const names of [windows, due]) {
    for await (const subject of readAround(store, namesIn(names))) found.set(subjectText(subject), subject);
  }
  // Customers that are known by nothing but their subjects.
  const others = new Map<string, TenantCustomer>();
  for (const assigned of found.values()) {
    const { tenant, subject } = assigned;
    for (const time of windows.get(tenant)?.get(subject) ?? []) {
      for (const customer of customersOf(assigned, time)) {
        const isNamed = windows.get(tenant)?.has(customer) || due.get(tenant)?.has(customer);
        if (!isNamed) others.set(customerText({ tenant, customer }), { tenant, customer });
      }
    }
  }
  for await (const subject of readAround(store, others.values())) found.set(subjectText(subject), subject);
  return new Ownership(found.values());
}
