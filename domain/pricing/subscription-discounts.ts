// The discounts of a subscription, beside those that its prices have themselves. One of a rate is of all that the
// subscription has, fees too, or of one price; one of units or of an amount is of one price of usage with one quantity,
// and takes nothing off another. With those of the price they are one list: so the order is the one that there is
// (around/charge.ts), and which of two came first makes no difference. A minimum is what is left to be paid after
// discounts, and has none.
import { type Field, isAbsent, readList, readSlug, refuse } from '../fields/catalog-fields.ts';
import { Decimal } from '../number/decimal.ts';
import { DISCOUNTS_MAX, type Discount, readDiscount } from './around/around-price.ts';
import { holdsAt } from './around/charge.ts';
import { isMinimum, slugOfPart } from './parts.ts';
import { isUsagePrice, type Part } from './prices.ts';

export interface SubscriptionDiscount extends Discount {
  /** A slug; absent: of all prices. */
  readonly price?: string;
}

export const NO_DISCOUNTS: readonly SubscriptionDiscount[] = [];

function readOne(field: Field): SubscriptionDiscount | null {
  const { source, path, value } = field;
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  const { price: given, ...of } = isMap ? (value as Readonly<Record<string, unknown>>) : {};
  const discount = readDiscount(isMap ? { source, path, value: of } : field);
  const named: Field = { source, path: [...path, 'price'], value: given };
  const price = isAbsent(named) ? undefined : readSlug(named);
  if (discount === null || price === null) return null;
  if (price === undefined && discount.rate === undefined)
    return refuse(named, 'is missing: units, or an amount, are of one price. A rate may be of all');
  return price === undefined ? discount : { price, ...discount };
}

/** A list, which may be empty. Null after it has said what is wrong. */
export function readSubscriptionDiscounts(field: Field): readonly SubscriptionDiscount[] | null {
  const list = readList(field, DISCOUNTS_MAX);
  const discounts = list?.map(readOne).filter((discount) => discount !== null);
  return discounts === undefined || discounts.length < list!.length ? null : discounts;
}

function isOf({ price: slug, rate }: SubscriptionDiscount, price: Part): boolean {
  if (isMinimum(price.slug)) return false;
  if (slug !== undefined && slug !== slugOfPart(price.slug)) return false;
  return rate !== undefined || (isUsagePrice(price) && price.model !== 'matrix' && price.slug === slug);
}

const ONE = Decimal.parse('1');

function withDiscounts(price: Part, discounts: readonly Discount[]): Part {
  if (isUsagePrice(price)) return { ...price, discounts: [...(price.discounts ?? []), ...discounts] };
  const left = discounts.reduce(
    (amount, { rate }) => amount.times(ONE.minus(Decimal.parse(rate!))),
    Decimal.parse(price.flatAmount),
  );
  return { ...price, flatAmount: left.toString() };
}

// Definitions are immutable, and each is looked at for every customer.
const known = new WeakMap<Part, Map<string, Part>>();

/** A price, with the discounts that hold in it by now, and those of its subscription; itself where none is of it. */
export function discountedBy(price: Part, discounts: readonly SubscriptionDiscount[], instant: number): Part {
  const holding = discounts
    .filter((discount) => holdsAt(discount, instant) && isOf(discount, price))
    .map(({ price: _, from: _from, until: _until, ...of }): Discount => of);
  if (holding.length === 0) return price;
  const key = JSON.stringify(holding);
  const ofPrice = known.get(price) ?? new Map<string, Part>();
  known.set(price, ofPrice);
  const found = ofPrice.get(key) ?? withDiscounts(price, holding);
  ofPrice.set(key, found);
  return found;
}
