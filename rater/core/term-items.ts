// The line items that are missing in the periods of a customer that start at an instant: of every term of every price
// that is looked at, and of the terms that are no more (T14).
import {
  POOLED,
  type PricedKey,
  periodText,
  type RatedPeriod,
  type TermOfSubject,
  termText,
} from '../../domain/billing/billing-period-terms.ts';
import { itemClosesAt } from '../../domain/billing/item-span.ts';
import {
  EARLIER,
  type ItemTerm,
  type NewLineItem,
  type RatedItem,
  type WrittenPrices,
  type WrittenTerm,
  type WrittenWindow,
} from '../../domain/billing/line-item.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, type Quantity } from '../../domain/number/quantity.ts';
import { lineSlugOf } from '../../domain/pricing/matrix-cells.ts';
import type { PeriodTarget } from '../../domain/rating/period-targets.ts';
import type { RatedTerm } from '../../domain/rating/rated-terms.ts';
import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { RatingInvariantError, rate } from './rate.ts';

/** By what a batch rates a customer. */
export interface RatingSituation {
  /** Its tenant's. */
  readonly catalog: Pick<RatingCatalog, 'version' | 'numberAt'>;
  /** How many records the customer's subscriptions have. */
  readonly records: number;
  /** By `periodText`, as they were last rated. */
  readonly stored: ReadonlyMap<string, RatedPeriod>;
  /** In the target's periods. */
  readonly written: WrittenPrices;
}

const isNothing = ({ windows, amount }: WrittenTerm): boolean =>
  amount.isZero && windows.every(({ quantity }) => quantity === 0n);

const isSameTerm = (one: TermOfSubject, other: TermOfSubject): boolean =>
  one.termStart === other.termStart &&
  one.periodEnd === other.periodEnd &&
  one.subscription === other.subscription &&
  one.subject === other.subject;

/** What is written of the prices that are looked at and is not among `terms`. */
export function goneTerms(target: PeriodTarget, terms: readonly RatedTerm[], written: WrittenPrices): PricedKey[] {
  const { tenant, customer, periodStart } = target;
  const gone: PricedKey[] = [];
  for (const [price, termsWritten] of written) {
    if (target.prices?.has(lineSlugOf(price)) === false) continue;
    const standing = terms.filter(({ of }) => of.price === price);
    for (const term of termsWritten.values()) {
      if (isNothing(term) || standing.some(({ of }) => isSameTerm(of, term))) continue;
      const { subscription, periodEnd, termStart, subject } = term;
      gone.push({ tenant, customer, periodStart, price, subscription, periodEnd, termStart, subject });
    }
  }
  return gone;
}

const nothingOf = (of: ItemTerm): RatedTerm => ({
  ...{ of, meter: null, to: of.termStart, cause: 'period_started', contributions: [] },
  amount: () => Decimal.zero,
});

/** The prices with more than one term, with those that are gone. */
function severalTimes(terms: readonly RatedTerm[]): ReadonlySet<string> {
  const first = new Map<string, ItemTerm>();
  const several = new Set<string>();
  for (const { of } of terms) {
    const known = first.get(of.price);
    if (known === undefined) first.set(of.price, of);
    else if (!isSameTerm(known, { ...of, subject: known.subject })) several.add(of.price);
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
  { catalog, records, stored, written }: RatingSituation,
): NewLineItem[] {
  const terms = gone.length === 0 ? ratedNow : [...ratedNow, ...gone.map(nothingOf)];
  const several = severalTimes(terms);
  const lineItems: NewLineItem[] = [];
  for (const term of terms) {
    const { of, meter, contributions, amount, cause } = term;
    const before = written.get(of.price)?.get(termText(of));
    if (before === undefined && contributions.length === 0) continue;
    assertWrittenBefore(term, before);
    const period = stored.size === 0 ? undefined : stored.get(periodText(of));
    const closedUpTo = period?.closedUpTo ?? Number.NEGATIVE_INFINITY;
    const isChanged =
      period !== undefined &&
      (catalog.numberAt(period.catalogVersion) !== catalog.version || period.records !== records);
    const items = rate({
      price: amount,
      contributions,
      written: before?.windows ?? NOTHING_WRITTEN,
      writtenAmount: before?.amount ?? Decimal.zero,
      wasClosed: (windowEnd) => meter !== null && itemClosesAt(meter, windowEnd) <= closedUpTo,
      changedFrom: before === undefined ? (isChanged ? of.termStart : null) : changedFrom(term, gone),
      mayReprice: isChanged || meter === null || several.has(of.price),
      onTimeCause: cause,
      // What a period falls short of its minimum changes with its usage.
      repricedBy: cause === 'minimum_due' && !isChanged ? 'late_usage' : 'plan_change',
    });
    for (const item of items) lineItems.push(itemOf(of, item));
  }
  return lineItems;
}

/** From where on windows of a term were another's, or are: from its end on, or where one began that is no more. */
function changedFrom({ of, to }: RatedTerm, gone: readonly ItemTerm[]): number {
  let from = to;
  for (const { price, subject, termStart } of gone)
    if (price === of.price && subject === of.subject && termStart >= of.termStart) from = Math.min(from, termStart);
  return from;
}

const NOTHING_WRITTEN: readonly WrittenWindow[] = [];

const itemOf = (of: ItemTerm, item: RatedItem): NewLineItem => ({
  tenant: of.tenant,
  customer: of.customer,
  subscription: of.subscription,
  periodStart: of.periodStart,
  periodEnd: of.periodEnd,
  price: of.price,
  termStart: of.termStart,
  subject: of.subject,
  plan: of.plan,
  meter: of.meter,
  groups: of.groups,
  currency: of.currency,
  catalogVersion: of.catalogVersion,
  item,
});
