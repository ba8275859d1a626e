// What a price comes to with what stands around it, in the one order that there is:
//
//   1 allowance    `included`, and discounts of units, are taken off the units
//   2 price        the model's, or that of the subscription's own price in its place
//   3 discounts    of a rate, one after the other; then of an amount, which leave no less than nothing
//   4 maximum
//   5 minimum      an item of its own: what the period's charges fall short of it, once all of it is closed
//
// The amount stays a function of a period's quantity alone, and none costs nothing. A credit (an amount below zero) has
// the discounts of rates, by which it was charged, and no others.
import { Decimal } from '../../number/decimal.ts';
import { parseRfc3339 } from '../../time/rfc3339.ts';
import type { AroundPrice, Discount } from './around-price.ts';

const ONE = Decimal.parse('1');

/** How many units of a whole period cost nothing. */
export function freeUnitsOf({ included, discounts }: AroundPrice): Decimal {
  let free = included === undefined ? Decimal.zero : Decimal.parse(included.units);
  for (const { units } of discounts ?? []) if (units !== undefined) free = free.plus(Decimal.parse(units));
  return free;
}

/** The units that cost something, of those of a whole period. What is below zero is credited. */
export function billableUnits(price: AroundPrice, used: Decimal): Decimal {
  if (price.included === undefined && price.discounts === undefined) return used;
  if (used.compare(Decimal.zero) <= 0) return used;
  const left = used.minus(freeUnitsOf(price));
  return left.isNegative ? Decimal.zero : left;
}

/** Of `billable` units, whose price by the model is `amountOf`. */
export function chargeOf(
  { discounts, maximum }: AroundPrice,
  amountOf: (units: Decimal) => Decimal,
  billable: Decimal,
): Decimal {
  let charge = billable.isZero ? Decimal.zero : amountOf(billable);
  for (const { rate } of discounts ?? []) if (rate !== undefined) charge = charge.times(ONE.minus(Decimal.parse(rate)));
  for (const { amount } of discounts ?? [])
    if (amount !== undefined && !charge.isNegative) charge = lessAmount(charge, Decimal.parse(amount));
  return maximum === undefined ? charge : Decimal.min(charge, Decimal.parse(maximum));
}

/** What is charged for a minimum where a period came to `charged`: the two together are no less than it. */
export const minimumDue = (minimum: Decimal, charged: Decimal): Decimal => lessAmount(minimum, charged);

function lessAmount(charge: Decimal, amount: Decimal): Decimal {
  const left = charge.minus(amount);
  return left.isNegative ? Decimal.zero : left;
}

/** Whether something around a price is of a period as a whole, so that terms share what it comes to (T6). */
export const isOfPeriod = ({ discounts, maximum }: AroundPrice): boolean =>
  maximum !== undefined || (discounts?.some(({ amount }) => amount !== undefined) ?? false);

export const boundsOf = ({ discounts = [] }: Pick<AroundPrice, 'discounts'>): number[] =>
  discounts.flatMap(({ from, until }) =>
    [from, until].flatMap((bound) => (bound === undefined ? [] : instantOf(bound))),
  );

// Definitions are immutable, and each is looked at for every customer.
const instants = new Map<string, number>();

function instantOf(text: string): number {
  const known = instants.get(text) ?? parseRfc3339(text);
  if (known === null) throw new RangeError(`a discount's bound is no instant: ${text}`);
  instants.set(text, known);
  return known;
}

export const holdsAt = ({ from, until }: Discount, instant: number): boolean =>
  (from === undefined || instantOf(from) <= instant) && (until === undefined || instant < instantOf(until));

const resolved = new WeakMap<AroundPrice, Map<string, AroundPrice>>();

/** A price with the discounts that hold at an instant, told without their time: the same price for the same ones. */
export function discountedAt<Priced extends AroundPrice>(price: Priced, instant: number): Priced {
  const { discounts } = price;
  if (discounts === undefined) return price;
  const holding = discounts.filter((discount) => holdsAt(discount, instant));
  const isAlways = discounts.every(({ from, until }) => from === undefined && until === undefined);
  if (isAlways) return price;
  const key = holding.map((discount) => discounts.indexOf(discount)).join();
  const known = resolved.get(price) ?? new Map<string, AroundPrice>();
  resolved.set(price, known);
  const found = known.get(key) ?? withDiscounts(price, holding);
  known.set(key, found);
  return found as Priced;
}

function withDiscounts<Priced extends AroundPrice>(price: Priced, holding: readonly Discount[]): Priced {
  const { discounts: _, ...others } = price;
  if (holding.length === 0) return others as Priced;
  return { ...others, discounts: holding.map(({ from: _from, until: _until, ...of }) => of) } as unknown as Priced;
}
