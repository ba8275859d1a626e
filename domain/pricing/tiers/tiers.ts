// Tiers with an amount for each unit, and one for the tier, as graduated and volume prices have them.

import { type Field, isAbsent, readDecimal, refuse } from '../../fields/catalog-fields.ts';
import type { Terms } from '../../fields/definition-form.ts';
import { Decimal } from '../../number/decimal.ts';
import { type BoundedTier, boundedTiersSchema, boundedTiersText, readBoundedTiers, tierAt } from './bounded-tiers.ts';

export interface Tier extends BoundedTier {
  readonly unitAmount: string;
  readonly flatAmount: string;
}

export interface Tiered {
  readonly tiers: readonly Tier[];
}

export const tiersSchema = boundedTiersSchema({
  anyOf: [{ required: ['unitAmount'] }, { required: ['flatAmount'] }],
  properties: { unitAmount: { $ref: '#/$defs/decimal' }, flatAmount: { $ref: '#/$defs/decimal' } },
});

export const tiersTerms = ({ tiers }: Tiered): Terms => ({
  tiers: boundedTiersText(
    tiers,
    ({ unitAmount, flatAmount }) => `${unitAmount} a unit${flatAmount === '0' ? '' : ` + ${flatAmount}`}`,
  ),
});

/**
 * True where a unit of the tier that a quantity falls in costs nothing, and reaching that tier has cost nothing either.
 */
export function isFreeTier(quantity: Decimal, { tiers }: Tiered): boolean {
  const { unitAmount, flatAmount } = tierAt(tiers, quantity);
  return Decimal.parse(unitAmount).isZero && (quantity.isNegative || Decimal.parse(flatAmount).isZero);
}

export const readTiers = (field: Field): Tiered | null =>
  readBoundedTiers(field, ['unitAmount', 'flatAmount'], (fields, tier) => {
    if (isAbsent(fields.unitAmount) && isAbsent(fields.flatAmount))
      return refuse(tier, 'needs unitAmount, flatAmount or both');
    const unitAmount = isAbsent(fields.unitAmount) ? '0' : readDecimal(fields.unitAmount);
    const flatAmount = isAbsent(fields.flatAmount) ? '0' : readDecimal(fields.flatAmount);
    return unitAmount === null || flatAmount === null ? null : { unitAmount, flatAmount };
  });
