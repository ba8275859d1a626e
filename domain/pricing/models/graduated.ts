// graduated: each unit costs what the tier it falls in says, so the first million stays at the first rate for ever. A
// tier's flatAmount is charged once the tier is reached, that is once the usage is above its lower bound; no usage
// costs nothing. Negative usage is credited at the first tier's rate, without its flatAmount.
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';
import { sumOfTiers } from '../tiers/bounded-tiers.ts';
import { isFreeTier, readTiers, type Tiered, tiersSchema, tiersTerms } from '../tiers/tiers.ts';

export interface GraduatedPrice extends UsagePriceFields, Tiered {
  readonly model: 'graduated';
}

export const graduated: UsageModel<GraduatedPrice> = {
  schema: tiersSchema,
  read: ({ tiers }) => readTiers(tiers),
  terms: tiersTerms,
  amount(cumulative, { tiers }) {
    if (cumulative.isNegative) return cumulative.times(Decimal.parse(tiers[0]?.unitAmount ?? '0'));
    return sumOfTiers(tiers, cumulative, (units, { unitAmount, flatAmount }) =>
      units.times(Decimal.parse(unitAmount)).plus(Decimal.parse(flatAmount)),
    );
  },
  isFree: isFreeTier,
  carries: ({ tiers }) => tiers.every(({ flatAmount }) => Decimal.parse(flatAmount).isZero),
};
