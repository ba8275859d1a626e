// What a customer owes while its plan and the prices change, by simple arithmetic that shares no code with what it is
// compared with. All meters have one size of window; docs/inside/prices-in-time.md has the rules:
//
// - A window costs what holds at its start (T1), and is the subscription's from the one on that holds its first
// instant. - A definition that stays is one stretch, whatever changed beside it (T4). - Where the stretches of a period
// are all per_unit, or in tiers without a flatAmount, a stretch costs the price of
//   what was used until its end, less the price of what was used until its start. Else the price of the whole period's
//   usage is shared out by usage (T6).
// - A fee is shared out by time, from window to window, and from the first instant to the last (T7).
import { Temporal } from 'temporal-polyfill';
import type { Plan, Price } from '../../domain/catalog/catalog.ts';
import type { AgreedSubscription, Agreements } from './agreements.ts';

interface Span {
  readonly start: number;
  readonly end: number;
}

/** While one definition of a price holds. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly subscription: AgreedSubscription | null;
  /** That it began with. */
  readonly plan: string;
  readonly price: Price;
}

/**
 * The part of an amount between two places of its whole, the inner ones rounded half to even to a multiple of `unit`.
 */
export function partOf(amount: bigint, from: bigint, to: bigint, whole: bigint, unit: bigint): bigint {
  if (amount < 0n) throw new Error('the account shares out no credit');
  const until = (place: bigint): bigint => {
    if (place === whole) return amount;
    const [product, divisor] = [amount * place, whole * unit];
    const [down, rest] = [product / divisor, (product % divisor) * 2n];
    return (rest > divisor || (rest === divisor && down % 2n === 1n) ? down + 1n : down) * unit;
  };
  return until(to) - until(from);
}

// Calendars are slow, and most usage lies in a few months.
const knownPeriods = new Map<string, Span[]>();

/** The billing period that holds an instant. */
export function periodAt(anchor: number | 'calendar', timezone: string, instant: number): Span {
  const key = JSON.stringify([anchor, timezone]);
  const known = knownPeriods.get(key) ?? [];
  const held = known.find(({ start, end }) => start <= instant && instant < end);
  if (held !== undefined) return held;
  const found = findPeriod(anchor, timezone, instant);
  knownPeriods.set(key, [...known, found]);
  return found;
}

function findPeriod(anchor: number | 'calendar', timezone: string, instant: number): Span {
  const zoned = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
  if (anchor === 'calendar') {
    const month = zoned.with({ day: 1 }).startOfDay();
    const next = month.add({ months: 1 }).startOfDay();
    return { start: month.epochMilliseconds, end: next.epochMilliseconds };
  }
  const first = Temporal.Instant.fromEpochMilliseconds(anchor).toZonedDateTimeISO(timezone);
  let months = (zoned.year - first.year) * 12 + zoned.month - first.month + 1;
  // Always from the anchor: adding a month to a shortened month drifts.
  while (first.add({ months }).epochMilliseconds > instant) months--;
  return {
    start: first.add({ months }).epochMilliseconds,
    end: first.add({ months: months + 1 }).epochMilliseconds,
  };
}

/** Whether what was used before a change stays at its price. */
const keepsUsed = (price: Price): boolean =>
  price.model === 'per_unit' ||
  (price.model === 'graduated' && price.tiers.every(({ flatAmount }) => /^0(\.0*)?$/.test(flatAmount))) ||
  price.model === 'graduated_percentage' ||
  price.model === 'cost_plus';

/** What each of a period's stretches costs, in their order; `unit` is what a share is rounded to. */
export function shareOut(
  stretches: readonly { readonly price: Price; readonly quantity: bigint }[],
  amountOf: (price: Price, quantity: bigint) => bigint,
  unit: bigint,
): bigint[] {
  const whole = stretches.reduce((sum, { quantity }) => sum + quantity, 0n);
  const carries = stretches.every(({ price }) => keepsUsed(price));
  let used = 0n;
  return stretches.map(({ price, quantity }) => {
    const before = used;
    used += quantity;
    if (carries) return amountOf(price, used) - amountOf(price, before);
    return whole === 0n ? 0n : partOf(amountOf(price, whole), before, used, whole, unit);
  });
}

/** One customer: what it has in which stretch of time. */
export class AgreedTimes {
  private readonly agreements: Agreements;
  private readonly subscription: AgreedSubscription | null;

  constructor(agreements: Agreements, customer: string) {
    this.agreements = agreements;
    this.subscription = agreements.subscriptionOf(customer);
  }

  /** Of a price of usage, by windows. */
  usageStretches(slug: string): Stretch[] {
    const { subscription } = this;
    const begin = subscription === null ? [] : [this.floor(subscription.billedFrom)];
    const cuts = [Number.NEGATIVE_INFINITY, ...begin, ...this.changes.map((at) => this.ceil(at))];
    return this.stretches(slug, cuts, Number.POSITIVE_INFINITY, (from) => this.planIn(from));
  }

  /**
   * Of a fee, to the millisecond where the subscription begins and ends; as it stands at an instant, by the changes
   * that have come by then.
   */
  feeStretches(slug: string, asOf: number): Stretch[] {
    const { subscription } = this;
    if (subscription === null) return [];
    const { billedFrom } = subscription;
    const end = subscription.endsAt ?? Number.POSITIVE_INFINITY;
    const changes = this.changes.filter((at) => at <= asOf).map((at) => this.ceil(at));
    const cuts = [billedFrom, ...changes.filter((at) => at > billedFrom && at < end)];
    const known = (from: number) => Math.min(from, asOf);
    return this.stretches(
      slug,
      cuts,
      end,
      (from) => ({ subscription, plan: planAt(subscription, known(from)) }),
      known,
    );
  }

  /** That holds an instant, or the first one for what is before it. */
  periodAt(subscription: AgreedSubscription | null, instant: number): Span {
    if (subscription === null) return periodAt('calendar', this.defaultZone, instant);
    const { anchor, timezone, billedFrom } = subscription;
    return periodAt(anchor, timezone, Math.max(instant, billedFrom));
  }

  /** Whether a window of a stretch starts in a period; the one that had begun is of the first. */
  isIn({ from, to, subscription }: Stretch, { start, end }: Span): boolean {
    const begin = subscription?.billedFrom ?? Number.NEGATIVE_INFINITY;
    const first = start <= begin && begin < end ? this.floor(begin) : this.ceil(start);
    return Math.max(from, first) < Math.min(to, this.ceil(end));
  }

  private get defaultZone(): string {
    const { plans, defaultPlan } = this.agreements.newest.catalog;
    return plans.find(({ slug }) => slug === defaultPlan)!.timezone;
  }

  /** Where anything may change. */
  private get changes(): number[] {
    const { all } = this.agreements;
    const { plans = [], endsAt = null } = this.subscription ?? {};
    return [...all.map(({ from }) => from), ...plans.map(({ at }) => at), ...(endsAt === null ? [] : [endsAt])].filter(
      Number.isFinite,
    );
  }

  private planIn(windowStart: number): { subscription: AgreedSubscription | null; plan: string } | null {
    const { subscription } = this;
    const { defaultPlan } = this.agreements.newest.catalog;
    const byDefault = defaultPlan === null ? null : { subscription: null, plan: defaultPlan };
    if (subscription === null || windowStart < this.floor(subscription.billedFrom)) return byDefault;
    const { billedFrom, endsAt } = subscription;
    if (endsAt === null || windowStart < endsAt)
      return { subscription, plan: planAt(subscription, Math.max(windowStart, billedFrom)) };
    const left = this.planOf(planAt(subscription, endsAt - 1), endsAt);
    return left?.afterEnd === 'default' ? byDefault : null;
  }

  private planOf(slug: string, instant: number): Plan | undefined {
    return this.agreements.at(instant).plans.find((plan) => plan.slug === slug);
  }

  private stretches(
    slug: string,
    cuts: readonly number[],
    end: number,
    holderIn: (from: number) => { subscription: AgreedSubscription | null; plan: string } | null,
    pricedAt: (from: number) => number = (from) => from,
  ): Stretch[] {
    const sorted = [...new Set(cuts)].sort((a, b) => (a < b ? -1 : 1));
    const found: Stretch[] = [];
    for (const [i, from] of sorted.entries()) {
      const to = sorted[i + 1] ?? end;
      const holder = holderIn(from);
      const price =
        holder === null
          ? undefined
          : this.planOf(holder.plan, pricedAt(from))?.prices.find((each) => each.slug === slug);
      if (holder === null || price === undefined) continue;
      const last = found.at(-1);
      const isSame =
        last?.to === from && last.subscription === holder.subscription && sameText(last.price) === sameText(price);
      if (isSame) found[found.length - 1] = { ...last, to };
      else found.push({ from, to, ...holder, price });
    }
    return found;
  }

  private floor(instant: number): number {
    const { windowMs } = this.agreements;
    return Math.floor(instant / windowMs) * windowMs;
  }

  private ceil(instant: number): number {
    const { windowMs } = this.agreements;
    return Math.ceil(instant / windowMs) * windowMs;
  }
}

const sameText = (price: Price): string => JSON.stringify(Object.entries(price).sort(([a], [b]) => (a < b ? -1 : 1)));

const planAt = ({ plans }: AgreedSubscription, instant: number): string =>
  (plans.findLast(({ at }) => at <= instant) ?? plans[0]!).plan;
