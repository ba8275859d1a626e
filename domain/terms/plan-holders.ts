// Who holds which plan when: each subscription of a customer, and the customer itself, which has the default plan while
// it has no subscription (T9).
//
// A window belongs to what is held at its start. Only the window that holds the customer's first start is the
// subscription's, and not the default plan's, where the opening says so (T1).
import { NO_DISCOUNTS } from '../pricing/subscription-discounts.ts';
import { LONGEST_WINDOW_MS } from '../time/time-window.ts';
import type { CatalogHistory, Dated } from './catalog-history.ts';
import type { SubscriptionHistory, SubscriptionState } from './subscription-history.ts';
import type { PeriodGrid } from './subscription-periods.ts';

export interface PlanHolder {
  /** Null: the default plan. */
  readonly subscription: string | null;
  readonly grid: PeriodGrid;
  /** The first instant at which it may hold a plan, and the first after it. */
  readonly begin: number;
  readonly end: number;
  /** Whether the window that holds `begin` is its own. */
  readonly takesBegunWindow: boolean;
  /** Every plan that it holds at any time. */
  readonly plans: readonly string[];
  /** Where what it holds may change, ascending. */
  readonly instants: readonly number[];
  /** Null: it holds no plan then. */
  holdingAt(instant: number): SubscriptionState | null;
  /** What a window is priced by. */
  holdingInWindow(windowStart: number, windowMs: number): SubscriptionState | null;
  /** The same, where the plan itself began for windows that were still open. */
  earlyHoldingInWindow(windowStart: number, windowMs: number): SubscriptionState | null;
}

const isWithin = (instant: number, windowStart: number, windowMs: number): boolean =>
  windowStart < instant && instant < windowStart + windowMs;

/** What begins after a window that was still open when it took effect, while nothing was there before. */
export function earlyIn<Value>(
  dated: readonly Dated<Value>[],
  windowStart: number,
  windowMs: number,
): Dated<Value> | null {
  const held = dated.findLast(({ from }) => from <= windowStart);
  const next = dated.find(({ from }) => from > windowStart);
  if (next === undefined || (held !== undefined && held.value !== null)) return null;
  return next.openAfter !== null && next.openAfter < windowStart + windowMs ? next : null;
}

export function subscriptionHolder(history: SubscriptionHistory): PlanHolder {
  const { id, anchor, timezone, billedFrom, takesBegunWindow } = history.opening;
  const holdingInWindow = (windowStart: number, windowMs: number): SubscriptionState | null =>
    history.stateAt(takesBegunWindow && isWithin(billedFrom, windowStart, windowMs) ? billedFrom : windowStart);
  return {
    subscription: id,
    grid: { anchor, timezone },
    begin: billedFrom,
    end: history.endsAt ?? Number.POSITIVE_INFINITY,
    takesBegunWindow,
    plans: history.plans,
    instants: history.instants,
    holdingAt: (instant) => history.stateAt(instant),
    holdingInWindow,
    earlyHoldingInWindow: holdingInWindow,
  };
}

/**
 * Whether the default plan holds nothing from an instant on, nor in the window before it: the customer has one
 * subscription, which began earlier and does not end.
 */
function isOver([only, ...others]: readonly SubscriptionHistory[], lookedFrom: number): boolean {
  if (only === undefined || others.length > 0 || only.endsAt !== null) return false;
  return only.opening.billedFrom + LONGEST_WINDOW_MS <= lookedFrom;
}

/** Of the default plan: what its customer holds around its subscriptions. Its grid is the calendar's. */
export function defaultHolder(
  catalog: CatalogHistory,
  subscriptions: readonly SubscriptionHistory[],
  lookedFrom: number,
): PlanHolder | null {
  const plans = catalog.defaultPlan;
  const first = plans.find(({ value }) => value !== null);
  if (first === undefined || isOver(subscriptions, lookedFrom)) return null;
  const begun = subscriptions.filter(({ opening, endsAt }) => endsAt === null || endsAt > opening.billedFrom);
  const isFree = (instant: number): boolean => {
    const until = begun.filter(({ opening }) => opening.billedFrom <= instant);
    if (until.some(({ endsAt }) => endsAt === null || instant < endsAt)) return false;
    const [last] = until.toSorted((a, b) => b.endsAt! - a.endsAt! || (a.opening.id < b.opening.id ? -1 : 1));
    if (last === undefined) return true;
    const { plan } = last.stateAt(last.endsAt! - 1) ?? {};
    return plan !== undefined && catalog.planFields(plan, last.endsAt!).afterEnd === 'default';
  };
  const holding = (plan: string | null | undefined, instant: number): SubscriptionState | null =>
    plan === null || plan === undefined || !isFree(instant)
      ? null
      : { plan, quantities: new Map(), overrides: new Map(), discounts: NO_DISCOUNTS, isTrial: false, isPaused: false };
  const isTaken = (windowStart: number, windowMs: number): boolean =>
    begun.some(({ opening }) => opening.takesBegunWindow && isWithin(opening.billedFrom, windowStart, windowMs));
  const planAt = (instant: number): string | null | undefined => plans.findLast(({ from }) => from <= instant)?.value;
  return {
    subscription: null,
    grid: { anchor: 'calendar', timezone: catalog.planFields(first.value!, first.from).timezone },
    begin: Number.NEGATIVE_INFINITY,
    end: Number.POSITIVE_INFINITY,
    takesBegunWindow: false,
    plans: [...new Set(plans.map(({ value }) => value).filter((plan) => plan !== null))],
    instants: [
      ...plans.map(({ from }) => from),
      ...begun.flatMap(({ opening, endsAt }) => [opening.billedFrom, endsAt]),
    ]
      .filter((instant) => instant !== null)
      .sort((a, b) => a - b),
    holdingAt: (instant) => holding(planAt(instant), instant),
    holdingInWindow: (windowStart, windowMs) =>
      isTaken(windowStart, windowMs) ? null : holding(planAt(windowStart), windowStart),
    earlyHoldingInWindow: (windowStart, windowMs) =>
      isTaken(windowStart, windowMs)
        ? null
        : holding(earlyIn(plans, windowStart, windowMs)?.value ?? planAt(windowStart), windowStart),
  };
}
