// graduated_percentage: the meter adds up amounts of money, and each part of their sum costs the share that its tier
// says: 2 % of the first 10,000 and 1 % of what is above. A rate is a fraction, so 2 % is "0.02". A negative sum
// (refunds) is credited at the first tier's rate.
import { readDecimal } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';
import {
  type BoundedTier,
  boundedTiersSchema,
  boundedTiersText,
  readBoundedTiers,
  sumOfTiers,
  tierAt,
} from '../tiers/bounded-tiers.ts';

interface RateTier extends BoundedTier {
  readonly rate: string;
}

export interface GraduatedPercentagePrice extends UsagePriceFields {
  readonly model: 'graduated_percentage';
  readonly tiers: readonly RateTier[];
}

export const graduatedPercentage: UsageModel<GraduatedPercentagePrice> = {
  schema: boundedTiersSchema({ required: ['rate'], properties: { rate: { $ref: '#/$defs/decimal' } } }),
  read: ({ tiers }) =>
    readBoundedTiers(tiers, ['rate'], (fields) => {
      const rate = readDecimal(fields.rate);
      return rate === null ? null : { rate };
    }),
  terms: ({ tiers }) => ({ tiers: boundedTiersText(tiers, ({ rate }) => `${rate} of the amount`) }),
  amount(cumulative, { tiers }) {
    if (cumulative.isNegative) return cumulative.times(Decimal.parse(tiers[0]?.rate ?? '0'));
    return sumOfTiers(tiers, cumulative, (part, { rate }) => part.times(Decimal.parse(rate)));
  },
  isFree: (cumulative, { tiers }) => Decimal.parse(tierAt(tiers, cumulative).rate).isZero,
  carries: () => true,
};
