// stairstep: the whole quantity costs the amount of the tier that the total falls in (upTo is inclusive), however much
// of the tier is used: up to 1,000 users 100, above that 180. No usage costs nothing, and neither does negative usage.
import { readDecimal } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';
import {
  type BoundedTier,
  boundedTiersSchema,
  boundedTiersText,
  readBoundedTiers,
  tierAt,
} from '../tiers/bounded-tiers.ts';

interface Stair extends BoundedTier {
  readonly amount: string;
}

export interface StairstepPrice extends UsagePriceFields {
  readonly model: 'stairstep';
  readonly tiers: readonly Stair[];
}

export const stairstep: UsageModel<StairstepPrice> = {
  schema: boundedTiersSchema({ required: ['amount'], properties: { amount: { $ref: '#/$defs/decimal' } } }),
  read: ({ tiers }) =>
    readBoundedTiers(tiers, ['amount'], (fields) => {
      const amount = readDecimal(fields.amount);
      return amount === null ? null : { amount };
    }),
  terms: ({ tiers }) => ({ tiers: boundedTiersText(tiers, ({ amount }) => `${amount} in all`) }),
  amount: (cumulative, { tiers }) =>
    cumulative.compare(Decimal.zero) <= 0 ? Decimal.zero : Decimal.parse(tierAt(tiers, cumulative).amount),
  // A stair is charged whole by the first unit on it, so those that follow are paid.
  isFree: (cumulative, { tiers }) =>
    cumulative.compare(Decimal.zero) <= 0 || Decimal.parse(tierAt(tiers, cumulative).amount).isZero,
  carries: () => false,
};
