// A customer's subscription as an installation has it, by the statements of accounts and without their HTTP: for tests
// and benches of what is billed by it. It bills from its start on, unless it says otherwise.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { CustomerSubscription, UnnumberedRecord } from '../../domain/terms/customer-subscription.ts';
import type { SubscriptionOpening, SubscriptionPatch } from '../../domain/terms/subscription-history.ts';
import { makeCustomers } from '../../platform/account-store/new-customers.ts';
import { appendRecord, makeSubscriptions } from '../../platform/account-store/subscriptions.ts';
import { Vault } from '../../platform/account-store/vault.ts';
import type { Queries } from '../../platform/postgres/table-columns.ts';

/** Instants are milliseconds since the epoch. */
export interface TestSubscription extends TenantCustomer, Partial<Omit<SubscriptionOpening, 'startsAt'>> {
  readonly plan: string;
  readonly startsAt: number;
  /** Beside its plan. */
  readonly patch?: SubscriptionPatch;
  /** What it is to have later. */
  readonly phases?: readonly { readonly at: number; readonly patch: SubscriptionPatch }[];
}

const vault = new Vault([Buffer.alloc(32, 7)]);
const actor = 'test:subscribe';
const personal = { name: null, email: null, billingAddress: null, metadata: {} };
const fields = { entity: 'default', currency: null, timezone: null, parent: null, paidBy: 'self', personal } as const;

/** Makes the customer too, where it is not there. Its id is its customer's where none is given. */
export async function subscribe(
  queries: Queries,
  { tenant, customer, plan, startsAt, patch = {}, phases = [], ...given }: TestSubscription,
): Promise<CustomerSubscription> {
  const author = { tenant, actor };
  await makeCustomers(queries, vault, author, [{ id: customer, fields, reason: null }]);
  const opening: SubscriptionOpening = {
    ...{ id: customer, startsAt, billedFrom: startsAt, takesBegunWindow: false },
    ...{ anchor: 'calendar', timezone: 'UTC' },
    ...given,
  };
  const first: UnnumberedRecord = { patches: [{ at: startsAt, patch: { plan, ...patch } }, ...phases] };
  const wanted = { customer, opening, records: [first], madeFrom: null, reason: null };
  const made = (await makeSubscriptions(queries, author, [wanted], Date.now())).get(opening.id);
  if (made === undefined) throw new Error(`there is a subscription ${opening.id}`);
  return made;
}

/** Changes it from an instant on. */
export async function changeSubscription(
  queries: Queries,
  subscription: CustomerSubscription,
  at: number,
  patch: SubscriptionPatch,
): Promise<CustomerSubscription> {
  const now = { now: Date.now(), reason: null };
  return appendRecord(queries, { tenant: subscription.tenant, actor }, subscription, { patches: [{ at, patch }] }, now);
}
