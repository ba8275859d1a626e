// What each subject cost of an amount (G4): an attribution, which nothing is posted by. The amount is shared by what
// the subjects used, in the order of their names, each part cut out exactly (P7): so the parts add up to the amount.
import type { Decimal } from '../number/decimal.ts';
import type { Quantity } from '../number/quantity.ts';
import { amountBetween } from '../terms/exact-share.ts';

/** What of a line item's quantity is a subject's. */
export interface SubjectQuantity {
  readonly subject: string;
  readonly quantity: Quantity;
}

export interface SubjectAmount extends SubjectQuantity {
  readonly amount: Decimal;
}

const sizeOf = (quantity: Quantity): Quantity => (quantity < 0n ? -quantity : quantity);
const sumOf = (quantities: readonly Quantity[]): Quantity => quantities.reduce((sum, each) => sum + each, 0n);

/**
 * In the order of subjects, each of whom is named once. Quantities that cancel out share by their sizes; null: there is
 * nothing to share by.
 */
export function attributed(amount: Decimal, used: readonly SubjectQuantity[]): SubjectAmount[] | null {
  const inOrder = used.filter(({ quantity }) => quantity !== 0n).sort((a, b) => (a.subject < b.subject ? -1 : 1));
  if (inOrder.length === 0) return null;
  const weights = inOrder.map(({ quantity }) => quantity);
  const shares = sumOf(weights) === 0n ? weights.map(sizeOf) : weights;
  const whole = sumOf(shares);
  let before = 0n;
  return inOrder.map((each, i) => {
    const after = before + shares[i]!;
    const part = amountBetween(amount, before, after, whole);
    before = after;
    return { ...each, amount: part };
  });
}
