// What a subscription is made from: what its body says, and what holds where it says nothing. What depends on the
// instant at which it is made is decided once and stored (T1, T10).
import type { Customer } from '../../../domain/accounts/customer.ts';
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import { canonicalJson } from '../../../domain/json/canonical-json.ts';
import { partsOf } from '../../../domain/pricing/parts.ts';
import { isUsagePrice } from '../../../domain/pricing/prices.ts';
import { Problem } from '../../../domain/problem.ts';
import type {
  MadeSubscription,
  NewSubscription,
  UnnumberedRecord,
} from '../../../domain/terms/customer-subscription.ts';
import { billedFromOf, changeInstant, currencyFault, takesBegunWindow } from '../../../domain/terms/record-rules.ts';
import type { SubscriptionOpening } from '../../../domain/terms/subscription-history.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { localDaysAfter } from '../../../domain/time/time-zone.ts';
import { requireActive } from '../active-customer.ts';
import { invalidField, invalidFields } from '../body-fields.ts';
import { type VersionCondition, versionMismatch } from '../request-headers.ts';
import { alreadyRated } from './already-rated.ts';
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
  /** What was changed of it since elsewhere, and is to be kept. */
  readonly changes: readonly UnnumberedRecord[];
  readonly condition: VersionCondition;
}

type SubscribingCustomer = Pick<Customer, 'timezone' | 'currency'>;

/** Of phases with prices with tiers. */
const MADE_FROM_DEPTH_MAX = 16;

/** What a subscription is made from, as it is stored. */
function madeFromOf({ reason: _, rerate: __, ...said }: SubscriptionBody): unknown {
  return JSON.parse(JSON.stringify(said));
}

const canonical = (value: unknown): string =>
  canonicalJson(JSON.parse(JSON.stringify(value)) as unknown, MADE_FROM_DEPTH_MAX);

/** The record that makes a subscription. */
function firstRecordOf({ startsAt, endsAt, patch, phases }: SubscriptionBody, trialEndsAt: number | null) {
  const first = { ...patch, ...(trialEndsAt !== null && { trialEndsAt }), ...(endsAt !== null && { endsAt }) };
  const later = phases.map(({ from, patch: changed }) => ({ at: from, patch: changed }));
  return { patches: [{ at: startsAt, patch: first }, ...later] };
}

/** Whether a body says in full what a subscription is by now, with what was changed of it. */
function isStated({ customer, opening, records }: MadeSubscription, { body, changes }: WantedSubscription): boolean {
  const { startsAt, billedFrom, anchor, timezone } = opening;
  const known = records.map(({ sequence: _, recordedAt: __, ...record }) => record);
  const first = body.trialDays === null ? firstRecordOf(body, body.trialEndsAt) : null;
  return (
    canonical([customer, startsAt, billedFrom, anchor, timezone, known]) ===
    canonical([body.customer, body.startsAt, body.billedFrom, body.anchor, body.timezone, [first, ...changes]])
  );
}

/**
 * What is there by the id that a body names. The same again is what is there, whatever version its sender has seen
 * (A3); anything else is another subscription. Throws a `Problem`.
 */
export function requireSame(existing: MadeSubscription, wanted: WantedSubscription): void {
  const isSaidAgain =
    wanted.changes.length === 0 && canonical(existing.madeFrom) === canonical(madeFromOf(wanted.body));
  if (isSaidAgain || isStated(existing, wanted)) return;
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
  const parts = prices.flatMap((price) => (price === null ? [] : partsOf(price)));
  const priced = new Set(parts.map((part) => (isUsagePrice(part) ? part.meter : null)));
  return Math.max(0, ...meters.filter(({ slug }) => priced.has(slug)).map(({ window }) => windowSizeMs[window]));
}

/** Throws a `Problem` where the customer is charged in another currency. */
function requireCurrency(customer: SubscribingCustomer, { currency }: Catalog): void {
  const fault = currencyFault(customer.currency, currency);
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
  requireCurrency(customer, catalog);
  const plan = catalog.plans.find(({ slug }) => slug === body.patch.plan)!;
  const { startsAt, endsAt } = body;
  const timezone = body.timezone ?? customer.timezone ?? plan.timezone;
  const anchor = body.anchor ?? (plan.calendar ? 'calendar' : startsAt);
  const asked = billedFromOf(startsAt, body.billedFrom ?? undefined, Math.max(now, ratedUpTo ?? now));
  const billedFrom = changeInstant(asked, { clock: now, ratedUpTo, rerate: body.rerate });
  if (billedFrom === null) throw alreadyRated(ratedUpTo!);
  const trialEndsAt =
    body.trialDays === null
      ? body.trialEndsAt
      : localDaysAfter(Math.max(startsAt, billedFrom), body.trialDays, timezone);
  if (endsAt !== null && trialEndsAt !== null && trialEndsAt > endsAt)
    throw invalidFields([invalidField('trialDays', 'end before endsAt')]);
  const windowMs = longestWindowMs(body, catalog);
  const takesIt = windowMs > 0 && takesBegunWindow(billedFrom, windowMs, { isFirst, ratedUpTo });
  const opening = { id, startsAt, billedFrom, takesBegunWindow: takesIt, anchor, timezone };
  return { opening, first: firstRecordOf(body, trialEndsAt) };
}

/**
 * What is to be made where there is none by this id. `customer` null: there is no such customer. Throws a `Problem`.
 */
export function newSubscriptionOf(
  { id, body, changes, condition }: WantedSubscription,
  customer: (SubscribingCustomer & Pick<Customer, 'archivedAt' | 'erasedAt'>) | null,
  isFirst: boolean,
  catalog: Catalog,
  now: SubscribingNow,
): NewSubscription {
  if (condition !== null) throw versionMismatch('There is no such subscription.', 0);
  if (customer === null) throw invalidFields([invalidField('customer', 'be a customer that there is')]);
  requireActive(customer);
  const { opening, first } = openingOf(id, body, customer, isFirst, catalog, now);
  const records = [first, ...changes];
  return { customer: body.customer, opening, records, madeFrom: madeFromOf(body), reason: body.reason };
}
