// What a subscription is made from: what its body says, and what holds where it says nothing. What depends on the
// instant at which it is made is decided once and stored (T1, T10).
import type { Catalog, Plan } from '../../domain/catalog/catalog.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import { Problem } from '../../domain/problem.ts';
import type { UnnumberedRecord } from '../../domain/terms/customer-subscription.ts';
import { billedFromOf, changeInstant, currencyFault, takesBegunWindow } from '../../domain/terms/record-rules.ts';
import type { SubscriptionOpening } from '../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { windowSizeMs } from '../../domain/time/time-window.ts';
import { localDaysAfter } from '../../domain/time/time-zone.ts';
import { invalidField, invalidFields } from './body-fields.ts';
import type { SubscriptionBody } from './subscription-body.ts';

/** What holds while a subscription is made or changed. Milliseconds since the epoch. */
export interface SubscribingNow {
  /** Postgres' clock, taken under the lock of the customer's subscriptions. */
  readonly now: number;
  /** Windows of the customer that end by then were rated; null: none was. */
  readonly ratedUpTo: number | null;
}

export interface SubscribingCustomer {
  readonly timezone: string | null;
  readonly currency: string | null;
  /** It has no other subscription. */
  readonly isFirst: boolean;
}

/** The 409 of an instant after which windows were rated. */
export const alreadyRated = (earliest: number): Problem =>
  new Problem(
    'already_rated',
    `Usage of this customer was rated up to ${formatRfc3339(earliest)}. That is the earliest instant that works.`,
    { members: { earliest: formatRfc3339(earliest) } },
  );

const longestWindowMs = ({ prices }: Plan, { meters }: Catalog): number =>
  Math.max(
    0,
    ...prices.filter(isUsagePrice).map(({ meter }) => windowSizeMs[meters.find(({ slug }) => slug === meter)!.window]),
  );

/** Throws a `Problem` where the customer is charged in another currency. */
function requireCurrency(customer: Pick<SubscribingCustomer, 'currency'>, { currency }: Catalog): void {
  const fault = currencyFault(customer.currency, currency);
  if (fault !== null) throw new Problem('currency_mismatch', `The customer ${fault}.`);
}

/** Throws a `Problem`. */
export function openingOf(
  id: string,
  body: SubscriptionBody,
  customer: SubscribingCustomer,
  catalog: Catalog,
  { now, ratedUpTo }: SubscribingNow,
): { readonly opening: SubscriptionOpening; readonly first: UnnumberedRecord } {
  requireCurrency(customer, catalog);
  const plan = catalog.plans.find(({ slug }) => slug === body.patch.plan)!;
  const { startsAt, endsAt, phases } = body;
  const timezone = body.timezone ?? customer.timezone ?? plan.timezone;
  const anchor = body.anchor ?? (plan.calendar ? 'calendar' : startsAt);
  const asked = billedFromOf(startsAt, body.billedFrom ?? undefined, Math.max(now, ratedUpTo ?? now));
  const billedFrom = changeInstant(asked, { clock: now, ratedUpTo, rerate: false });
  if (billedFrom === null) throw alreadyRated(ratedUpTo!);
  const trialEndsAt =
    body.trialDays === null
      ? body.trialEndsAt
      : localDaysAfter(Math.max(startsAt, billedFrom), body.trialDays, timezone);
  if (endsAt !== null && trialEndsAt !== null && trialEndsAt > endsAt)
    throw invalidFields([invalidField('trialDays', 'end before endsAt')]);
  const windowMs = longestWindowMs(plan, catalog);
  const takesIt = windowMs > 0 && takesBegunWindow(billedFrom, windowMs, { isFirst: customer.isFirst, ratedUpTo });
  const patch = { ...body.patch, ...(trialEndsAt !== null && { trialEndsAt }), ...(endsAt !== null && { endsAt }) };
  return {
    opening: { id, startsAt, billedFrom, takesBegunWindow: takesIt, anchor, timezone },
    first: {
      patches: [{ at: startsAt, patch }, ...phases.map(({ from, patch: later }) => ({ at: from, patch: later }))],
    },
  };
}
