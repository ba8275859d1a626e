// What all prices of usage have: the meter they price, which of its group values, and what they choose about time.
import {
  type Field,
  isAbsent,
  readBoolean,
  readChoice,
  readEntries,
  readSlug,
  readText,
  refuse,
} from '../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../fields/definition-form.ts';
import type { Meter } from '../metering/meter.ts';
import { type AroundPrice, aroundSchema, aroundTerms } from './around/around-price.ts';
import { readUsageChoices, usageChoicesSchema, usageChoicesTerms } from './choice-fields.ts';
import type { KnownMeters, PriceContext, UsagePriceFields } from './price-model.ts';

const matchSchema: JsonSchema = {
  type: 'object',
  description: 'Only usage with these group values; "": without the property. Left out: all usage of the meter.',
  additionalProperties: { oneOf: [{ const: '' }, { $ref: '#/$defs/text' }] },
};

/** Why a meter can't tell usage apart by a name; null: it can. */
export function dimensionFault({ slug, dimensions }: Meter, name: string): string | null {
  const names = dimensions.map((each) => each.name);
  if (names.includes(name)) return null;
  const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  return `is not in groupBy of meter ${JSON.stringify(slug)}: ${known}`;
}

/** Of prices of one meter, or of several. */
function readMatch(field: Field, meters: readonly Meter[]): Readonly<Record<string, string>> | null {
  if (isAbsent(field)) return {};
  const entries = readEntries(field);
  if (entries === null) return null;
  const match: [string, string][] = [];
  for (const [name, entry] of entries) {
    // The group value of an event in which the property is missing, null or empty.
    const value = entry.value === '' ? '' : readText(entry);
    const fault = meters.map((meter) => dimensionFault(meter, name)).find((each) => each !== null);
    if (fault != null) refuse(entry, fault, 'key');
    else if (value !== null) match.push([name, value]);
  }
  return Object.fromEntries(match.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const pers = ['customer', 'subject'] as const;

const perSchema: JsonSchema = {
  enum: pers,
  default: 'customer',
  description:
    "customer: the usage of all of a customer's subjects is one quantity, as the meter's `across` says. subject: each of them has its own, with tiers of its own.",
};

/** The default is left out of a stored definition: a catalog of before there was a choice is still the same. */
const readPer = (field: Field): Pick<UsagePriceFields, 'per'> | null => {
  const per = isAbsent(field) ? 'customer' : readChoice(field, pers);
  return per === null ? null : per === 'subject' ? { per } : {};
};

const otherwiseSchema: JsonSchema = {
  type: 'boolean',
  default: false,
  description:
    'true: of what it matches, it takes only what no other price of the meter matches, in any active subscription of the customer. So no usage is free by accident.',
};

const overlapSchema: JsonSchema = {
  type: 'boolean',
  default: false,
  description:
    'true: it charges what it matches beside any other price that does, in whatever subscription, and takes nothing from prices that are otherwise. Left out: what would charge the same usage twice is refused.',
};

/** The default is left out of a stored definition, as of `per`. */
function readOtherwise(
  fields: Readonly<Record<'otherwise' | 'overlap', Field>>,
): Pick<UsagePriceFields, 'otherwise' | 'overlap'> | null {
  const [otherwise, overlap] = [fields.otherwise, fields.overlap].map((field) =>
    isAbsent(field) ? false : readBoolean(field),
  );
  if (otherwise == null || overlap == null) return null;
  if (otherwise && overlap) {
    refuse(fields.overlap, "can't stand beside otherwise, which takes only what no other price matches");
    return null;
  }
  return { ...(otherwise && { otherwise }), ...(overlap && { overlap }) };
}

export const usageSchema = {
  ...{ match: matchSchema, per: perSchema, otherwise: otherwiseSchema, overlap: overlapSchema },
  ...usageChoicesSchema,
  ...aroundSchema,
};

type UsageFields = Omit<UsagePriceFields, 'model' | keyof AroundPrice>;
type GivenFields = Readonly<Record<'slug' | keyof typeof usageSchema, Field>>;

/** What a price says of usage beside which meter counts it; `meters` are those that are known. Null: it is wrong. */
export function readUsageOf(
  fields: GivenFields,
  meters: readonly Meter[],
): { readonly match: UsageFields['match'] | null; readonly usage: Omit<UsageFields, 'meter'> | null } {
  const slug = readSlug(fields.slug);
  const match = readMatch(fields.match, meters);
  const per = readPer(fields.per);
  const otherwise = readOtherwise(fields);
  const choices = readUsageChoices(fields, meters[0]?.aggregation ?? null);
  if (slug === null || match === null || per === null || otherwise === null || choices === null)
    return { match, usage: null };
  return { match, usage: { slug, match, ...per, ...otherwise, ...choices } };
}

/** `usage` null: something is wrong of it. What stands around the price is read by itself. */
export function readUsageFields(
  fields: GivenFields & Readonly<Record<'meter', Field>>,
  meters: KnownMeters,
): { readonly usage: UsageFields | null; readonly context: PriceContext } {
  const meter = readSlug(fields.meter);
  const known = meter === null ? null : meters.get(meter);
  if (known === undefined) refuse(fields.meter, `there is no meter ${JSON.stringify(meter)} in this catalog`);
  const { match, usage } = readUsageOf(fields, known ? [known] : []);
  const context = { meters, meter: known ?? null, match };
  return { usage: usage === null || meter === null ? null : { ...usage, meter }, context };
}

/** What `readUsageOf` read, and what stands around a price. */
export function usageOfTerms(price: Omit<UsagePriceFields, 'meter' | 'model' | 'slug'>): Terms {
  const matched = Object.entries(price.match).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const { per = 'customer', otherwise, overlap } = price;
  const rest = { ...(otherwise && { otherwise: 'true' }), ...(overlap && { overlap: 'true' }) };
  return { match: `{${matched.join(', ')}}`, per, ...rest, ...usageChoicesTerms(price), ...aroundTerms(price) };
}

export const usageTerms = (price: UsagePriceFields): Terms => ({ meter: price.meter, ...usageOfTerms(price) });
