// What the catalog alone makes due, without any usage: periods of subscriptions that start (flat prices), and subjects whose
// subscriptions a new catalog version changed.
import type { Catalog, Plan, Subscription } from '../../domain/catalog/catalog.ts';
import { subjectPeriodOf, subscriptionTimeline } from '../../domain/catalog/price-version.ts';
import { groupBy, keyText } from '../../domain/composite-key.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import type { RatingState } from '../store/rating-store.ts';
import { type TouchedWindows, touch } from '../store/touched-usage.ts';

type StoredPeriods = Pick<RatingState, 'readBillingPeriodsNamed'>;

/** The tenants there are: those with an API key, and those that subscriptions name. */
export async function readTenants(store: Pick<RatingState, 'readKeyTenants'>, catalog: Catalog): Promise<string[]> {
  const withKey = await store.readKeyTenants();
  const named = catalog.subscriptions.flatMap((subscription) => subscription.tenant ?? []);
  return [...new Set([...withKey, ...named])].sort();
}

const subjectsBySubscriptions = (catalog: Catalog): Map<string, Subscription[]> =>
  groupBy(catalog.subscriptions, (subscription) => subscription.subject);

/** Subjects whose subscriptions differ between two catalogs. */
export function changedSubjects(before: Catalog, after: Catalog): string[] {
  const [old, now] = [subjectsBySubscriptions(before), subjectsBySubscriptions(after)];
  const textOf = (list: readonly Subscription[] | undefined): string =>
    JSON.stringify((list ?? []).map(({ tenant, startsAt, plan }) => JSON.stringify([startsAt, tenant, plan])).sort());
  return [...new Set([...old.keys(), ...now.keys()])].filter(
    (subject) => textOf(old.get(subject)) !== textOf(now.get(subject)),
  );
}

/** The starts of the periods by subscription of a tenant's subject that began by `watermark`, from `since` on. */
function* periodStarts(catalog: Catalog, tenant: string, subject: string, since: number, watermark: number) {
  const first = subscriptionTimeline(catalog, tenant, subject)[0];
  if (first === undefined) return;
  for (let time = Math.max(first.startsAt, since); time <= watermark; ) {
    const period = subjectPeriodOf(catalog, tenant, subject, time);
    if (period === null) return;
    yield period;
    time = period.end;
  }
}

/** Touches what changed subscriptions make due: every stored period of these subjects, and every period since they started. */
export async function touchChanged(
  store: StoredPeriods,
  catalog: Catalog,
  tenants: readonly string[],
  subjects: readonly string[],
  watermark: number,
  touched: TouchedWindows,
): Promise<void> {
  for (const period of await store.readBillingPeriodsNamed(subjects)) {
    touch(touched, period.tenant, period.subject, period.periodStart);
  }
  for (const subject of subjects) {
    for (const tenant of tenants) {
      for (const period of periodStarts(catalog, tenant, subject, Number.NEGATIVE_INFINITY, watermark)) {
        touch(touched, tenant, subject, period.start);
      }
    }
  }
}

/**
 * Finds the started periods of subscriptions with a price of the period itself, such as a flat fee. The first look (and one with another catalog or other
 * tenants) compares all of them with the stored periods; from then on each subject is looked at when its next period starts.
 */
export class DueSubscriptions {
  private readonly store: StoredPeriods;
  private lookedAt: { readonly catalog: Catalog; readonly tenants: string } | null = null;
  /** The next period start of each (tenant, subject). */
  private next: { readonly tenant: string; readonly subject: string; start: number }[] = [];

  constructor(store: StoredPeriods) {
    this.store = store;
  }

  /** Touches the starts that are due at `watermark` and were not given before. */
  async touchDue(
    catalog: Catalog,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedWindows,
  ): Promise<void> {
    const tenantsText = keyText(...tenants);
    if (this.lookedAt?.catalog !== catalog || this.lookedAt.tenants !== tenantsText) {
      await this.touchMissing(catalog, tenants, watermark, touched);
      this.lookedAt = { catalog, tenants: tenantsText };
      return;
    }
    for (const entry of this.next) {
      if (entry.start > watermark) continue;
      for (const period of periodStarts(catalog, entry.tenant, entry.subject, entry.start, watermark)) {
        touch(touched, entry.tenant, entry.subject, period.start);
        entry.start = period.end;
      }
    }
  }

  /** After a step that did not finish: what was given may not be rated, so everything is compared again. */
  again(): void {
    this.lookedAt = null;
  }

  private async touchMissing(
    catalog: Catalog,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedWindows,
  ): Promise<void> {
    const plans = new Map(catalog.plans.map((plan) => [plan.slug, plan]));
    const hasPeriodPrice = (plan: Plan | undefined): boolean =>
      plan?.prices.some((price) => !isUsagePrice(price)) ?? false;
    const subjects = [...subjectsBySubscriptions(catalog)]
      .filter(([, subscriptions]) => subscriptions.some((subscription) => hasPeriodPrice(plans.get(subscription.plan))))
      .map(([subject]) => subject);
    const stored = new Set(
      (await this.store.readBillingPeriodsNamed(subjects)).map((period) =>
        keyText(period.tenant, period.subject, period.periodStart),
      ),
    );
    this.next = [];
    for (const subject of subjects) {
      for (const tenant of tenants) {
        const first = subscriptionTimeline(catalog, tenant, subject)[0];
        if (first === undefined) continue;
        let start = first.startsAt;
        for (const period of periodStarts(catalog, tenant, subject, Number.NEGATIVE_INFINITY, watermark)) {
          if (!stored.has(keyText(tenant, subject, period.start))) touch(touched, tenant, subject, period.start);
          start = period.end;
        }
        this.next.push({ tenant, subject, start });
      }
    }
  }
}
