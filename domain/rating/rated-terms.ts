// What the terms of a customer's prices come to in the periods that start at an instant: how much each window adds, and
// the amount for any quantity. What is billed is the difference to what is written (rater/core/term-items).
import { POOLED } from '../billing/billing-period-terms.ts';
import type { ItemTerm, LineItemCause } from '../billing/line-item.ts';
import type { Meter } from '../catalog/catalog.ts';
import { Decimal } from '../number/decimal.ts';
import { parseQuantity, QUANTITY_ONE, type Quantity, quantityToDecimal } from '../number/quantity.ts';
import { minimumDue } from '../pricing/around/charge.ts';
import { lineSlugOf } from '../pricing/matrix-cells.ts';
import type { UsagePeriod } from '../terms/price-terms.ts';
import { type Contribution, earlierAsOne } from './contributions.ts';
import { type DueFee, type PeriodTarget, subscriptionOf } from './period-targets.ts';
import type { ChargedTerm } from './term-usage.ts';

/** The usage of a price's period, and what its terms come to. */
export interface ChargedUsage {
  readonly period: UsagePeriod;
  readonly charged: readonly ChargedTerm[];
}

/** The currency of a version of the tenant's catalog; null: of the newest. */
export interface Currencies {
  currencyOf(version: number | null): string;
}

/** Why an item is written when its time has come. */
export type OnTimeCause = Extract<LineItemCause, 'window_closed' | 'period_started' | 'minimum_due'>;

/** What a term of a price comes to, of all subjects together or of one. */
export interface RatedTerm {
  readonly of: ItemTerm;
  /** Null for a fee. */
  readonly meter: Meter | null;
  /** Where it ends; milliseconds since the epoch. */
  readonly to: number;
  /** Of an item that comes on time. */
  readonly cause: OnTimeCause;
  readonly contributions: readonly Contribution[];
  readonly amount: (cumulative: Decimal) => Decimal;
}

// Field by field, as `insertedRow` does: records of this size that are spread cost as much as all else that rating
// does.
export function termsOfUsage(
  { tenant, customer, periodStart, detailFrom }: PeriodTarget,
  { period, charged }: ChargedUsage,
  currencies: Currencies,
): RatedTerm[] {
  const meter = period.line.meter!;
  const { slug } = period.line;
  const { end } = period.period;
  return charged.map(({ term, subject, cell, contributions, price }) => ({
    of: {
      tenant,
      customer,
      subscription: subscriptionOf(term),
      periodStart,
      periodEnd: end,
      price: cell === '' ? slug : slug + cell,
      termStart: term.from,
      subject,
      plan: term.plan,
      meter: meter.slug,
      groups: term.price.match,
      currency: currencies.currencyOf(term.catalogVersion),
      catalogVersion: term.catalogVersion,
    },
    meter,
    to: term.to,
    cause: 'window_closed' as const,
    contributions: earlierAsOne(contributions, detailFrom),
    amount: price,
  }));
}

export function termOfFee(
  { tenant, customer, periodStart }: PeriodTarget,
  fee: DueFee,
  currencies: Currencies,
): RatedTerm {
  const { from, to, amount } = fee;
  return {
    of: {
      tenant,
      customer,
      subscription: subscriptionOf(fee),
      periodStart,
      periodEnd: fee.periodEnd,
      price: fee.slug,
      termStart: from,
      subject: POOLED,
      plan: fee.plan,
      meter: null,
      groups: {},
      currency: currencies.currencyOf(fee.catalogVersion),
      catalogVersion: fee.catalogVersion,
    },
    meter: null,
    to,
    cause: 'period_started',
    contributions: [{ windowStart: from, windowEnd: to, quantity: parseQuantity(fee.quantity)! }],
    amount: (cumulative) => (cumulative.isZero ? Decimal.zero : amount),
  };
}

const amountOfTerm = ({ contributions, amount }: RatedTerm): Decimal =>
  amount(quantityToDecimal(contributions.reduce((sum: Quantity, each) => sum + each.quantity, 0n)));

/** Those that are due, less what was charged of the terms that they are of: nothing where that is enough. */
export function termsOfMinimums(
  { tenant, customer, periodStart, minimums }: PeriodTarget,
  charged: readonly RatedTerm[],
  currencies: Currencies,
): RatedTerm[] {
  const all = [...charged];
  // Those of prices come first: they are counted to that of the plan.
  for (const { name, price, members, period, last, amount: least } of minimums) {
    const subscriptions = members.map((subscription) => subscriptionOf({ subscription }));
    const counted = all.filter(
      ({ of }) =>
        (price === null || lineSlugOf(of.price) === price) &&
        of.periodEnd === period.end &&
        subscriptions.includes(of.subscription),
    );
    const amount = minimumDue(
      least,
      counted.reduce((sum, term) => sum.plus(amountOfTerm(term)), Decimal.zero),
    );
    const { from, to, plan, catalogVersion } = last;
    all.push({
      of: {
        ...{ tenant, customer, subscription: subscriptionOf(last), periodStart, periodEnd: period.end },
        ...{ price: name, termStart: from, subject: POOLED, plan, meter: null, groups: {} },
        ...{ currency: currencies.currencyOf(catalogVersion), catalogVersion },
      },
      ...{ meter: null, to, cause: 'minimum_due' },
      contributions: amount.isZero ? [] : [{ windowStart: from, windowEnd: to, quantity: QUANTITY_ONE }],
      amount: (cumulative) => (cumulative.isZero ? Decimal.zero : amount),
    });
  }
  return all.slice(charged.length);
}

/** What all terms of the prices that are looked at come to. */
export function ratedTerms(
  target: PeriodTarget,
  usage: readonly ChargedUsage[],
  fees: readonly DueFee[],
  currencies: Currencies,
): RatedTerm[] {
  const charged = [
    ...usage.flatMap((each) => termsOfUsage(target, each, currencies)),
    ...fees.map((fee) => termOfFee(target, fee, currencies)),
  ];
  return target.minimums.length === 0 ? charged : [...charged, ...termsOfMinimums(target, charged, currencies)];
}
