// What subscriptions alone make due, without any usage: their periods that start (prices of the period itself, such as
// a flat fee), and subjects whose subscriptions have changed.
import type { SubjectTimeline, SubscriptionBook } from '../../domain/catalog/subscription-book.ts';
import { keyText } from '../../domain/composite-key.ts';
import type { RatingState } from '../store/rating-store.ts';
import { type TouchedWindows, touch } from '../store/touched-usage.ts';

type StoredPeriods = Pick<RatingState, 'readBillingPeriodsNamed'>;

/** The tenants there are: those with an API key, and those that subscriptions name. */
export async function readTenants(
  store: Pick<RatingState, 'readKeyTenants'>,
  book: SubscriptionBook,
): Promise<string[]> {
  return [...new Set([...(await store.readKeyTenants()), ...book.tenants])].sort();
}

/** The periods by subscription that began by `watermark`, from the one that holds `since` on. */
function* startedPeriods(timeline: SubjectTimeline, since: number, watermark: number) {
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
 * Touches what changed subscriptions make due: every stored period of these subjects, and every period since they
 * started.
 */
export async function touchChanged(
  store: StoredPeriods,
  book: SubscriptionBook,
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
      const timeline = book.timeline({ tenant, subject });
      for (const period of startedPeriods(timeline, Number.NEGATIVE_INFINITY, watermark)) {
        touch(touched, tenant, subject, period.start);
      }
    }
  }
}

/**
 * Finds the started periods of subscriptions that charge the period itself. The first look (and one with another book
 * or other tenants) compares all of them with the stored periods; from then on each subject is looked at when its next
 * period starts.
 */
export class DueSubscriptions {
  private readonly store: StoredPeriods;
  private lookedAt: { readonly revision: number; readonly tenants: string } | null = null;
  /** The next period start of each (tenant, subject). */
  private next: { readonly tenant: string; readonly subject: string; start: number }[] = [];

  constructor(store: StoredPeriods) {
    this.store = store;
  }

  /** Touches the starts that are due at `watermark` and were not given before. */
  async touchDue(
    book: SubscriptionBook,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedWindows,
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
    book: SubscriptionBook,
    tenants: readonly string[],
    watermark: number,
    touched: TouchedWindows,
  ): Promise<void> {
    const subjects = book.chargedByPeriod;
    const stored = new Set(
      (await this.store.readBillingPeriodsNamed(subjects)).map((period) =>
        keyText(period.tenant, period.subject, period.periodStart),
      ),
    );
    this.next = [];
    for (const subject of subjects) {
      for (const tenant of tenants) {
        const timeline = book.timeline({ tenant, subject });
        let start = timeline.subscriptionStarts[0];
        if (start === undefined) continue;
        for (const period of startedPeriods(timeline, Number.NEGATIVE_INFINITY, watermark)) {
          if (!stored.has(keyText(tenant, subject, period.start))) touch(touched, tenant, subject, period.start);
          start = period.end;
        }
        this.next.push({ tenant, subject, start });
      }
    }
  }
}
