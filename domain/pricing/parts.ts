// The parts of a price: whatever of it has a quantity of its own is a price of its own where records become terms,
// under a name that begins with the slug. So a percentage with a fee for each event is two prices of usage, of two
// meters. A slug has no "/", so no part has the name of another price.
import { isUsagePrice, type Price, type UsagePrice } from './prices.ts';

const FEE = '/fee';

const known = new WeakMap<Price, readonly Price[]>();

/** In one order, the price itself first; of most prices that is all. */
export function partsOf(price: Price): readonly Price[] {
  if (!isUsagePrice(price) || price.model !== 'percentage' || price.fee === undefined) return [price];
  const found = known.get(price) ?? withFee(price);
  known.set(price, found);
  return found;
}

function withFee(price: Extract<UsagePrice, { model: 'percentage' }>): readonly Price[] {
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
  return [ofMoney as Price, ofEvents];
}

/** Of a part's name, or a price's own. */
export const slugOfPart = (name: string): string => {
  const end = name.indexOf('/');
  return end === -1 ? name : name.slice(0, end);
};

/** The part of a price that has a name; null: it has none of it. */
export const partNamed = (price: Price, name: string): Price | null =>
  partsOf(price).find(({ slug }) => slug === name) ?? null;
