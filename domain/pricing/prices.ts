// The price models by name, and what is done with a price whatever its model. Those of one quantity have their rows in
// `single-models.ts`; percentage and matrix, which have several, and flat have them here. A price book is none of them:
// it is what its parts are (parts.ts), and has neither an amount nor usage by itself.

import { expected, type Field, readChoice, readMap, readSlug, refuse } from '../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../fields/definition-form.ts';
import { Decimal } from '../number/decimal.ts';
import { type aroundSchema, readAround } from './around/around-price.ts';
import { billableUnits, chargeOf, freeUnitsOf, isOfPeriod } from './around/charge.ts';
import {
  type BookPrice,
  bookPriceForm,
  bookPriceSchema,
  bookPriceTerms,
  isBookPrice,
  readBookPrice,
} from './book/book-price.ts';
import type { KnownBooks } from './book/price-book.ts';
import { feeChoicesCondition, feeChoicesSchema, feeChoicesTerms, readFeeChoices } from './choice-fields.ts';
import { type MatrixPrice, matrix } from './matrix.ts';
import { type FlatPrice, flat } from './models/flat.ts';
import { type PercentagePrice, percentage } from './percentage.ts';
import type { KnownMeters, PeriodModel, PriceFields, UsageModel } from './price-model.ts';
import { type AnyUsageModel, type SinglePrice, singleModels } from './single-models.ts';
import { readUsageFields, usageSchema, usageTerms } from './usage-price.ts';

/** Prices what a meter counted. */
export type UsagePrice = SinglePrice | PercentagePrice | MatrixPrice;
/** Prices a billing period itself, whatever is used in it. */
type PeriodPrice = FlatPrice;
/** What is charged: of one meter, or of a period. */
export type Part = UsagePrice | PeriodPrice;
/** As a plan has it. */
export type Price = Part | BookPrice;

type Of<All extends PriceFields, Name> = Extract<All, { model: Name }>;
type UsageModels = { readonly [Name in UsagePrice['model']]: UsageModel<Of<UsagePrice, Name>> };
type PeriodModels = { readonly [Name in PeriodPrice['model']]: PeriodModel<Of<PeriodPrice, Name>> };

const usageModels: UsageModels = { ...singleModels, percentage, matrix };
const periodModels: PeriodModels = { flat };

// The registries pair each price with its model; only the compiler can't follow a pairing through an index.
type AnyPeriodModel = PeriodModel<PriceFields & Record<string, unknown>>;
const ownOf = (price: Price): Record<string, unknown> => price as unknown as Record<string, unknown>;
const usageModelOf = (name: string): AnyUsageModel => usageModels[name as UsagePrice['model']] as AnyUsageModel;
function periodModelOf(name: string): AnyPeriodModel {
  if (name === BOOK) throw new RangeError('a price book has an amount for each bucket');
  return periodModels[name as PeriodPrice['model']] as AnyPeriodModel;
}

const BOOK: BookPrice['model'] = 'price_book';
export const priceModels = [
  ...Object.keys(usageModels),
  BOOK,
  ...Object.keys(periodModels),
] as readonly Price['model'][];

const isUsageModel = (name: string): name is UsagePrice['model'] => Object.hasOwn(usageModels, name);
export const isUsagePrice = (price: Price): price is UsagePrice => isUsageModel(price.model);

/** How much a period's cumulative usage costs, exactly, in the catalog's currency; nothing for none. */
function usageAmount(price: UsagePrice, cumulative: Decimal): Decimal {
  if (cumulative.isZero) return Decimal.zero;
  return amountOfBillable(price)(billableUnits(price, cumulative));
}

/** The amount for units of which nothing is included any more: what terms that share an allowance are charged by. */
export const amountOfBillable =
  (price: UsagePrice) =>
  (billable: Decimal): Decimal => {
    const model = usageModelOf(price.model);
    return chargeOf(price, (units) => model.amount(units, ownOf(price)), billable);
  };

/** The amount for a cumulative quantity. That of a period price is how often it is charged: 1 or 0. */
export const amountOf =
  (price: Price) =>
  (cumulative: Decimal): Decimal =>
    isUsagePrice(price)
      ? usageAmount(price, cumulative)
      : cumulative.times(periodModelOf(price.model).amount(ownOf(price)));

/**
 * Of a charge of 0 after which the period's usage stands at `cumulative`. True: what it is for costs nothing. False: it
 * was paid before, by a package or a tier that was charged whole.
 */
export function isFree(price: Price, cumulative: Decimal): boolean {
  if (!isUsagePrice(price)) return periodModelOf(price.model).amount(ownOf(price)).isZero;
  // What stands around the price has left nothing of it.
  const isNothing =
    (price.included !== undefined || price.discounts !== undefined) && usageAmount(price, cumulative).isZero;
  return isNothing || usageModelOf(price.model).isFree(billableUnits(price, cumulative), ownOf(price));
}

/** Whether usage from before a change stays in its tiers and at its price, where the price chooses nothing (T6). */
export const carriesUsage = (price: UsagePrice): boolean =>
  usageModelOf(price.model).carries(ownOf(price)) && !isOfPeriod(price);

/** Whether some units of a period cost nothing, whatever the model says of them. */
export const hasAllowance = (price: UsagePrice): boolean => !freeUnitsOf(price).isZero;

/** Every aspect of a price by name; the model and what it prices first. */
export function priceTerms(price: Price): Terms {
  if (isBookPrice(price)) return { model: price.model, ...bookPriceTerms(price) };
  const own = ownOf(price);
  return isUsagePrice(price)
    ? { model: price.model, ...usageTerms(price), ...usageModelOf(price.model).terms(own) }
    : { model: price.model, ...feeChoicesTerms(price), ...periodModelOf(price.model).terms(own) };
}

/** As a file says it. */
export const priceForm = (price: Price): object => (isBookPrice(price) ? bookPriceForm(price) : price);

/** Null after everything that is wrong was said. The model says which keys are known, so it is read first. */
export function readPrice(field: Field, meters: KnownMeters, books: KnownBooks): Price | null {
  if (typeof field.value !== 'object' || field.value === null || Array.isArray(field.value))
    return expected(field, 'a map');
  const value = Object.hasOwn(field.value, 'model') ? (field.value as { model: unknown }).model : undefined;
  const model = readChoice({ source: field.source, path: [...field.path, 'model'], value }, priceModels);
  if (model === null) return null;
  if (model === BOOK) return readBookPrice(field, meters, books);
  return isUsageModel(model) ? readUsagePrice(field, model, meters) : readPeriodPrice(field, model);
}

function readUsagePrice(field: Field, name: UsagePrice['model'], meters: KnownMeters): Price | null {
  const model = usageModelOf(name);
  const shared = ['slug', 'meter', ...(Object.keys(usageSchema) as (keyof typeof usageSchema)[])] as const;
  const fields = readMap<string>(field, ['model', ...shared, ...Object.keys(model.schema)]);
  if (fields === null) return null;
  const { usage, context } = readUsageFields(fields as Record<(typeof shared)[number], Field>, meters);
  const own = model.read(fields, context);
  const hasFee = name === 'percentage' && own?.fee !== undefined;
  const around = readAround(
    fields as Record<keyof typeof aroundSchema, Field>,
    name === 'matrix' ? 'of cells' : hasFee ? 'with a fee' : 'one',
  );
  if (around?.minimum !== undefined && usage?.per === 'subject')
    return refuse(fields.minimum!, 'is of all usage of a price, and this one is charged for each subject', 'key');
  return usage === null || own === null || around === null
    ? null
    : ({ ...usage, ...around, model: name, ...own } as Price);
}

function readPeriodPrice(field: Field, name: PeriodPrice['model']): Price | null {
  const model = periodModelOf(name);
  const shared = Object.keys(feeChoicesSchema) as (keyof typeof feeChoicesSchema)[];
  const fields = readMap<string>(field, ['slug', 'model', ...shared, ...Object.keys(model.schema)]);
  if (fields === null) return null;
  const slug = readSlug(fields.slug!);
  const choices = readFeeChoices(fields as Record<(typeof shared)[number], Field>);
  const own = model.read(fields, { meters: new Map(), meter: null, match: null });
  return slug === null || choices === null || own === null
    ? null
    : ({ slug, model: name, ...choices, ...own } as Price);
}

/** Of a price in the catalog: the model decides which of these branches holds. */
export function priceSchema(): JsonSchema {
  const slug = { $ref: '#/$defs/slug' };
  const shape = (
    { schema: own, optional = [] }: Pick<AnyUsageModel, 'schema' | 'optional'>,
    shared: Readonly<Record<string, unknown>>,
    needs: string[],
  ) => ({
    required: [...needs, ...Object.keys(own).filter((key) => !optional.includes(key))],
    additionalProperties: false,
    properties: { slug, model: true, ...shared, ...own },
  });
  const branches = priceModels.map((name) => ({
    if: { properties: { model: { const: name } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then:
      name === BOOK
        ? bookPriceSchema
        : isUsageModel(name)
          ? shape(usageModelOf(name), { meter: slug, ...usageSchema }, ['slug', 'meter'])
          : {
              ...shape(periodModelOf(name) as Pick<AnyUsageModel, 'schema' | 'optional'>, feeChoicesSchema, ['slug']),
              ...feeChoicesCondition,
            },
  }));
  return { type: 'object', required: ['model'], properties: { model: { enum: priceModels } }, allOf: branches };
}
