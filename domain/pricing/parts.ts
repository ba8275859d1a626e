// The parts of a price: whatever of it has a quantity of its own is a price of its own where records become terms,
// under a name that begins with the slug. So a percentage with a fee for each event is two prices of usage, of two
// meters, and a price book is a matrix for each bucket. A slug has no "/", so no part has the name of another price.
import { bucketPrices, isBookPrice } from './book/book-price.ts';
import { isUsagePrice, type Part, type Price, type UsagePrice } from './prices.ts';

const FEE = '/fee';

const known = new WeakMap<Price, readonly Part[]>();

/** In one order; of most prices the price itself is all. */
export function partsOf(price: Price): readonly Part[] {
  const found = known.get(price) ?? madeParts(price);
  known.set(price, found);
  return found;
}

function madeParts(price: Price): readonly Part[] {
  if (isBookPrice(price)) return bucketPrices(price);
  if (!isUsagePrice(price) || price.model !== 'percentage' || price.fee === undefined) return [price];
  return withFee(price);
}

function withFee(price: Extract<UsagePrice, { model: 'percentage' }>): readonly Part[] {
  const { fee, rate: _, model: _model, slug, onChange, ...shared } = price;
  const { meter, amount, included } = fee!;
  const { discounts, maximum: _maximum, included: _included, ...own } = shared;
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

/** Of a part's name, or a price's own. */
export const slugOfPart = (name: string): string => {
  const end = name.indexOf('/');
  return end === -1 ? name : name.slice(0, end);
};

/** The part of a price that has a name; null: it has none of it. */
export const partNamed = (price: Price, name: string): Part | null =>
  partsOf(price).find(({ slug }) => slug === name) ?? null;
