// What every customer owes for the usage in closed windows, worked out from the price list with nothing but bigint
// arithmetic: per customer and billing period, the usage a price matches is added up and priced once.
import { Temporal } from 'temporal-polyfill';
import type { Catalog, Plan, Price, Subscription } from '../../domain/catalog/catalog.ts';
import { scaled, type UsageCell } from './oracle.ts';

/** Quantities have 12 fraction digits and unit amounts may have 24. */
export const MONEY_SCALE = 36;
const QUANTITY_SCALE = 12;
const DAY_MS = 86_400_000;
const RATE_SCALE = MONEY_SCALE - QUANTITY_SCALE;

/** plan → subject → amount as a count of 10^-MONEY_SCALE. */
export type Bills = Map<string, Map<string, bigint>>;

type Tiered = Extract<Price, { model: 'graduated' | 'volume' }>;

const rate = (text: string): bigint => scaled(text, RATE_SCALE);
const flat = (text: string): bigint => scaled(text, MONEY_SCALE);
const bound = (upTo: string | null): bigint | null => (upTo === null ? null : scaled(upTo, QUANTITY_SCALE));

interface Bounded {
  readonly upTo: string | null;
}

function partsOf<Tier extends Bounded>(
  tiers: readonly Tier[],
  quantity: bigint,
  amountOf: (part: bigint, tier: Tier) => bigint,
): bigint {
  let amount = 0n;
  let from = 0n;
  for (const tier of tiers) {
    if (quantity <= from) break;
    const to = bound(tier.upTo);
    const within = (to === null || quantity < to ? quantity : to) - from;
    amount += amountOf(within, tier);
    from += within;
  }
  return amount;
}

const tierOf = <Tier extends Bounded>(tiers: readonly Tier[], quantity: bigint): Tier =>
  tiers.find(({ upTo }) => upTo === null || quantity <= bound(upTo)!)!;

const graduated = ({ tiers }: Tiered, quantity: bigint): bigint =>
  partsOf(tiers, quantity, (part, { unitAmount, flatAmount }) => part * rate(unitAmount) + flat(flatAmount));

function volume({ tiers }: Tiered, quantity: bigint): bigint {
  if (quantity <= 0n) return 0n;
  const { unitAmount, flatAmount } = tierOf(tiers, quantity);
  return quantity * rate(unitAmount) + flat(flatAmount);
}

/** The price of a period's whole usage, a count of 10^-12. */
export function oracleAmount(price: Price, quantity: bigint): bigint {
  switch (price.model) {
    case 'per_unit':
      return quantity * rate(price.unitAmount);
    case 'graduated':
      return graduated(price, quantity);
    case 'volume':
      return volume(price, quantity);
    case 'package': {
      const size = scaled(price.packageSize, QUANTITY_SCALE);
      const packages = quantity / size + (quantity % size > 0n ? 1n : 0n);
      return packages * flat(price.packageAmount);
    }
    case 'stairstep':
      return quantity <= 0n ? 0n : flat(tierOf(price.tiers, quantity).amount);
    case 'tiered_package':
      return partsOf(price.tiers, quantity, (part, { packageSize, packageAmount }) => {
        const size = scaled(packageSize, QUANTITY_SCALE);
        return ((part + size - 1n) / size) * flat(packageAmount);
      });
    case 'graduated_percentage':
      return quantity < 0n
        ? quantity * rate(price.tiers[0]!.rate)
        : partsOf(price.tiers, quantity, (part, tier) => part * rate(tier.rate));
    case 'cost_plus':
      return quantity * rate(price.factor);
    case 'flat':
      return flat(price.flatAmount);
  }
}

interface Contract {
  readonly plan: Plan;
  /** Null for the default plan, which everybody has always had. */
  readonly startsAt: number | null;
}

function contractAt(catalog: Catalog, subscriptions: readonly Subscription[], at: number): Contract | null {
  let current: Subscription | null = null;
  for (const subscription of subscriptions) {
    if (subscription.startsAt <= at && (current === null || subscription.startsAt > current.startsAt))
      current = subscription;
  }
  const plan = catalog.plans.find(({ slug }) => slug === (current?.plan ?? catalog.defaultPlan));
  return plan === undefined ? null : { plan, startsAt: current?.startsAt ?? null };
}

/** Start of the billing period that holds `at`, milliseconds since the epoch. */
export function periodStartOf({ plan, startsAt }: Contract, at: number): number {
  const zoned = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(plan.timezone);
  if (plan.calendar || startsAt === null) {
    const month = zoned.with({ day: 1 }).startOfDay().epochMilliseconds;
    // A contract that begins within a calendar month has a shorter first period.
    return startsAt === null ? month : Math.max(month, startsAt);
  }
  const anchor = Temporal.Instant.fromEpochMilliseconds(startsAt).toZonedDateTimeISO(plan.timezone);
  let months = (zoned.year - anchor.year) * 12 + zoned.month - anchor.month;
  // Always from the anchor: adding a month to a shortened month drifts.
  while (anchor.add({ months }).epochMilliseconds > at) months--;
  return anchor.add({ months }).epochMilliseconds;
}

const matches = (price: Exclude<Price, { model: 'flat' }>, cell: UsageCell): boolean =>
  price.meter === cell.meter.slug &&
  Object.entries(price.match).every(([name, value]) => {
    const index = cell.meter.dimensions.findIndex((dimension) => dimension.name === name);
    return cell.groups[index] === value;
  });

/** What is closed and what has begun at the time of the check, milliseconds. */
export interface BillingTime {
  readonly watermark: number;
  readonly allowedLatenessMs: number;
}

/** The period starts of a subscription up to the watermark and to the next subscription, found day by day. */
function startedPeriods(plan: Plan, startsAt: number, nextStartsAt: number, watermark: number): Set<number> {
  const starts = new Set<number>();
  const last = Math.min(nextStartsAt - 1, watermark);
  for (let at = startsAt; at < last; at += DAY_MS) starts.add(periodStartOf({ plan, startsAt }, at));
  if (startsAt <= last) starts.add(periodStartOf({ plan, startsAt }, last));
  return starts;
}

const flatPricesOf = (plan: Plan): Price[] => plan.prices.filter(({ model }) => model === 'flat');

/** The quantities of every customer's periods, by price; a flat price has the quantity 1 once it is due. */
class Periods {
  readonly all = new Map<string, { subject: string; plan: Plan; quantities: Map<Price, bigint> }>();

  add(subject: string, plan: Plan, periodStart: number, price: Price, quantity: bigint): void {
    const key = JSON.stringify([subject, plan.slug, periodStart]);
    const period = this.all.get(key) ?? { subject, plan, quantities: new Map<Price, bigint>() };
    this.all.set(key, period);
    period.quantities.set(price, (period.quantities.get(price) ?? 0n) + quantity);
  }
}

/**
 * What every customer owes at that time: for the usage in closed windows, and the flat prices of the periods that have
 * begun by subscription; those of the default plan are due where there is usage.
 */
export function billsOf(catalog: Catalog, cells: Iterable<UsageCell>, time: BillingTime): Bills {
  const periods = new Periods();
  const bySubject = new Map<string, Subscription[]>();
  for (const subscription of catalog.subscriptions) {
    bySubject.set(subscription.subject, [...(bySubject.get(subscription.subject) ?? []), subscription]);
  }
  for (const [subject, subscriptions] of bySubject) {
    subscriptions.sort((a, b) => a.startsAt - b.startsAt);
    for (const [i, { plan: slug, startsAt }] of subscriptions.entries()) {
      const plan = catalog.plans.find((each) => each.slug === slug)!;
      const nextStartsAt = subscriptions[i + 1]?.startsAt ?? Number.POSITIVE_INFINITY;
      for (const periodStart of startedPeriods(plan, startsAt, nextStartsAt, time.watermark)) {
        for (const price of flatPricesOf(plan)) periods.add(subject, plan, periodStart, price, 1n);
      }
    }
  }

  const periodStarts = new Map<string, number>();
  const isBilledByDefault = new Set<string>();
  for (const cell of cells) {
    if (time.watermark < cell.itemEnd + time.allowedLatenessMs) continue;
    const contract = contractAt(catalog, bySubject.get(cell.subject) ?? [], cell.windowStart);
    if (contract === null) continue;
    const { plan, startsAt } = contract;
    // Most customers share a plan and its calendar, and calendars are slow.
    const month = `${plan.slug} ${startsAt} ${cell.windowStart}`;
    const periodStart = periodStarts.get(month) ?? periodStartOf(contract, cell.windowStart);
    periodStarts.set(month, periodStart);
    for (const price of plan.prices) {
      if (price.model !== 'flat' && matches(price, cell))
        periods.add(cell.subject, plan, periodStart, price, cell.value);
    }
    const defaultPeriod = JSON.stringify([cell.subject, periodStart]);
    if (startsAt === null && !isBilledByDefault.has(defaultPeriod)) {
      isBilledByDefault.add(defaultPeriod);
      for (const price of flatPricesOf(plan)) periods.add(cell.subject, plan, periodStart, price, 1n);
    }
  }

  const bills: Bills = new Map();
  for (const { subject, plan, quantities } of periods.all.values()) {
    const bill = bills.get(plan.slug) ?? new Map<string, bigint>();
    bills.set(plan.slug, bill);
    let amount = bill.get(subject) ?? 0n;
    for (const [price, quantity] of quantities) amount += oracleAmount(price, quantity);
    bill.set(subject, amount);
  }
  return bills;
}
