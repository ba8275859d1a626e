// The line items that are missing in the periods of a customer that start at an instant: of every term of every price
// that is looked at, and of the terms that are no more (T14).
import {
  POOLED,
  type PricedKey,
  periodText,
  pricedText,
  type RatedPeriod,
  type TermOfSubject,
  termText,
} from '../../domain/billing/billing-period-terms.ts';
import { itemClosesAt } from '../../domain/billing/item-span.ts';
import {
  EARLIER,
  type ItemTerm,
  type NewLineItem,
  type WrittenPrices,
  type WrittenTerm,
} from '../../domain/billing/line-item.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { keyText } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, parseQuantity, type Quantity } from '../../domain/number/quantity.ts';
import type { UsagePeriod } from '../../domain/terms/price-terms.ts';
import { earlierAsOne } from './contributions.ts';
import { type DueFee, type PeriodTarget, subscriptionOf } from './period-targets.ts';
import { type Contribution, RatingInvariantError, rate } from './rate.ts';
import type { ChargedTerm } from './term-usage.ts';

/** The usage of a price's period, and what its terms come to. */
export interface ChargedUsage {
  readonly period: UsagePeriod;
  readonly charged: readonly ChargedTerm[];
}

/** By what a batch rates a customer. */
export interface RatingSituation {
  /** Of a version of the catalog; null: of the newest. */
  currencyOf(version: number | null): string;
  /** The number of the newest version. */
  readonly catalogVersion: number;
  /** How many records the customer's subscriptions have. */
  readonly records: number;
  /** By `periodText`, as they were last rated. */
  readonly stored: ReadonlyMap<string, RatedPeriod>;
  readonly written: WrittenPrices;
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

function termsOfUsage(
  { tenant, customer, periodStart, detailFrom }: PeriodTarget,
  { period, charged }: ChargedUsage,
  { currencyOf }: Pick<RatingSituation, 'currencyOf'>,
): RatedTerm[] {
  const meter = period.line.meter!;
  return charged.map(({ term, subject, contributions, price }) => ({
    of: {
      ...{ tenant, customer, periodStart, price: period.line.slug, subscription: subscriptionOf(term) },
      ...{ termStart: term.from, subject, periodEnd: period.period.end, plan: term.plan, meter: meter.slug },
      ...{ groups: term.price.match, currency: currencyOf(term.catalogVersion), catalogVersion: term.catalogVersion },
    },
    ...{ meter, to: term.to, contributions: earlierAsOne(contributions, detailFrom), amount: price },
  }));
}

function termOfFee(
  { tenant, customer, periodStart }: PeriodTarget,
  { slug, subscription, from, to, plan, catalogVersion, quantity, amount, periodEnd }: DueFee,
  { currencyOf }: Pick<RatingSituation, 'currencyOf'>,
): RatedTerm {
  return {
    of: {
      ...{ tenant, customer, periodStart, price: slug, subscription: subscriptionOf({ subscription }) },
      ...{ termStart: from, subject: POOLED, periodEnd, plan, meter: null, groups: {} },
      ...{ currency: currencyOf(catalogVersion), catalogVersion },
    },
    ...{ meter: null, to, contributions: [{ windowStart: from, windowEnd: to, quantity: parseQuantity(quantity)! }] },
    amount: (cumulative) => (cumulative.isZero ? Decimal.zero : amount),
  };
}

/** What all terms of the prices that are looked at come to. */
export const ratedTerms = (
  target: PeriodTarget,
  usage: readonly ChargedUsage[],
  fees: readonly DueFee[],
  situation: Pick<RatingSituation, 'currencyOf'>,
): RatedTerm[] => [
  ...usage.flatMap((each) => termsOfUsage(target, each, situation)),
  ...fees.map((fee) => termOfFee(target, fee, situation)),
];

const isNothing = ({ windows, amount }: WrittenTerm): boolean =>
  amount.isZero && windows.every(({ quantity }) => quantity === 0n);

/** What is written of the prices that are looked at and is not among `terms`. `prices`: all that have items. */
export function goneTerms(
  target: PeriodTarget,
  terms: readonly RatedTerm[],
  written: WrittenPrices,
  prices: Iterable<string>,
): PricedKey[] {
  const { tenant, customer, periodStart } = target;
  const nameOf = (price: string, term: TermOfSubject): string => keyText(price, termText(term));
  const standing = new Set(terms.map(({ of }) => nameOf(of.price, of)));
  return [...(target.prices ?? prices)].flatMap((price) =>
    [...(written.get(pricedText({ tenant, customer, periodStart, price }))?.values() ?? [])]
      .filter((term) => !standing.has(nameOf(price, term)) && !isNothing(term))
      .map(({ subscription, periodEnd, termStart, subject }) => ({
        ...{ tenant, customer, periodStart, price, subscription, periodEnd, termStart, subject },
      })),
  );
}

const nothingOf = (of: ItemTerm): RatedTerm => ({
  ...{ of, meter: null, to: of.termStart, contributions: [] },
  amount: () => Decimal.zero,
});

/** The prices with more than one term, with those that are gone. */
function severalTimes(terms: readonly RatedTerm[]): ReadonlySet<string> {
  const first = new Map<string, string>();
  const several = new Set<string>();
  for (const { of } of terms) {
    const term = keyText(of.subscription, of.periodEnd, of.termStart);
    const known = first.get(of.price);
    if (known === undefined) first.set(of.price, term);
    else if (known !== term) several.add(of.price);
  }
  return several;
}

/** Of what is looked at, the usage before `detailFrom` is what its items there say. Throws a `RatingInvariantError`. */
function assertWrittenBefore(
  { of, contributions }: Pick<RatedTerm, 'of' | 'contributions'>,
  before: WrittenTerm | undefined,
): void {
  const earlierOf = (
    windows: readonly { readonly windowStart: number; readonly quantity: Quantity }[] = [],
  ): Quantity => windows.find(({ windowStart }) => windowStart === EARLIER)?.quantity ?? 0n;
  const used = earlierOf(contributions);
  const billed = earlierOf(before?.windows);
  if (used === billed) return;
  throw new RatingInvariantError(
    `price ${of.price}${of.subject === POOLED ? '' : ` of ${of.subject}`}, term of ` +
      `${new Date(of.termStart).toISOString()}: the usage before is ${formatQuantity(used)}, ` +
      `the line items say ${formatQuantity(billed)}`,
  );
}

/**
 * `gone`: the terms that are no more, as their newest items say. Throws a `RatingInvariantError`: where not all windows
 * were looked at one by one, they have to be.
 */
export function termItems(
  ratedNow: readonly RatedTerm[],
  gone: readonly ItemTerm[],
  { catalogVersion, records, stored, written }: Omit<RatingSituation, 'currencyOf'>,
): NewLineItem[] {
  const terms = gone.length === 0 ? ratedNow : [...ratedNow, ...gone.map(nothingOf)];
  const several = severalTimes(terms);
  return terms.flatMap((term) => {
    const { of, meter, to, contributions, amount } = term;
    const before = written.get(pricedText(of))?.get(termText(of));
    if (before === undefined && contributions.length === 0) return [];
    assertWrittenBefore(term, before);
    const period = stored.get(periodText(of));
    const closedUpTo = period?.closedUpTo ?? Number.NEGATIVE_INFINITY;
    const isChanged = period !== undefined && (period.catalogVersion !== catalogVersion || period.records !== records);
    const items = rate({
      ...{ price: amount, contributions, written: before?.windows ?? [] },
      writtenAmount: before?.amount ?? Decimal.zero,
      wasClosed: (windowEnd) => meter !== null && itemClosesAt(meter, windowEnd) <= closedUpTo,
      changedFrom: before === undefined ? (isChanged ? of.termStart : null) : to,
      mayReprice: isChanged || meter === null || several.has(of.price),
      onTimeCause: of.meter === null ? 'period_started' : 'window_closed',
    });
    return items.map((item) => ({ ...of, item }));
  });
}
