// What the subscriptions of a run's customers go through: made, changed now, at an instant to come or at the period's
// end, cancelled, paused, resumed, undone, and made again. Each act is drawn before the run; what it comes to is
// decided by the rules of accounts, on what is there when it is done.
import { overlapsFrom, requireNoOverlap } from '../../accounts/core/subscriptions/overlapping-prices.ts';
import { newSubscriptionOf, type SubscribingNow } from '../../accounts/core/subscriptions/subscribing.ts';
import type { AskedInstant, SubscriptionBody } from '../../accounts/core/subscriptions/subscription-body.ts';
import {
  type ChangingSubscription,
  cancelRecord,
  changeRecord,
  type DecidedRecord,
  pauseRecord,
  requireOpen,
  resumeRecord,
  undoRecord,
} from '../../accounts/core/subscriptions/subscription-changes.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import type { Price } from '../../domain/pricing/prices.ts';
import type { SubscriptionDiscount } from '../../domain/pricing/subscription-discounts.ts';
import type { Random } from '../../domain/random.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { type CustomerSubscription, historyOf } from '../../domain/terms/customer-subscription.ts';
import { billsFrom } from '../../domain/terms/record-rules.ts';
import type { SubscriptionPatch } from '../../domain/terms/subscription-history.ts';
import { DAY, SLOT } from '../terms/slow-model.ts';

const HOUR = DAY / 24;
/** Everything happens at the start of a slot, as in `test/terms`. */
export const slotFrom = (time: number): number => Math.ceil(time / SLOT) * SLOT;
const slotOf = (time: number): number => Math.floor(time / SLOT) * SLOT;

const acts = [
  'subscribe',
  'add on',
  'plan',
  'quantity',
  'override',
  'trial',
  'cancel',
  'pause',
  'resume',
  'undo',
] as const;
type Act = (typeof acts)[number];
const weights: Readonly<Record<Act, number>> = {
  subscribe: 7,
  'add on': 3,
  plan: 7,
  quantity: 3,
  override: 2,
  trial: 1,
  cancel: 4,
  pause: 2,
  resume: 1,
  undo: 3,
};

/** What a subscription can hold besides its plan. */
interface Choice {
  readonly plan: string;
  readonly seats: string;
  readonly price: Price | null;
  /** Of its own; null: nothing is said of them. */
  readonly discounts: readonly SubscriptionDiscount[] | null;
  readonly anchor: 'calendar' | 'start' | 'before';
  /** How long what lasts until a known time lasts; null: nothing does. */
  readonly lastsMs: number | null;
  /** From when on the subscription has another plan; null: it keeps the first. */
  readonly phase: { readonly afterMs: number; readonly plan: string } | null;
  /** Which of several subscriptions, or changes, by its share of them. */
  readonly which: number;
}

export interface Subscribing extends TenantCustomer {
  /** Names the request. */
  readonly id: string;
  readonly act: Act;
  /** From when on it is to hold; a number is an instant. */
  readonly at: AskedInstant;
  /** Whether it may hold from before what was rated. */
  readonly rerate: boolean;
  readonly choice: Choice;
}

const PLANS = ['basic', 'pro', 'team'] as const;
const ADD_ON = 'extra';

function weightedAct(random: Random): Act {
  let left = random.below(acts.reduce((sum, act) => sum + weights[act], 0));
  return acts.find((act) => {
    left -= weights[act];
    return left < 0;
  })!;
}

/** Half of all acts that may say something of them do. */
function drawDiscounts(random: Random, at: number): readonly SubscriptionDiscount[] | null {
  if (random.chance(0.5)) return null;
  const discount = (): SubscriptionDiscount => {
    const from = slotOf(at + random.int(-40, 80) * SLOT);
    return {
      ...random.pick<SubscriptionDiscount>([
        ...[{ rate: '0.25' }, { price: 'tokens', rate: '0.5' }, { price: 'base', rate: '0.5' }],
        ...[
          { price: 'calls', units: '20' },
          { price: 'peak', amount: '1.5' },
        ],
      ]),
      ...(random.once(2) && { from: new Date(from).toISOString() }),
      ...(random.once(2) && { until: new Date(from + random.int(1, 100) * SLOT).toISOString() }),
    };
  };
  return Array.from({ length: random.int(0, 2) }, discount);
}

/** An act of a customer at a moment, and what it chooses. */
export function drawSubscribing(random: Random, id: string, at: number, customer: TenantCustomer): Subscribing {
  const later = (): number => slotOf(at + random.spread(HOUR / 4, 2 * DAY));
  const before = (): number => slotOf(at - random.spread(HOUR / 4, 3 * DAY));
  const amount = (): string => `0.${String(random.int(1, 999)).padStart(3, '0')}`;
  const every = { days: random.int(1, 2) };
  const act = weightedAct(random);
  const earlier = act === 'subscribe' ? before() : 'now';
  const drawn = random.pick<AskedInstant>(['now', 'now', 'period_end', later(), later(), earlier]);
  const rerate = random.once(6);
  return {
    ...customer,
    ...{ id, act, rerate },
    at: rerate && random.chance(0.7) ? before() : drawn,
    choice: {
      plan: act === 'add on' ? ADD_ON : random.pick(PLANS),
      seats: random.pick(['1', '2', '3', '7']),
      price: random.once(3)
        ? null
        : random.pick<Price>([
            { slug: 'tokens', model: 'per_unit', meter: 'tokens', match: {}, unitAmount: amount(), every },
            { slug: 'calls', model: 'per_unit', meter: 'calls', match: {}, unitAmount: amount(), every, minimum: '40' },
            { slug: 'base', model: 'flat', flatAmount: `${random.int(1, 9)}.10`, every },
          ]),
      discounts: drawDiscounts(random.fork('discounts'), at),
      anchor: random.pick(['calendar', 'start', 'start', 'before']),
      lastsMs: random.once(3) ? random.int(1, 150) * SLOT : null,
      phase: random.once(5) ? { afterMs: random.int(1, 100) * SLOT, plan: random.pick(PLANS) } : null,
      which: random.next(),
    },
  };
}

/** What an act finds when it is done. */
export interface SubscribingSituation extends SubscribingNow {
  /** What the customer has. */
  readonly all: readonly CustomerSubscription[];
  /** Those that are published. */
  readonly versions: readonly CatalogVersion[];
  /** Those that are stored. */
  readonly stored: readonly CatalogVersion[];
  /** The clock; `now` is the start of a slot. */
  readonly recordedAt: number;
}

export interface ChangedSubscription {
  readonly subscription: CustomerSubscription;
  readonly dueAt: number;
}

/** Null: nothing changes by it. Throws a `Problem` where it is refused. */
export function changedSubscription(wanted: Subscribing, situation: SubscribingSituation): ChangedSubscription | null {
  const { all, now, ratedUpTo, versions, stored } = situation;
  const open = all.filter((each) => (historyOf(each).endsAt ?? Number.POSITIVE_INFINITY) > now);
  const target = open[Math.floor(wanted.choice.which * open.length)];
  const isNew = target === undefined || wanted.act === 'subscribe' || wanted.act === 'add on';
  const changed = isNew ? made(wanted, situation) : recorded(wanted, target, situation);
  if (changed === null) return null;
  const { opening, records } = changed.subscription;
  const others = all.filter((each) => each !== target || isNew);
  const after = isNew ? opening.billedFrom : overlapsFrom({ opening }, records.at(-1)!, ratedUpTo);
  for (const known of [versions, stored])
    requireNoOverlap([...others, changed.subscription].map(historyOf), new CatalogHistory(known), after);
  return changed;
}

const discountsOf = ({ discounts }: Choice): SubscriptionPatch => (discounts === null ? {} : { discounts });

function made(
  { tenant, customer, id, at, rerate, choice }: Subscribing,
  { all, versions, now, ratedUpTo, recordedAt }: SubscribingSituation,
): ChangedSubscription {
  const catalog = versions.at(-1)!.catalog;
  const startsAt = typeof at === 'number' ? at : now;
  const until = choice.lastsMs === null ? null : Math.max(startsAt, now) + choice.lastsMs;
  const anchors = { calendar: 'calendar', start: startsAt, before: startsAt - 5 * SLOT } as const;
  const body: SubscriptionBody = {
    ...{ customer, startsAt, rerate, timezone: 'UTC', reason: null, trialDays: null },
    billedFrom: rerate ? startsAt : null,
    anchor: anchors[choice.anchor],
    endsAt: choice.which < 0.5 ? until : null,
    trialEndsAt: choice.which < 0.5 ? null : until,
    patch: { plan: choice.plan, quantities: { seats: choice.seats }, ...discountsOf(choice) },
    phases:
      choice.phase === null || choice.plan === ADD_ON
        ? []
        : [{ from: startsAt + choice.phase.afterMs, patch: { plan: choice.phase.plan } }],
  };
  const of = { archivedAt: null, erasedAt: null, timezone: null, currency: null };
  const wanted = { id, body, changes: [], condition: null };
  const situation = { now, ratedUpTo };
  const { opening, records: made } = newSubscriptionOf(wanted, of, all.length === 0, catalog, situation);
  const first = made[0]!;
  const records = [{ ...first, sequence: 1, recordedAt }];
  return {
    subscription: { tenant, customer, opening, records, version: 1, createdAt: recordedAt, updatedAt: recordedAt },
    dueAt: billsFrom(opening, first, { recordedAt, ratedUpTo }),
  };
}

function decided({ act, at, rerate, choice }: Subscribing, changing: ChangingSubscription): DecidedRecord {
  const { stored, now } = changing;
  const reason = null;
  const change = (patch: SubscriptionPatch): DecidedRecord => changeRecord({ at, patch, rerate, reason }, changing);
  const isAddOn = changing.history.plans.includes(ADD_ON);
  const until =
    choice.lastsMs === null ? null : slotFrom(Math.max(now, typeof at === 'number' ? at : now)) + choice.lastsMs;
  switch (act) {
    case 'plan':
      // An add-on that became a plan would price what the plan beside it does, and be refused.
      return isAddOn ? change({ quantities: { seats: choice.seats } }) : change({ plan: choice.plan });
    case 'quantity':
      return change({ quantities: { seats: choice.which < 0.2 ? null : choice.seats }, ...discountsOf(choice) });
    case 'override':
      return change({ overrides: { [choice.price?.slug ?? 'tokens']: choice.price } });
    case 'trial':
      return until === null ? null : change({ trialEndsAt: until });
    case 'cancel':
      return cancelRecord({ at, rerate, reason }, changing);
    case 'pause':
      return pauseRecord({ at, until, rerate, reason }, changing);
    case 'resume':
      return resumeRecord({ at, rerate, reason }, changing);
    default:
      return undoRecord({ change: 1 + Math.floor(choice.which * stored.version), reason }, changing);
  }
}

function recorded(
  wanted: Subscribing,
  stored: CustomerSubscription,
  { versions, now, ratedUpTo, recordedAt }: SubscribingSituation,
): ChangedSubscription | null {
  const changing = { stored, history: historyOf(stored), catalog: new CatalogHistory(versions), now, ratedUpTo };
  requireOpen(changing);
  const record = decided(wanted, changing);
  if (record === null) return null;
  const version = stored.version + 1;
  const records = [...stored.records, { ...record, sequence: version, recordedAt }];
  return {
    subscription: { ...stored, records, version, updatedAt: recordedAt },
    dueAt: billsFrom(stored.opening, record, { recordedAt, ratedUpTo }),
  };
}
