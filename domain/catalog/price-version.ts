// Which plan and which version of its prices hold for a subject at a time.
//
// Subscriptions are read from one catalog version, the newest; prices from the version that the period is pinned to. A
// price that changes in the middle of a period therefore holds from the next one on.
import { type BillingPeriod, billingPeriodOf } from '../time/billing-period.ts';
import type { Catalog, CatalogVersion, Plan, Subscription } from './catalog.ts';

export interface PinnedPlan {
  readonly version: number;
  readonly plan: Plan;
  readonly currency: string;
}

/**
 * The plan as a period that starts at `periodStart` is billed: from the newest version in effect by then that has the plan,
 * else from the oldest version that has it at all (the plan is younger than the period). Null: no version has it.
 */
export function pinnedPlan(
  versions: readonly CatalogVersion[],
  planSlug: string,
  periodStart: number,
): PinnedPlan | null {
  let pinned: PinnedPlan | null = null;
  let pinnedIsInEffect = false;
  for (const { version, effectiveAt, catalog } of versions) {
    const isInEffect = effectiveAt <= periodStart;
    const isBetter =
      pinned === null ||
      (isInEffect ? !pinnedIsInEffect || version > pinned.version : !pinnedIsInEffect && version < pinned.version);
    if (!isBetter) continue;
    const plan = catalog.plans.find(({ slug }) => slug === planSlug);
    if (plan === undefined) continue;
    pinned = { version, plan, currency: catalog.currency };
    pinnedIsInEffect = isInEffect;
  }
  return pinned;
}

// A catalog is immutable, so its subscriptions by subject are found once: 100,000 subjects are then 100,000 look-ups.
const bySubject = new WeakMap<Catalog, ReadonlyMap<string, readonly Subscription[]>>();

function subscriptionsOf(catalog: Catalog, subject: string): readonly Subscription[] {
  let index = bySubject.get(catalog);
  if (index === undefined) {
    const lists = new Map<string, Subscription[]>();
    for (const subscription of catalog.subscriptions) {
      const list = lists.get(subscription.subject);
      if (list === undefined) lists.set(subscription.subject, [subscription]);
      else list.push(subscription);
    }
    index = lists;
    bySubject.set(catalog, index);
  }
  return index.get(subject) ?? [];
}

/**
 * The subscriptions of a tenant's subject in order of their start; each holds until the next one starts. Of two that start
 * at the same time, the one that names the tenant stands for the one that names none.
 */
export function subscriptionTimeline(catalog: Catalog, tenant: string, subject: string): readonly Subscription[] {
  const byStart = new Map<number, Subscription>();
  for (const subscription of subscriptionsOf(catalog, subject)) {
    if (subscription.tenant !== null && subscription.tenant !== tenant) continue;
    if (subscription.tenant === null && byStart.has(subscription.startsAt)) continue;
    byStart.set(subscription.startsAt, subscription);
  }
  return [...byStart.values()].sort((a, b) => a.startsAt - b.startsAt);
}

export interface SubjectPeriod extends BillingPeriod {
  /** The plan's slug. */
  readonly plan: string;
  /** Null: the default plan. */
  readonly subscription: Subscription | null;
}

/**
 * The billing period of a tenant's subject that holds `instant`. It is cut where a subscription starts: neither the months
 * of a calendar nor those of the plan before it reach across. Null: the subject is not billed at that time.
 */
export function subjectPeriodOf(
  catalog: Catalog,
  tenant: string,
  subject: string,
  instant: number,
): SubjectPeriod | null {
  const timeline = subscriptionTimeline(catalog, tenant, subject);
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
