// volume: the whole quantity costs what the tier that the total falls in says (upTo is inclusive), plus that tier's
// flatAmount. The amount may fall as usage grows: 1,001 units may cost less than 1,000. No usage costs nothing;
// negative usage is credited at the first tier's rate, without its flatAmount.
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';
import { tierAt } from '../tiers/bounded-tiers.ts';
import { isFreeTier, readTiers, type Tiered, tiersSchema, tiersTerms } from '../tiers/tiers.ts';

export interface VolumePrice extends UsagePriceFields, Tiered {
  readonly model: 'volume';
}

export const volume: UsageModel<VolumePrice> = {
  schema: tiersSchema,
  read: ({ tiers }) => readTiers(tiers),
  terms: tiersTerms,
  amount(cumulative, { tiers }) {
    if (cumulative.isZero) return Decimal.zero;
    const tier = tierAt(tiers, cumulative);
    const amount = cumulative.times(Decimal.parse(tier.unitAmount));
    return cumulative.isNegative ? amount : amount.plus(Decimal.parse(tier.flatAmount));
  },
  isFree: isFreeTier,
  carries: () => false,
};
