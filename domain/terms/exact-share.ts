// A share cut out of an amount (P7): the cumulative amounts at both ends, each rounded to 12 decimals half to even,
// subtracted. The end of the whole is not rounded. So the parts add up to the whole, however many and however small.
import { Decimal } from '../number/decimal.ts';
import { halfEven } from '../number/half-even.ts';
import type { Quantity } from '../number/quantity.ts';

const SHARE_FRACTION_DIGITS = 12;
const SHARE_SCALE = 10n ** BigInt(SHARE_FRACTION_DIGITS);

/** What an amount has come to after `part` of `whole` units. Throws a RangeError where the whole is nothing. */
function amountAfter(amount: Decimal, part: bigint, whole: bigint): Decimal {
  if (whole === 0n) throw new RangeError('no share of nothing');
  if (part === whole) return amount;
  const sign = whole < 0n ? -1n : 1n;
  const numerator = amount.coefficient * part * sign * SHARE_SCALE;
  return new Decimal(halfEven(numerator, 10n ** BigInt(amount.scale) * whole * sign), SHARE_FRACTION_DIGITS);
}

/** What a quantity has come to after `part` of `whole`, which is positive. A quantity has 12 decimals. */
export const quantityAfter = (quantity: Quantity, part: bigint, whole: bigint): Quantity =>
  part === whole ? quantity : halfEven(quantity * part, whole);

/** What of an amount lies between two places of its whole. */
export const amountBetween = (amount: Decimal, from: bigint, to: bigint, whole: bigint): Decimal =>
  amountAfter(amount, to, whole).minus(amountAfter(amount, from, whole));
