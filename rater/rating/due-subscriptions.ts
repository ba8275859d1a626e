// What subscriptions alone make due, without any usage: their periods that start (prices of the period itself, such as
// a flat fee), and customers whose subscriptions have changed.
import type { CustomerTimeline, SubscriptionBook } from '../../domain/catalog/subscription-book.ts';
import { keyText } from '../../domain/composite-key.ts';
import { type TouchedTimes, touch } from '../core/customer-work.ts';
import type { RatingState } from '../store/rating-store.ts';

type StoredPeriods = Pick<RatingState, 'readBillingPeriodsNamed'>;

/** The tenants there are: those with an API key, and those that subscriptions name. */
export async function readTenants(
  store: Pick<RatingState, 'readKeyTenants'>,
  book: SubscriptionBook,
): Promise<string[]> {
  return [...new Set([...(await store.readKeyTenants()), ...book.tenants])].sort();
}

/** The periods by subscription that began by `watermark`, from the one that holds `since` on. */
function* startedPeriods(timeline: CustomerTimeline, since: number, watermark: number) {
  const first = timeline.subscriptionStarts[0];
  if (first === undefined) return;
  for (let time = Math.max(first, since); time <= watermark; ) {
    const period = timeline.periodAt(time);
    if (period === null) return;
    yield period;
    time = period.end;
  }
}

/**
 * Touches what changed subscriptions make due: every stored period of these customers, and every period since they
 * started.
 */
export async function touchChanged(
  store: StoredPeriods,
  book: SubscriptionBook,
  tenants: readonly string[],
  customers: readonly string[],
  watermark: number,
  touched: TouchedTimes,
): Promise<void> {
  for (const period of await store.readBillingPeriodsNamed(customers)) {
    touch(touched, period.tenant, period.customer, period.periodStart);
  }
  for (const customer of customers) {
    for (const tenant of tenants) {
      const timeline = book.timeline({ tenant, customer });
      for (const period of startedPeriods(timeline, Number.NEGATIVE_INFINITY, watermark)) {
        touch(touched, tenant, customer, period.start);
      }
    }
  }
}

/**
 * Finds the started periods of subscriptions that charge the period itself. The first look (and one with another book
 * or other tenants) compares all of them with the stored periods; from then on each customer is looked at when its next
 * period starts.
 */
export class DueSubscriptions {
  private readonly store: StoredPeriods;
  private lookedAt: { readonly revision: number; readonly tenants: string } | null = null;
  /** The next period start of each (tenant, customer). */
  private next: { readonly tenant: string; readonly customer: string; start: number }[] = [];

  constructor(store: StoredPeriods) {
    this.store = store;
  }

  /** Touches the starts that are due at `watermark` and were not given before. */
  async touchDue(
    book: SubscriptionBook,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedTimes,
  ): Promise<void> {
    const tenantsText = keyText(...tenants);
    if (this.lookedAt?.revision !== book.revision || this.lookedAt.tenants !== tenantsText) {
      await this.touchMissing(book, tenants, watermark, touched);
      this.lookedAt = { revision: book.revision, tenants: tenantsText };
      return;
    }
    for (const entry of this.next) {
      if (entry.start > watermark) continue;
      for (const period of startedPeriods(book.timeline(entry), entry.start, watermark)) {
        touch(touched, entry.tenant, entry.customer, period.start);
        entry.start = period.end;
      }
    }
  }

  /** After a step that did not finish: what was given may not be rated, so everything is compared again. */
  again(): void {
    this.lookedAt = null;
  }

  private async touchMissing(
    book: SubscriptionBook,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedTimes,
  ): Promise<void> {
    const customers = book.chargedByPeriod;
    const stored = new Set(
      (await this.store.readBillingPeriodsNamed(customers)).map((period) =>
        keyText(period.tenant, period.customer, period.periodStart),
      ),
    );
    this.next = [];
    for (const customer of customers) {
      for (const tenant of tenants) {
        const timeline = book.timeline({ tenant, customer });
        let start = timeline.subscriptionStarts[0];
        if (start === undefined) continue;
        for (const period of startedPeriods(timeline, Number.NEGATIVE_INFINITY, watermark)) {
          if (!stored.has(keyText(tenant, customer, period.start))) touch(touched, tenant, customer, period.start);
          start = period.end;
        }
        this.next.push({ tenant, customer, start });
      }
    }
  }
}
