// The parts of a price: whatever of it has items of its own is a price of its own where records become terms, under a
// name that begins with the slug. So a percentage with a fee for each event is two prices of usage, of two meters; a
// price book is a matrix for each bucket; and a price with a minimum is the price without it, and what is charged at
// the end of a period that came to less. A slug has no "/", so no part has the name of another price.
import { bucketPrices, isBookPrice } from './book/book-price.ts';
import type { FlatPrice } from './models/flat.ts';
import type { PeriodLength } from './price-choices.ts';
import { isUsagePrice, type Part, type Price, type UsagePrice } from './prices.ts';

const FEE = '/fee';
const MINIMUM = '/minimum';
/** Of all prices of a plan. No slug begins so. */
const PLAN_MINIMUM = `*${MINIMUM}`;

/** The least that a plan costs in a period. */
export interface PlanMinimum {
  readonly amount: string;
  /** Absent: a month. */
  readonly every?: PeriodLength;
}

const known = new WeakMap<Price, readonly Part[]>();

/** In one order; of most prices the price itself is all. */
export function partsOf(price: Price): readonly Part[] {
  const found = known.get(price) ?? madeParts(price);
  known.set(price, found);
  return found;
}

/** Of all prices of a plan, and of the plan itself. */
export const partsOfPlan = ({
  prices,
  minimum,
}: {
  readonly prices: readonly Price[];
  readonly minimum?: PlanMinimum;
}) => [...prices.flatMap(partsOf), ...(minimum === undefined ? [] : [minimumPart(PLAN_MINIMUM, minimum)])];

function madeParts(price: Price): readonly Part[] {
  if (isBookPrice(price)) return bucketPrices(price);
  if (!isUsagePrice(price)) return [price];
  if (price.model === 'percentage' && price.fee !== undefined) return withFee(price);
  return price.minimum === undefined ? [price] : withMinimum(price);
}

function withFee(price: Extract<UsagePrice, { model: 'percentage' }>): readonly Part[] {
  const { fee, rate: _, model: _model, slug, onChange, ...shared } = price;
  const { meter, amount, included } = fee!;
  const { discounts, maximum: _maximum, minimum: _minimum, included: _included, ...own } = shared;
  const ofEvents: UsagePrice = {
    ...own,
    ...(onChange !== undefined && { onChange }),
    ...{ slug: `${slug}${FEE}`, meter, model: 'per_unit', unitAmount: amount },
    ...(discounts !== undefined && { discounts }),
    ...(included !== undefined && { included }),
  };
  const { fee: _fee, ...ofMoney } = price;
  return [ofMoney as Part, ofEvents];
}

function withMinimum({ minimum, ...price }: UsagePrice): readonly Part[] {
  return [price as Part, minimumPart(minimumOf(price.slug), { amount: minimum!, every: price.every })];
}

const minimumPart = (
  slug: string,
  { amount, every }: { amount: string; every?: PeriodLength | undefined },
): FlatPrice => ({
  ...{ slug, model: 'flat', flatAmount: amount, charge: 'in_arrears' },
  ...(every !== undefined && { every }),
});

/** Of a price's slug, the name of its minimum. */
export const minimumOf = (slug: string): string => `${slug}${MINIMUM}`;

export const isMinimum = (name: string): boolean => name.endsWith(MINIMUM);

/** Of a minimum's name: the slug of the price that it is of; null: it is a plan's. */
export const slugOfMinimum = (name: string): string | null => (name === PLAN_MINIMUM ? null : slugOfPart(name));

/** Of a part's name, or a price's own. */
export const slugOfPart = (name: string): string => {
  const end = name.indexOf('/');
  return end === -1 ? name : name.slice(0, end);
};

/** The part of a price that has a name; null: it has none of it. */
export const partNamed = (price: Price, name: string): Part | null =>
  partsOf(price).find(({ slug }) => slug === name) ?? null;
