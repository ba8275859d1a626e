// Makes subscriptions, that of one request or those of many rows of a file, in one transaction of the caller's.
//
// Customers stay as they are while it lasts, and are locked as by a rating: no rater looks at them meanwhile, and
// whichever looks later finds what was made. Only under the locks it is asked up to where windows are closed, and what
// the customers have: so each subscription is held against all others of its customer, by the catalog that holds and by
// one that is stored and about to.
import { groupBy } from '../domain/composite-key.ts';
import { Problem } from '../domain/problem.ts';
import type { RatingCatalog } from '../domain/rating/rating-catalog.ts';
import type { CatalogHistory } from '../domain/terms/catalog-history.ts';
import { type CustomerSubscription, historyOf, type NewSubscription } from '../domain/terms/customer-subscription.ts';
import { SubscriptionHistory } from '../domain/terms/subscription-history.ts';
import type { Author } from '../platform/account-store/account-changes.ts';
import { shareCustomers } from '../platform/account-store/customers.ts';
import {
  makeSubscriptions,
  readSubscriptionsNamed,
  readSubscriptionsOfCustomers,
} from '../platform/account-store/subscriptions.ts';
import { lockCustomers } from '../platform/billing-store/billing-periods.ts';
import { readClosingOf } from '../platform/billing-store/rater-progress.ts';
import { shareOverlapFence, storedHistory } from '../platform/catalog-publishing/overlap-fence.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';
import { requireNoOverlap } from './core/subscriptions/overlapping-prices.ts';
import { asPreviewed, newBasis, type PreviewedAct, requirePreviewed } from './core/subscriptions/previewed.ts';
import {
  newSubscriptionOf,
  requireSame,
  type SubscribingNow,
  type WantedSubscription,
} from './core/subscriptions/subscribing.ts';

/** What became of one. Equal: it was there, and the same. */
export type SubscribingOutcome =
  | { readonly is: 'made' | 'equal'; readonly subscription: CustomerSubscription }
  | { readonly is: 'refused'; readonly problem: Problem };

/**
 * By what subscriptions are held against each other. First of all in a transaction: it waits for a catalog that is
 * being stored.
 */
export async function overlapHistories(
  queries: Queries,
  tenant: string,
  { history, version }: RatingCatalog,
): Promise<readonly CatalogHistory[]> {
  await shareOverlapFence(queries);
  const stored = await storedHistory(queries, tenant, version);
  return stored === null ? [history] : [history, stored];
}

/** Locks the customers until the transaction ends, and only then looks at the clock and at what was rated. */
export async function lockForChange(
  queries: Queries,
  tenant: string,
  customers: readonly string[],
): Promise<SubscribingNow> {
  const all = customers.map((customer) => ({ tenant, customer }));
  await lockCustomers(queries, all);
  return readClosingOf(queries, all);
}

const historyAhead = ({ opening, records }: NewSubscription): SubscriptionHistory =>
  new SubscriptionHistory(
    opening,
    records.map((record, i) => ({ ...record, sequence: i + 1 })),
  );

/** What `work` returns, or the `Problem` that it throws. */
function orRefused<Result>(work: () => Result): Result | Problem {
  try {
    return work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/**
 * In the order in which they are wanted, by which each is held against those before. Ids are given once. `previewed`:
 * what is made is what was previewed, or refused.
 */
export async function subscribeCustomers(
  queries: Queries,
  author: Author,
  wanted: readonly WantedSubscription[],
  catalogs: RatingCatalog,
  previewed: PreviewedAct | null = null,
): Promise<{ readonly outcomes: readonly SubscribingOutcome[]; readonly now: number }> {
  const { tenant } = author;
  const { newest } = catalogs;
  const histories = await overlapHistories(queries, tenant, catalogs);
  const named = [...new Set(wanted.map(({ body }) => body.customer))];
  const customers = await shareCustomers(queries, tenant, named);
  const locked = await lockForChange(queries, tenant, named);
  const subscribing = asPreviewed(previewed, locked);
  const ids = wanted.map(({ id }) => id);
  const there = await readSubscriptionsNamed(queries, tenant, ids);
  const subscriptions = await readSubscriptionsOfCustomers(
    queries,
    named.map((customer) => ({ tenant, customer })),
  );
  const held = new Map(
    [...groupBy(subscriptions, ({ customer }) => customer)].map(([id, all]) => [id, all.map(historyOf)]),
  );
  const decided = wanted.map((each): NewSubscription | Problem | null => {
    if (there.has(each.id)) return null;
    const customer = customers.get(each.body.customer) ?? null;
    const others = held.get(each.body.customer) ?? [];
    return orRefused(() => {
      const made = newSubscriptionOf(each, customer, others.length === 0, newest, subscribing);
      requirePreviewed(previewed, newBasis(tenant, made, subscriptions, catalogs.version));
      const all = [...others, historyAhead(made)];
      for (const history of histories) requireNoOverlap(all, history, made.opening.billedFrom);
      held.set(made.customer, all);
      return made;
    });
  });
  const toMake = decided.filter((each): each is NewSubscription => each !== null && !(each instanceof Problem));
  const made = await makeSubscriptions(queries, author, toMake, locked.now);
  // Another transaction may have made one by the same id, of another customer.
  const lost = toMake.map(({ opening }) => opening.id).filter((id) => !made.has(id));
  const others =
    lost.length === 0 ? there : new Map([...there, ...(await readSubscriptionsNamed(queries, tenant, lost))]);
  const outcomes = wanted.map((each, i): SubscribingOutcome => {
    const decision = decided[i]!;
    if (decision instanceof Problem) return { is: 'refused', problem: decision };
    const subscription = made.get(each.id);
    if (subscription !== undefined) return { is: 'made', subscription };
    const existing = others.get(each.id)!;
    const fault = orRefused(() => requireSame(existing, each));
    return fault instanceof Problem ? { is: 'refused', problem: fault } : { is: 'equal', subscription: existing };
  });
  return { outcomes, now: locked.now };
}
