// Who is subscribed to what from when, as rating asks for it: the one seam behind which subscriptions are kept. Today
// they stand in the catalog, and a book is a catalog version; whoever rates or audits knows only the book, so that they
// can come from elsewhere.
import type { TenantCustomer } from '../billing/billing-period-terms.ts';
import { groupBy } from '../composite-key.ts';
import { isUsagePrice } from '../pricing/prices.ts';
import { type BillingPeriod, billingPeriodOf } from '../time/billing-period.ts';
import { type Catalog, type CatalogVersion, emptyCatalog, type Subscription } from './catalog.ts';
import { pinnedPlan } from './price-version.ts';

export interface CustomerPeriod extends BillingPeriod {
  /** The plan's slug. */
  readonly plan: string;
  /** Null: the default plan. */
  readonly subscription: Subscription | null;
}

/** What a book says about one customer of one tenant. */
export interface CustomerTimeline {
  /** The period that holds an instant; null: the customer is not billed then. */
  periodAt(time: number): CustomerPeriod | null;
  /** Where subscriptions start, ascending. */
  readonly subscriptionStarts: readonly number[];
  /** The catalog version that prices of a plan are pinned to for a period that starts then. */
  pin(plan: string, periodStart: number): number;
}

export interface SubscriptionBook {
  /** Which state of the subscriptions it is: a later one has a higher number. 0: there are none yet. */
  readonly revision: number;
  /** No customer is subscribed. */
  readonly isEmpty: boolean;
  /** Customers without a subscription are billed, by a default plan. */
  readonly hasDefaultPlan: boolean;
  /** The tenants that subscriptions name; one that names none holds in every tenant there is. */
  readonly tenants: readonly string[];
  timeline(customer: TenantCustomer): CustomerTimeline;
  /** The names of customers whose subscriptions are not what they were at that revision. */
  changedSince(revision: number): readonly string[];
  /** The names of customers with a subscription that charges its periods themselves, used or not. */
  readonly chargedByPeriod: readonly string[];
}

const catalogAt = (versions: readonly CatalogVersion[], revision: number): CatalogVersion | undefined =>
  versions.findLast(({ version }) => version <= revision);

/**
 * The subscriptions at a revision (the newest, where none is given). `versions`: ascending; prices are pinned among all
 * of them.
 */
export function subscriptionBook(
  versions: readonly CatalogVersion[],
  revision = Number.POSITIVE_INFINITY,
): SubscriptionBook {
  const { version, catalog } = catalogAt(versions, revision) ?? { version: 0, catalog: emptyCatalog };
  return new CatalogBook(versions, version, catalog);
}

class CatalogBook implements SubscriptionBook {
  readonly revision: number;
  private readonly versions: readonly CatalogVersion[];
  private readonly catalog: Catalog;

  constructor(versions: readonly CatalogVersion[], revision: number, catalog: Catalog) {
    this.versions = versions;
    this.revision = revision;
    this.catalog = catalog;
  }

  get isEmpty(): boolean {
    return this.catalog.subscriptions.length === 0;
  }

  get hasDefaultPlan(): boolean {
    return this.catalog.defaultPlan !== null;
  }

  get tenants(): readonly string[] {
    return [...new Set(this.catalog.subscriptions.flatMap((subscription) => subscription.tenant ?? []))];
  }

  timeline({ tenant, customer }: TenantCustomer): CustomerTimeline {
    const { catalog, versions } = this;
    const subscriptions = subscriptionTimeline(catalog, tenant, customer);
    return {
      periodAt: (time) => periodIn(catalog, subscriptions, time),
      subscriptionStarts: subscriptions.map(({ startsAt }) => startsAt),
      pin: (plan, periodStart) => {
        const pinned = pinnedPlan(versions, plan, periodStart);
        if (pinned === null) throw new RangeError(`no catalog version has plan ${plan}`);
        return pinned.version;
      },
    };
  }

  changedSince(revision: number): readonly string[] {
    const before = catalogAt(this.versions, revision)?.catalog ?? emptyCatalog;
    const [old, now] = [subscriptionsByCustomer(before), subscriptionsByCustomer(this.catalog)];
    const textOf = (list: readonly Subscription[] = []): string =>
      JSON.stringify(list.map(({ tenant, startsAt, plan }) => JSON.stringify([startsAt, tenant, plan])).sort());
    return [...new Set([...old.keys(), ...now.keys()])].filter(
      (customer) => textOf(old.get(customer)) !== textOf(now.get(customer)),
    );
  }

  get chargedByPeriod(): readonly string[] {
    const charging = new Set(
      this.catalog.plans.filter(({ prices }) => !prices.every(isUsagePrice)).map(({ slug }) => slug),
    );
    return [...subscriptionsByCustomer(this.catalog)]
      .filter(([, subscriptions]) => subscriptions.some(({ plan }) => charging.has(plan)))
      .map(([customer]) => customer);
  }
}

// A catalog is immutable, so its subscriptions by customer are found once: 100,000 customers are then 100,000 look-ups.
const byCustomer = new WeakMap<Catalog, ReadonlyMap<string, readonly Subscription[]>>();

function subscriptionsByCustomer(catalog: Catalog): ReadonlyMap<string, readonly Subscription[]> {
  const known = byCustomer.get(catalog);
  if (known !== undefined) return known;
  const index = groupBy(catalog.subscriptions, ({ subject }) => subject);
  byCustomer.set(catalog, index);
  return index;
}

/**
 * The subscriptions of a tenant's customer, which the catalog names as `subject`, in order of their start; each holds
 * until the next one starts. Of two that start at the same time, the one that names the tenant stands for the one that
 * names none.
 */
export function subscriptionTimeline(catalog: Catalog, tenant: string, customer: string): readonly Subscription[] {
  const byStart = new Map<number, Subscription>();
  for (const subscription of subscriptionsByCustomer(catalog).get(customer) ?? []) {
    if (subscription.tenant !== null && subscription.tenant !== tenant) continue;
    if (subscription.tenant === null && byStart.has(subscription.startsAt)) continue;
    byStart.set(subscription.startsAt, subscription);
  }
  return [...byStart.values()].sort((a, b) => a.startsAt - b.startsAt);
}

/**
 * The billing period of a tenant's customer that holds `instant`. It is cut where a subscription starts: neither the
 * months of a calendar nor those of the plan before it reach across. Null: the customer is not billed at that time.
 */
export const customerPeriodOf = (
  catalog: Catalog,
  tenant: string,
  customer: string,
  instant: number,
): CustomerPeriod | null => periodIn(catalog, subscriptionTimeline(catalog, tenant, customer), instant);

/** The same, of a timeline that is known. */
function periodIn(catalog: Catalog, timeline: readonly Subscription[], instant: number): CustomerPeriod | null {
  const subscription = timeline.findLast(({ startsAt }) => startsAt <= instant) ?? null;
  const next = timeline.find(({ startsAt }) => startsAt > instant);
  const slug = subscription?.plan ?? catalog.defaultPlan;
  const plan = catalog.plans.find((each) => each.slug === slug);
  if (plan === undefined) return null;
  const anchor = subscription === null || plan.calendar ? 'calendar' : subscription.startsAt;
  const { start, end } = billingPeriodOf(anchor, plan.timezone, instant);
  return {
    plan: plan.slug,
    subscription,
    start: Math.max(start, subscription?.startsAt ?? start),
    end: Math.min(end, next?.startsAt ?? end),
  };
}
