// What a customer is charged from now on, instant by instant, as the rater does it: at each instant at which something
// is due it looks at the periods that this is about, and adds what is missing to what was charged. Usage is that of
// now: what is still to be used nobody knows.
import { NO_SUBSCRIPTION, type RatedPeriod } from '../billing/billing-period-terms.ts';
import { keyText } from '../composite-key.ts';
import { Decimal } from '../number/decimal.ts';
import { type Quantity, quantityToDecimal } from '../number/quantity.ts';
import { type BilledBy, nextDueOf } from './billed-by.ts';
import type { CustomerWork } from './customer-work.ts';
import { type DueFee, dueTargets, type PeriodTarget, type RatedUpTo } from './period-targets.ts';
import {
  type ChargedUsage,
  type Currencies,
  type RatedTerm,
  termOfFee,
  termsOfMinimums,
  termsOfUsage,
} from './rated-terms.ts';

/** What a term of a price comes to, of all subjects. */
export interface AheadTerm {
  readonly price: string;
  /** Null for a fee. */
  readonly meter: string | null;
  readonly plan: string;
  /** Null: of the default plan. */
  readonly subscription: string | null;
  /** Milliseconds since the epoch, as all instants here. */
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly from: number;
  readonly to: number;
  /** When it is charged; null for usage, which is charged as its windows close. */
  readonly dueAt: number | null;
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

/** What is charged at an instant beyond what was charged before. */
export interface AheadStep {
  readonly at: number;
  readonly amount: Decimal;
}

/** What a customer is charged: what its terms come to, and when. */
export interface ChargesSide {
  readonly terms: readonly AheadTerm[];
  readonly steps: readonly AheadStep[];
}

/** What was read of a target. */
export interface TargetUsage {
  readonly target: PeriodTarget;
  readonly usage: readonly ChargedUsage[];
  /** The fees that are charged: of the default plan's only those of periods with usage. */
  readonly fees: readonly DueFee[];
}

/** A customer, and whatever is its subject at some time. */
export type AheadCustomer = Pick<CustomerWork, 'tenant' | 'customer' | 'subjects'>;

export const totalOf = (terms: Iterable<AheadTerm>): Decimal => {
  let sum = Decimal.zero;
  for (const { amount } of terms) sum = sum.plus(amount);
  return sum;
};

function aheadTerm({ of, to, contributions, amount }: RatedTerm, dueAt: number | null): AheadTerm {
  const quantity = quantityToDecimal(contributions.reduce((sum: Quantity, each) => sum + each.quantity, 0n));
  return {
    ...{ price: of.price, meter: of.meter, plan: of.plan, dueAt, quantity, amount: amount(quantity) },
    subscription: of.subscription === NO_SUBSCRIPTION ? null : of.subscription,
    ...{ periodStart: of.periodStart, periodEnd: of.periodEnd, from: of.termStart, to },
  };
}

/** A price for each subject has a term for each: here they are one. */
function allSubjects(terms: readonly AheadTerm[]): AheadTerm[] {
  const together = new Map<string, AheadTerm>();
  for (const term of terms) {
    const key = keyText(term.price, term.subscription ?? NO_SUBSCRIPTION, term.periodEnd, term.from);
    const known = together.get(key);
    const { quantity, amount } = known ?? { quantity: Decimal.zero, amount: Decimal.zero };
    together.set(key, { ...term, quantity: quantity.plus(term.quantity), amount: amount.plus(term.amount) });
  }
  return [...together.values()];
}

/** An instant at which something is due, and what is looked at then. */
export interface PlannedStep {
  readonly at: number;
  readonly targets: readonly PeriodTarget[];
}

interface AheadSpan {
  /** From when on what is charged may have to be looked at. */
  readonly from: number;
  readonly now: number;
  readonly until: number;
}

/** Of what is to come, windows count as closed where they end. */
const closedAt = (at: number): RatedUpTo => ({ watermark: at, closedUpTo: at });

/**
 * From now on up to `until`, the first now; null: they are more than `stepsMax`. Usage is in the first alone. `stored`:
 * the customer's periods as they were rated.
 */
export function plannedSteps(
  by: BilledBy,
  customer: AheadCustomer,
  stored: readonly RatedPeriod[],
  { from, now, until }: AheadSpan,
  stepsMax: number,
): PlannedStep[] | null {
  const targetsAt = (at: number, dueFrom: number): PeriodTarget[] =>
    dueTargets(closedAt(at), by, { ...customer, windows: new Map(), dueFrom }, stored);
  const steps = [{ at: now, targets: targetsAt(now, from) }];
  let at = nextDueOf(by, closedAt(now));
  for (; at !== null && at <= until; at = nextDueOf(by, closedAt(at))) {
    if (steps.length === stepsMax) return null;
    steps.push({ at, targets: targetsAt(at, at).map((target) => ({ ...target, usage: [] })) });
  }
  return steps;
}

/** What is charged at each step, and what the terms come to once all are taken. */
export function chargedAhead(
  planned: readonly PlannedStep[],
  read: ReadonlyMap<PeriodTarget, TargetUsage>,
): ChargesSide {
  // By start of period.
  const used = new Map<number, readonly RatedTerm[]>();
  const usage = new Map<number, readonly AheadTerm[]>();
  const fees = new Map<number, readonly AheadTerm[]>();
  const steps = planned.map(({ at, targets }, i): AheadStep => {
    let amount = Decimal.zero;
    for (const target of targets) {
      const { periodStart } = target;
      const known = read.get(target)!;
      if (i === 0) {
        const rated = known.usage.flatMap((each) => termsOfUsage(target, each, noCurrency));
        const charged = rated.map((term) => aheadTerm(term, null));
        used.set(periodStart, rated);
        usage.set(periodStart, allSubjects(charged));
        amount = amount.plus(totalOf(charged));
      }
      const due = known.fees.map((fee) => termOfFee(target, fee, noCurrency));
      const minimums = termsOfMinimums(target, [...(used.get(periodStart) ?? []), ...due], noCurrency);
      const terms = [
        ...due.map((term, j) => aheadTerm(term, known.fees[j]!.dueAt)),
        ...minimums
          .map((term, j) => aheadTerm(term, target.minimums[j]!.closesAt))
          .filter(({ amount: missing }) => !missing.isZero),
      ];
      amount = amount.plus(totalOf(terms)).minus(totalOf(fees.get(periodStart) ?? []));
      fees.set(periodStart, terms);
    }
    return { at, amount };
  });
  return { steps, terms: [...usage.values(), ...fees.values()].flat().sort(byPeriodAndPrice) };
}

const noCurrency: Currencies = { currencyOf: () => '' };

/** By period, then by price and time. */
export const byPeriodAndPrice = (a: AheadTerm, b: AheadTerm): number =>
  a.periodStart - b.periodStart || (a.price < b.price ? -1 : a.price > b.price ? 1 : 0) || a.from - b.from;
