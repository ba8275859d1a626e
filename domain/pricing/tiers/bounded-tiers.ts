// A list of tiers, whatever a tier says of the quantities in it: ascending, the last without an upper bound, so that
// every quantity has a price. `upTo` is inclusive.

import { type Field, readDecimal, readList, readMap, refuse } from '../../fields/catalog-fields.ts';
import type { JsonSchema } from '../../fields/definition-form.ts';
import { Decimal } from '../../number/decimal.ts';

const TIERS_MAX = 100;

export interface BoundedTier {
  /** Inclusive upper bound of the tier as decimal text; null for the last. */
  readonly upTo: string | null;
}

/** `own`: what a tier says beside its bound, and which of it is needed. */
export const boundedTiersSchema = (own: JsonSchema): Readonly<Record<'tiers', JsonSchema>> => ({
  tiers: {
    type: 'array',
    minItems: 1,
    maxItems: TIERS_MAX,
    items: {
      ...own,
      type: 'object',
      required: ['upTo', ...((own.required as string[] | undefined) ?? [])],
      additionalProperties: false,
      properties: {
        upTo: { oneOf: [{ $ref: '#/$defs/positiveDecimal' }, { type: 'null' }], description: 'Inclusive.' },
        ...(own.properties as JsonSchema),
      },
    },
    contains: { properties: { upTo: { type: 'null' } } },
    maxContains: 1,
    description: 'Ascending; only the last has upTo: null.',
  },
});

/** Each tier in words, behind its bound. */
export const boundedTiersText = <Tier extends BoundedTier>(
  tiers: readonly Tier[],
  textOf: (tier: Tier) => string,
): string =>
  `[${tiers.map((tier) => `${tier.upTo === null ? 'above' : `up to ${tier.upTo}`} ${textOf(tier)}`).join('; ')}]`;

/** The tier that a quantity falls in. */
export function tierAt<Tier extends BoundedTier>(tiers: readonly Tier[], quantity: Decimal): Tier {
  const tier = tiers.find(({ upTo }) => upTo === null || quantity.compare(Decimal.parse(upTo)) <= 0);
  // A catalog's last tier has no bound, so this is a broken catalog, not a quantity without a price.
  if (tier === undefined) throw new Error('a price without a last tier');
  return tier;
}

/** Adds up what each tier says of the part of a quantity that lies in it; 0 for a quantity that is not positive. */
export function sumOfTiers<Tier extends BoundedTier>(
  tiers: readonly Tier[],
  quantity: Decimal,
  amountOfPart: (part: Decimal, tier: Tier) => Decimal,
): Decimal {
  let amount = Decimal.zero;
  let lowerBound = Decimal.zero;
  for (const tier of tiers) {
    if (quantity.compare(lowerBound) <= 0) break;
    const upperBound = tier.upTo === null ? quantity : Decimal.min(quantity, Decimal.parse(tier.upTo));
    amount = amount.plus(amountOfPart(upperBound.minus(lowerBound), tier));
    lowerBound = upperBound;
  }
  return amount;
}

/** `readOwn`: null after it has said at the field what is wrong. */
export function readBoundedTiers<Name extends string, Own>(
  field: Field,
  names: readonly Name[],
  readOwn: (fields: Readonly<Record<Name, Field>>, tier: Field) => Own | null,
): { readonly tiers: readonly (Own & BoundedTier)[] } | null {
  const entries = readList(field, TIERS_MAX);
  if (entries === null) return null;
  if (entries.length === 0) return refuse(field, 'needs at least one tier');
  const tiers = entries.map((entry) => readTier(entry, names, readOwn)).filter((tier) => tier !== null);
  if (tiers.length < entries.length) return null;
  checkBounds(entries, tiers);
  return { tiers };
}

function readTier<Name extends string, Own>(
  entry: Field,
  names: readonly Name[],
  readOwn: (fields: Readonly<Record<Name, Field>>, tier: Field) => Own | null,
): (Own & BoundedTier) | null {
  const fields = readMap(entry, ['upTo', ...names]);
  if (fields === null) return null;
  const upTo = fields.upTo.value === null ? null : readDecimal(fields.upTo);
  const own = readOwn(fields, entry);
  return own === null || (upTo === null && fields.upTo.value !== null) ? null : { upTo, ...own };
}

function checkBounds(entries: readonly Field[], tiers: readonly BoundedTier[]): void {
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
}
