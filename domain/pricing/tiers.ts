// Tiers, as graduated and volume prices have them: ascending, the last without an upper bound, so that every quantity
// has a price.

import { type Field, isAbsent, readDecimal, readList, readMap, refuse } from '../fields/catalog-fields.ts';
import { Decimal } from '../number/decimal.ts';
import type { JsonSchema, Terms } from './price-model.ts';

const TIERS_MAX = 100;

export interface Tier {
  /** Inclusive upper bound of the tier as decimal text; null for the last. */
  readonly upTo: string | null;
  readonly unitAmount: string;
  readonly flatAmount: string;
}

export interface Tiered {
  readonly tiers: readonly Tier[];
}

export const tiersSchema: Readonly<Record<'tiers', JsonSchema>> = {
  tiers: {
    type: 'array',
    minItems: 1,
    maxItems: TIERS_MAX,
    items: {
      type: 'object',
      required: ['upTo'],
      anyOf: [{ required: ['unitAmount'] }, { required: ['flatAmount'] }],
      additionalProperties: false,
      properties: {
        upTo: { oneOf: [{ $ref: '#/$defs/positiveDecimal' }, { type: 'null' }], description: 'Inclusive.' },
        unitAmount: { $ref: '#/$defs/decimal' },
        flatAmount: { $ref: '#/$defs/decimal' },
      },
    },
    contains: { properties: { upTo: { type: 'null' } } },
    maxContains: 1,
    description: 'Ascending; only the last has upTo: null.',
  },
};

const tierText = ({ upTo, unitAmount, flatAmount }: Tier): string =>
  `${upTo === null ? 'above' : `up to ${upTo}`} ${unitAmount} a unit${flatAmount === '0' ? '' : ` + ${flatAmount}`}`;

export const tiersTerms = ({ tiers }: Tiered): Terms => ({ tiers: `[${tiers.map(tierText).join('; ')}]` });

/**
 * True where a unit of the tier that a quantity falls in costs nothing, and reaching that tier has cost nothing either.
 */
export function isFreeTier(quantity: Decimal, { tiers }: Tiered): boolean {
  const tier = tiers.find(({ upTo }) => upTo === null || quantity.compare(Decimal.parse(upTo)) <= 0);
  if (tier === undefined) return false;
  return Decimal.parse(tier.unitAmount).isZero && (quantity.isNegative || Decimal.parse(tier.flatAmount).isZero);
}

function readTier(field: Field): Tier | null {
  const fields = readMap(field, ['upTo', 'unitAmount', 'flatAmount']);
  if (fields === null) return null;
  const upTo = fields.upTo.value === null ? null : readDecimal(fields.upTo);
  if (isAbsent(fields.unitAmount) && isAbsent(fields.flatAmount))
    return refuse(field, 'needs unitAmount, flatAmount or both');
  const unitAmount = isAbsent(fields.unitAmount) ? '0' : readDecimal(fields.unitAmount);
  const flatAmount = isAbsent(fields.flatAmount) ? '0' : readDecimal(fields.flatAmount);
  return unitAmount === null || flatAmount === null || (upTo === null && fields.upTo.value !== null)
    ? null
    : { upTo, unitAmount, flatAmount };
}

export function readTiers(field: Field): Tiered | null {
  const entries = readList(field, TIERS_MAX);
  if (entries === null) return null;
  if (entries.length === 0) return refuse(field, 'needs at least one tier');
  const tiers = entries.map(readTier).filter((tier) => tier !== null);
  if (tiers.length < entries.length) return null;
  let lowerBound = Decimal.zero;
  for (const [index, { upTo }] of tiers.entries()) {
    const entry = entries[index]!;
    const at: Field = { ...entry, path: [...entry.path, 'upTo'] };
    const isLast = index === tiers.length - 1;
    if (upTo === null) {
      if (!isLast) refuse(at, 'only the last tier is without an upper bound');
    } else if (isLast) {
      refuse(at, `the last tier must have "upTo: null", got "${upTo}": usage above it would have no price`);
    } else {
      const bound = Decimal.parse(upTo);
      if (bound.compare(lowerBound) <= 0) {
        refuse(at, `must be above ${lowerBound} (${index === 0 ? 'zero' : 'the tier before'}), got "${upTo}"`);
      }
      lowerBound = bound;
    }
  }
  return { tiers };
}
