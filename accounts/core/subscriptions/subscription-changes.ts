// The record that a change of a subscription is, given what it is by now. A change that says what holds anyway is none.

import { priceDefaults } from '../../../domain/pricing/price-choices.ts';
import { Problem } from '../../../domain/problem.ts';
import { type CatalogHistory, sameDefinition } from '../../../domain/terms/catalog-history.ts';
import type { CustomerSubscription, UnnumberedRecord } from '../../../domain/terms/customer-subscription.ts';
import { changeInstant } from '../../../domain/terms/record-rules.ts';
import {
  SubscriptionHistory,
  type SubscriptionPatch,
  type SubscriptionState,
} from '../../../domain/terms/subscription-history.ts';
import { gridPeriodOf, lengthInDays } from '../../../domain/terms/subscription-periods.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';
import { invalidField, invalidFields } from '../body-fields.ts';
import { alreadyRated } from './already-rated.ts';
import type { SubscribingNow } from './subscribing.ts';
import type { CancelBody, ChangeBody, PauseBody, ResumeBody, UndoBody } from './subscription-body.ts';

/** A subscription may be changed so often: all of its records are read to know what it costs. */
export const CHANGES_MAX = 1_000;

export interface ChangingSubscription extends SubscribingNow {
  readonly stored: CustomerSubscription;
  readonly history: SubscriptionHistory;
  readonly catalog: CatalogHistory;
}

/** Null: nothing would change by it. */
export type DecidedRecord = UnnumberedRecord | null;

const ended = (at: number): Problem =>
  new Problem('subscription_ended', `The subscription ended at ${formatRfc3339(at)}. Make another one.`);

/** Throws a `Problem` where it is over, or can't be changed any more. */
export function requireOpen({ stored, history, now }: ChangingSubscription): void {
  if (history.endsAt !== null && history.endsAt <= now) throw ended(history.endsAt);
  if (stored.version >= CHANGES_MAX)
    throw new Problem(
      'changes_full',
      `A subscription may be changed ${CHANGES_MAX} times. End it, and make another one.`,
    );
}

/** Where the period ends that runs at an instant, or at its start: the longest of those that its prices have. */
export function periodEndAt(history: SubscriptionHistory, catalog: CatalogHistory, asked: number): number {
  const instant = Math.max(asked, history.opening.billedFrom);
  const state = history.stateAt(instant);
  const prices = state === null ? [] : catalog.pricesAt(state.plan, instant);
  const lengths = [...prices, ...(state?.overrides.values() ?? [])].map(({ every = priceDefaults.every }) => every);
  const [longest = priceDefaults.every] = lengths.sort((a, b) => lengthInDays(b) - lengthInDays(a));
  return gridPeriodOf(history.opening, longest, instant).end;
}

type AskedTime = Pick<CancelBody, 'at' | 'rerate'>;

/** Throws a `Problem`. */
function instantOf({ at: asked, rerate }: AskedTime, changing: ChangingSubscription): number {
  const { now, ratedUpTo, stored, history, catalog } = changing;
  // What is changed now and begins later is changed where it begins.
  const clock = Math.max(now, stored.opening.startsAt);
  const named = asked === 'period_end' ? periodEndAt(history, catalog, now) : asked;
  const instant = changeInstant(named, { clock, ratedUpTo, rerate });
  if (instant === null) throw alreadyRated(ratedUpTo!);
  if (instant < stored.opening.startsAt)
    throw invalidFields([invalidField('at', `not lie before the start, ${formatRfc3339(stored.opening.startsAt)}`)]);
  return instant;
}

/** Of what has an effect only while the subscription runs. Throws a `Problem`. */
function instantBeforeEnd(asked: AskedTime, changing: ChangingSubscription): number {
  const instant = instantOf(asked, changing);
  const { endsAt } = changing.history;
  if (endsAt !== null && instant >= endsAt)
    throw invalidFields([invalidField('at', `lie before the end, ${formatRfc3339(endsAt)}`)]);
  return instant;
}

/** Whether all fields of a patch have these values already. */
function isHeld(patch: SubscriptionPatch, state: SubscriptionState): boolean {
  const { plan, quantities = {}, overrides = {}, discounts, ...deadlines } = patch;
  return (
    Object.keys(deadlines).length === 0 &&
    (plan === undefined || plan === state.plan) &&
    (discounts === undefined || sameDefinition(discounts, state.discounts)) &&
    Object.entries(quantities).every(([name, value]) => (state.quantities.get(name) ?? null) === value) &&
    Object.entries(overrides).every(([slug, price]) => sameDefinition(state.overrides.get(slug) ?? null, price))
  );
}

const patched = (at: number, patch: SubscriptionPatch): UnnumberedRecord => ({ patches: [{ at, patch }] });

export function changeRecord({ patch, ...asked }: ChangeBody, changing: ChangingSubscription): DecidedRecord {
  const at = instantBeforeEnd(asked, changing);
  const { trialEndsAt } = patch;
  if (typeof trialEndsAt === 'number' && trialEndsAt <= at)
    throw invalidFields([invalidField('trialEndsAt', `lie behind ${formatRfc3339(at)}`)]);
  const { billedFrom } = changing.stored.opening;
  const state = changing.history.stateAt(Math.max(at, billedFrom));
  return state !== null && at >= billedFrom && isHeld(patch, state) ? null : patched(at, patch);
}

/** The end is a value from now on (T13), so that what is said later counts. */
export function cancelRecord(asked: CancelBody, changing: ChangingSubscription): DecidedRecord {
  const { history, stored, now } = changing;
  const endsAt = instantOf(asked, changing);
  if (endsAt === history.endsAt) return null;
  return patched(Math.max(Math.min(now, endsAt), stored.opening.startsAt), { endsAt });
}

export function pauseRecord({ until, ...asked }: PauseBody, changing: ChangingSubscription): DecidedRecord {
  const at = instantBeforeEnd(asked, changing);
  if (until !== null && until <= at) throw invalidFields([invalidField('until', `lie behind ${formatRfc3339(at)}`)]);
  return patched(at, { pausedUntil: until ?? 'open' });
}

export function resumeRecord(asked: ResumeBody, changing: ChangingSubscription): DecidedRecord {
  const at = instantBeforeEnd(asked, changing);
  if (changing.history.stateAt(at)?.isPaused !== true)
    throw new Problem('not_paused', `The subscription is not paused at ${formatRfc3339(at)}.`);
  return patched(at, { pausedUntil: null });
}

/** What holds without a record. */
const without = ({ opening, records }: CustomerSubscription, sequence: number): SubscriptionHistory =>
  new SubscriptionHistory(
    opening,
    records.filter((record) => record.sequence !== sequence),
  );

/**
 * What of a change has not happened yet is undone. Of an end that was decided and has not come, that is the end that
 * held without it; of everything else, the patches that have not begun.
 */
export function undoRecord({ change }: UndoBody, changing: ChangingSubscription): DecidedRecord {
  const { stored, history, now, ratedUpTo } = changing;
  const record = stored.records.find(({ sequence }) => sequence === change);
  if (record === undefined)
    throw invalidFields([invalidField('change', `be the number of a change, from 1 to ${stored.version}`)]);
  const nothing = (why: string): Problem =>
    new Problem('nothing_to_undo', `Nothing of change ${change} can be undone: ${why}.`);
  if ('undoes' in record) throw nothing('it is an undo itself');
  if (change === 1 && now < stored.opening.startsAt) throw nothing('it made the subscription; cancel it instead');
  const at = Math.max(now, ratedUpTo ?? now);
  const saysEnd = change > 1 && record.patches.some(({ patch }) => patch.endsAt !== undefined);
  if (saysEnd) {
    const endsAt = without(stored, change).endsAt;
    if (history.endsAt === endsAt) throw nothing('another change says when it ends');
    return patched(at, { endsAt });
  }
  const isUndone = stored.records.some((each) => 'undoes' in each && each.undoes === change && each.at <= at);
  if (isUndone || !record.patches.some((patch) => patch.at > at)) throw nothing('all of it has happened');
  return { undoes: change, at };
}
