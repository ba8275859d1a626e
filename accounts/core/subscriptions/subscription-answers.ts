// A subscription as the API answers it: what it is now, what is to come, and every change that made it so.

import type { Price } from '../../../domain/catalog/catalog.ts';
import { priceForm } from '../../../domain/pricing/prices.ts';
import {
  type CustomerSubscription,
  historyOf,
  type UnnumberedRecord,
} from '../../../domain/terms/customer-subscription.ts';
import type { CustomerTerms } from '../../../domain/terms/price-terms.ts';
import type { SubscriptionPatch } from '../../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';
import { timeOrNull } from '../account-answers.ts';

type Status = 'scheduled' | 'trial' | 'active' | 'paused' | 'ended';

const pricesOf = (overrides: Iterable<readonly [string, Price | null]>) =>
  [...overrides].map(([slug, price]) => (price === null ? { slug, remove: true } : priceForm(price)));

const untilText = (until: number | 'open' | null): string | null => (until === 'open' ? until : timeOrNull(until));

/** Only what the patch says. */
function patchAnswer(at: number, patch: SubscriptionPatch) {
  const { plan, quantities, overrides, discounts, endsAt, trialEndsAt, pausedUntil } = patch;
  return {
    at: formatRfc3339(at),
    ...(plan !== undefined && { plan }),
    ...(quantities !== undefined && { quantities }),
    ...(overrides !== undefined && { overrides: pricesOf(Object.entries(overrides)) }),
    ...(discounts !== undefined && { discounts }),
    ...(endsAt !== undefined && { endsAt: timeOrNull(endsAt) }),
    ...(trialEndsAt !== undefined && { trialEndsAt: timeOrNull(trialEndsAt) }),
    ...(pausedUntil !== undefined && { pausedUntil: untilText(pausedUntil) }),
  };
}

interface RecordAnswer {
  readonly undoes: number | null;
  readonly at: string | null;
  readonly patches: readonly ReturnType<typeof patchAnswer>[];
}

/** What a record says. */
export const recordAnswer = (record: UnnumberedRecord): RecordAnswer =>
  'undoes' in record
    ? { undoes: record.undoes, at: formatRfc3339(record.at), patches: [] }
    : { undoes: null, at: null, patches: record.patches.map(({ at, patch }) => patchAnswer(at, patch)) };

const changeAnswer = (record: CustomerSubscription['records'][number]) => ({
  ...{ change: record.sequence, recordedAt: formatRfc3339(record.recordedAt) },
  ...recordAnswer(record),
});

/** `now`: what it is at that instant. */
export function subscriptionAnswer(subscription: CustomerSubscription, now: number) {
  const { opening, records, customer, version, createdAt, updatedAt } = subscription;
  const history = historyOf(subscription);
  const { startsAt, billedFrom, anchor, timezone } = opening;
  const { endsAt } = history;
  // Of one that is not there yet what it begins with, and of one that is over what it ended with.
  const shownAt = Math.max(billedFrom, endsAt === null ? now : Math.min(now, endsAt - 1));
  const state = history.stateAt(shownAt);
  const isOver = endsAt !== null && endsAt <= Math.max(now, billedFrom);
  const running: Status = state?.isPaused ? 'paused' : state?.isTrial ? 'trial' : 'active';
  const status: Status = isOver ? 'ended' : now < billedFrom ? 'scheduled' : running;
  return {
    ...{ id: opening.id, customer, status, plan: state?.plan ?? history.plans.at(-1)! },
    quantities: Object.fromEntries(state?.quantities ?? []),
    overrides: pricesOf(state?.overrides ?? []),
    discounts: state?.discounts ?? [],
    startsAt: formatRfc3339(startsAt),
    billedFrom: formatRfc3339(billedFrom),
    endsAt: timeOrNull(endsAt),
    trialEndsAt: timeOrNull(history.trialEndsAt(shownAt)),
    pausedUntil: state?.isPaused ? untilText(history.pausedUntil(shownAt)) : null,
    anchor: anchor === 'calendar' ? anchor : formatRfc3339(anchor),
    timezone,
    changes: records.map(changeAnswer),
    version,
    createdAt: formatRfc3339(createdAt),
    updatedAt: formatRfc3339(updatedAt),
  };
}

const boundText = (instant: number): string | null => (Number.isFinite(instant) ? formatRfc3339(instant) : null);

/** Which definition of which price a subscription has from when to when, by price and time. */
export const termsAnswer = ({ everyLine }: CustomerTerms, id: string) =>
  everyLine
    .flatMap((line) => line.segments)
    .filter(({ subscription }) => subscription === id)
    .sort((a, b) => (a.price.slug < b.price.slug ? -1 : a.price.slug > b.price.slug ? 1 : a.from - b.from))
    .map(({ price, plan, catalogVersion, quantity, isTrial, from, to }) => ({
      ...{ price: price.slug, plan, catalogVersion, quantity, trial: isTrial },
      from: boundText(from),
      to: boundText(to),
    }));
