// What a subscription is made from: what its body says, and what holds where it says nothing. What depends on the
// instant at which it is made is decided once and stored (T1, T10).
import type { Customer } from '../../domain/accounts/customer.ts';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { canonicalJson } from '../../domain/json/canonical-json.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import { Problem } from '../../domain/problem.ts';
import type { MadeSubscription, NewSubscription, UnnumberedRecord } from '../../domain/terms/customer-subscription.ts';
import { billedFromOf, changeInstant, currencyFault, takesBegunWindow } from '../../domain/terms/record-rules.ts';
import type { SubscriptionOpening } from '../../domain/terms/subscription-history.ts';
import { windowSizeMs } from '../../domain/time/time-window.ts';
import { localDaysAfter } from '../../domain/time/time-zone.ts';
import { requireActive } from './active-customer.ts';
import { alreadyRated } from './already-rated.ts';
import { invalidField, invalidFields } from './body-fields.ts';
import { type VersionCondition, versionMismatch } from './request-headers.ts';
import type { SubscriptionBody } from './subscription-body.ts';

/** What holds while a subscription is made or changed. Milliseconds since the epoch. */
export interface SubscribingNow {
  /** Postgres' clock, taken under the customer's lock. */
  readonly now: number;
  /** Windows that end by then were rated, or may be at this moment; null: none was yet. */
  readonly ratedUpTo: number | null;
}

export interface WantedSubscription {
  readonly id: string;
  readonly body: SubscriptionBody;
  readonly condition: VersionCondition;
}

type SubscribingCustomer = Pick<Customer, 'archivedAt' | 'erasedAt' | 'timezone' | 'currency'>;

/** Of phases with prices with tiers. */
const MADE_FROM_DEPTH_MAX = 16;

/** What a subscription is made from, as it is stored. */
function madeFromOf({ reason: _, ...said }: SubscriptionBody): unknown {
  return JSON.parse(JSON.stringify(said));
}

/**
 * What is there by the id that a body names. The same again is what is there, whatever version its sender has seen (A3);
 * anything else is another subscription. Throws a `Problem`.
 */
export function requireSame(existing: MadeSubscription, { body }: WantedSubscription): void {
  const said = canonicalJson(madeFromOf(body), MADE_FROM_DEPTH_MAX);
  if (canonicalJson(existing.madeFrom, MADE_FROM_DEPTH_MAX) === said) return;
  throw versionMismatch(
    'The subscription is there and was made from another body. What is there is changed by POST, or ended by it.',
    existing.version,
  );
}

/** The longest window that it may price at its start, or later; 0: it has fees alone. */
function longestWindowMs({ patch, phases }: SubscriptionBody, { plans, meters }: Catalog): number {
  const said = [patch, ...phases.map((phase) => phase.patch)];
  const prices = [
    ...said.flatMap(({ plan }) => plans.find(({ slug }) => slug === plan)?.prices ?? []),
    ...said.flatMap(({ overrides = {} }) => Object.values(overrides)),
  ];
  const priced = new Set(prices.map((price) => (price !== null && isUsagePrice(price) ? price.meter : null)));
  return Math.max(0, ...meters.filter(({ slug }) => priced.has(slug)).map(({ window }) => windowSizeMs[window]));
}

/** Throws a `Problem` where the customer is charged in another currency. */
function requireCurrency({ currency }: SubscribingCustomer, catalog: Catalog): void {
  const fault = currencyFault(currency, catalog.currency);
  if (fault !== null) throw new Problem('currency_mismatch', `The customer ${fault}.`);
}

/** `isFirst`: the customer has no other. Throws a `Problem`. */
function openingOf(
  id: string,
  body: SubscriptionBody,
  customer: SubscribingCustomer,
  isFirst: boolean,
  catalog: Catalog,
  { now, ratedUpTo }: SubscribingNow,
): { readonly opening: SubscriptionOpening; readonly first: UnnumberedRecord } {
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
  const windowMs = longestWindowMs(body, catalog);
  const takesIt = windowMs > 0 && takesBegunWindow(billedFrom, windowMs, { isFirst, ratedUpTo });
  const patch = { ...body.patch, ...(trialEndsAt !== null && { trialEndsAt }), ...(endsAt !== null && { endsAt }) };
  return {
    opening: { id, startsAt, billedFrom, takesBegunWindow: takesIt, anchor, timezone },
    first: {
      patches: [{ at: startsAt, patch }, ...phases.map(({ from, patch: later }) => ({ at: from, patch: later }))],
    },
  };
}

/** What is to be made where there is none by this id. `customer` null: there is no such customer. Throws a `Problem`. */
export function newSubscriptionOf(
  { id, body, condition }: WantedSubscription,
  customer: SubscribingCustomer | null,
  isFirst: boolean,
  catalog: Catalog,
  now: SubscribingNow,
): NewSubscription {
  if (condition !== null) throw versionMismatch('There is no such subscription.', 0);
  if (customer === null) throw invalidFields([invalidField('customer', 'be a customer that there is')]);
  requireActive(customer);
  requireCurrency(customer, catalog);
  const { opening, first } = openingOf(id, body, customer, isFirst, catalog, now);
  return { customer: body.customer, opening, first, madeFrom: madeFromOf(body), reason: body.reason };
}
