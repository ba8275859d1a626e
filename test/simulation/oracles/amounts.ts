// What quantities cost, apart from the code under test: quantities are counts of 10^-12, amounts of 10^-24.
import type { UsagePrice } from '../../../domain/pricing/prices.ts';
import type { Tier } from '../../../domain/pricing/tiers/tiers.ts';
import type { Ratio, SlowAmountFields } from '../../terms/slow-numbers.ts';
import { unitsOf } from './units.ts';

const ONE = 10n ** 12n;
const SCALE = ONE * ONE;

export function scaled(text: string): bigint {
  const [integer = '0', fraction = ''] = text.replace('-', '').split('.');
  const value = BigInt(integer + fraction.padEnd(24, '0'));
  return text.startsWith('-') ? -value : value;
}

/** A fraction that has no more digits than amounts have. */
export function scaledRatio({ n, d }: Ratio): bigint {
  if ((n * SCALE) % d !== 0n) throw new RangeError(`${n}/${d} is no amount`);
  return (n * SCALE) / d;
}

/** What an amount has come to after a part of a whole: rounded to 12 decimals, half to even, but at the whole's end. */
function amountAfter(amount: bigint, part: bigint, whole: bigint): bigint {
  if (part === whole) return amount;
  const [n, d] = whole < 0n ? [-amount * part, -whole * ONE] : [amount * part, whole * ONE];
  const rest = ((n % d) + d) % d;
  const floor = (n - rest) / d;
  const isUp = 2n * rest > d || (2n * rest === d && floor % 2n !== 0n);
  return (isUp ? floor + 1n : floor) * ONE;
}

export const amountBetween = (amount: bigint, from: bigint, to: bigint, whole: bigint): bigint =>
  amountAfter(amount, to, whole) - amountAfter(amount, from, whole);

/** A price as the slow model has it, of one quantity. */
type OfOneQuantity = SlowAmountFields;

/** Units of a whole period that cost nothing. */
export function freeUnits({ included, discounts = [] }: OfOneQuantity): bigint {
  const all = [included?.units, ...discounts.map(({ units }) => units)];
  return all.reduce((sum, units) => sum + unitsOf(units ?? '0'), 0n);
}

/** Of a period's whole usage; nothing costs nothing. */
export function amountOf(price: OfOneQuantity, quantity: bigint): bigint {
  if (quantity <= 0n) return chargeOf(price, quantity);
  const free = freeUnits(price);
  return chargeOf(price, quantity > free ? quantity - free : 0n);
}

/** Of units of which nothing is free. */
export function chargeOf(price: OfOneQuantity, units: bigint): bigint {
  let amount = units === 0n ? 0n : modelAmount(price, units);
  const discounts = price.discounts ?? [];
  for (const { rate } of discounts) {
    if (rate === undefined) continue;
    const product = amount * (ONE - unitsOf(rate));
    if (product % ONE !== 0n) throw new RangeError(`a discount of ${rate} gives more digits than amounts have here`);
    amount = product / ONE;
  }
  for (const discount of discounts) {
    if (discount.amount === undefined || amount <= 0n) continue;
    const off = scaled(discount.amount);
    amount = amount > off ? amount - off : 0n;
  }
  const most = price.maximum === undefined ? amount : scaled(price.maximum);
  return amount > most ? most : amount;
}

function modelAmount(price: OfOneQuantity, quantity: bigint): bigint {
  const tiers = price.tiers ?? [];
  const model = price.model as UsagePrice['model'];
  switch (model) {
    case 'per_unit':
      return quantity * unitsOf(price.unitAmount!);
    case 'percentage':
      return quantity * unitsOf(price.rate!);
    case 'package': {
      if (quantity <= 0n) return 0n;
      const size = unitsOf(price.packageSize!);
      return ((quantity + size - 1n) / size) * scaled(price.packageAmount!);
    }
    case 'volume': {
      if (quantity < 0n) return quantity * unitsOf(tiers[0]!.unitAmount!);
      const tier = tiers.find(({ upTo }) => upTo === null || quantity <= unitsOf(upTo))!;
      return quantity * unitsOf(tier.unitAmount!) + scaled(tier.flatAmount!);
    }
    case 'graduated':
      return graduatedAmount(tiers as readonly Tier[], quantity);
    case 'stairstep':
    case 'tiered_package':
    case 'graduated_percentage':
    case 'cost_plus':
    case 'matrix':
      throw new Error(`no catalog of the simulation has a ${model} price`);
  }
}

function graduatedAmount(tiers: readonly Tier[], quantity: bigint): bigint {
  if (quantity < 0n) return quantity * unitsOf(tiers[0]!.unitAmount);
  let amount = 0n;
  let below = 0n;
  for (const { upTo, unitAmount, flatAmount } of tiers) {
    if (quantity <= below) break;
    const top = upTo === null || unitsOf(upTo) > quantity ? quantity : unitsOf(upTo);
    amount += (top - below) * unitsOf(unitAmount) + scaled(flatAmount);
    below = top;
  }
  return amount;
}
