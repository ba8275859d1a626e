// The fields that say what a subscription has: its plan, quantities, and prices and discounts of its own. They are read
// against a catalog, since a plan must be there, and a price must fit to its meter and to what its slug means.

import type { Catalog, Price } from '../../../domain/catalog/catalog.ts';
import { priceMeanings } from '../../../domain/catalog/price-meaning.ts';
import type { FieldSource } from '../../../domain/fields/catalog-fields.ts';
import { formatPath } from '../../../domain/fields/catalog-source.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { partsOf } from '../../../domain/pricing/parts.ts';
import { isUsagePrice, readPrice } from '../../../domain/pricing/prices.ts';
import {
  readSubscriptionDiscounts,
  type SubscriptionDiscount,
} from '../../../domain/pricing/subscription-discounts.ts';
import type { SubscriptionPatch } from '../../../domain/terms/subscription-history.ts';
import { type BodyFields, type FieldReader, isObject } from '../body-fields.ts';

export const pricedFieldNames = ['plan', 'quantities', 'overrides', 'discounts'] as const;

const QUANTITIES_MAX = 20;
const OVERRIDES_MAX = 100;
const DIGITS_MAX = 30;
const SLUG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

const planField =
  ({ plans }: Catalog): FieldReader<string> =>
  (given, refuse) => {
    if (typeof given === 'string' && plans.some(({ slug }) => slug === given)) return given;
    const shown = plans.slice(0, 20).map(({ slug }) => slug);
    const known = shown.length === 0 ? 'it has none' : `such as ${shown.join(', ')}`;
    return refuse(`be a plan of the catalog: ${known}`);
  };

const isQuantity = (given: unknown): given is string =>
  typeof given === 'string' &&
  given.length <= DIGITS_MAX &&
  Decimal.isDecimal(given) &&
  !Decimal.parse(given).isNegative;

const quantitiesField: FieldReader<Readonly<Record<string, string | null>>> = (given, refuse) => {
  if (!isObject(given)) return refuse('be an object of decimal texts by name, such as {"seats": "10"}');
  const entries = Object.entries(given);
  if (entries.length > QUANTITIES_MAX) return refuse(`have at most ${QUANTITIES_MAX} members`);
  const read: [string, string | null][] = [];
  for (const [name, value] of entries) {
    if (!SLUG.test(name)) refuse('have names of 1 to 100 of the characters A-Z a-z 0-9 . _ -', name);
    else if (value === null) read.push([name, null]);
    else if (isQuantity(value)) read.push([name, Decimal.parse(value).toString()]);
    else refuse('be a decimal text that is not negative, such as "10", or null', name);
  }
  return Object.fromEntries(read.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const sourceOf = (fields: BodyFields): FieldSource => ({
  add: (path, message) => fields.say(formatPath(path), message),
  textOf: () => null,
});

/** Whether a slug is a price of some plan is not asked: it may be one of the subscription's own, or come later. */
const discountsOf = (fields: BodyFields): readonly SubscriptionDiscount[] | null =>
  fields.optional('discounts', (value) =>
    readSubscriptionDiscounts({ source: sourceOf(fields), path: ['discounts'], value }),
  );

/** A list of prices, each as the catalog has one, or `{ "slug": …, "remove": true }`: the plan's again. */
function readOverrides(fields: BodyFields, catalog: Catalog): Readonly<Record<string, Price | null>> | null {
  const list = fields.optional<readonly unknown[]>('overrides', (given, refuse) =>
    Array.isArray(given) && given.length <= OVERRIDES_MAX
      ? given
      : refuse(`be a list of at most ${OVERRIDES_MAX} prices, as a plan has them`),
  );
  if (list === null) return null;
  const source = sourceOf(fields);
  const meters = new Map(catalog.meters.map((meter) => [meter.slug, meter]));
  const books = new Map(catalog.priceBooks?.map((book) => [book.slug, book]));
  const meanings = priceMeanings(catalog.plans);
  const overrides: [string, Price | null][] = [];
  for (const [i, value] of list.entries()) {
    const isRemoval = isObject(value) && value.remove === true && typeof value.slug === 'string';
    if (isRemoval) {
      overrides.push([value.slug as string, null]);
      continue;
    }
    const price = readPrice({ source, path: ['overrides', i], value }, meters, books);
    if (price === null) continue;
    for (const part of partsOf(price)) {
      const [meter, known] = [isUsagePrice(part) ? part.meter : null, meanings.get(part.slug)?.meter];
      if (known === undefined || known === meter) continue;
      const meant = known === null ? 'a fee' : `of meter ${known}`;
      fields.say(`overrides[${i}].slug`, `${part.slug} is ${meant} in the catalog, and a slug means the same for ever`);
    }
    overrides.push([price.slug, price]);
  }
  const slugs = overrides.map(([slug]) => slug);
  const twice = slugs.find((slug, i) => slugs.indexOf(slug) !== i);
  if (twice !== undefined) fields.refuse('overrides', `have each slug once; ${twice} is there twice`);
  return Object.fromEntries(overrides.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Only what is given is in the patch. Whatever is wrong is told by `fields.end`. */
export function readPricedFields(fields: BodyFields, catalog: Catalog): SubscriptionPatch {
  const plan = fields.optional('plan', planField(catalog));
  const quantities = fields.optional('quantities', quantitiesField);
  const overrides = readOverrides(fields, catalog);
  const discounts = discountsOf(fields);
  return {
    ...(plan !== null && { plan }),
    ...(quantities !== null && { quantities }),
    ...(overrides !== null && { overrides }),
    ...(discounts !== null && { discounts }),
  };
}
