// What the terms of a customer's prices come to in the periods that start at an instant: how much each window adds, and
// the amount for any quantity. What is billed is the difference to what is written (rater/core/term-items).
import { POOLED } from '../billing/billing-period-terms.ts';
import type { ItemTerm } from '../billing/line-item.ts';
import type { Meter } from '../catalog/catalog.ts';
import { Decimal } from '../number/decimal.ts';
import { parseQuantity } from '../number/quantity.ts';
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

/** What a term of a price comes to, of all subjects together or of one. */
export interface RatedTerm {
  readonly of: ItemTerm;
  /** Null for a fee. */
  readonly meter: Meter | null;
  /** Where it ends; milliseconds since the epoch. */
  readonly to: number;
  readonly contributions: readonly Contribution[];
  readonly amount: (cumulative: Decimal) => Decimal;
}

// Field by field, as `insertedRow` does: records of this size that are spread cost as much as all else that rating
// does.
function termsOfUsage(
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
    contributions: earlierAsOne(contributions, detailFrom),
    amount: price,
  }));
}

function termOfFee({ tenant, customer, periodStart }: PeriodTarget, fee: DueFee, currencies: Currencies): RatedTerm {
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
    contributions: [{ windowStart: from, windowEnd: to, quantity: parseQuantity(fee.quantity)! }],
    amount: (cumulative) => (cumulative.isZero ? Decimal.zero : amount),
  };
}

/** What all terms of the prices that are looked at come to. */
export const ratedTerms = (
  target: PeriodTarget,
  usage: readonly ChargedUsage[],
  fees: readonly DueFee[],
  currencies: Currencies,
): RatedTerm[] => [
  ...usage.flatMap((each) => termsOfUsage(target, each, currencies)),
  ...fees.map((fee) => termOfFee(target, fee, currencies)),
];
