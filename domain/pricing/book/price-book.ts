// A price book: what the models of some providers cost, bucket by bucket, as their price lists say it. It charges
// nobody by itself: a price of the model `price_book` makes cells of it (book-cells.ts). No model is in a book twice,
// and a rate that the book does not say is no rate: nothing is guessed, and nothing is free by being left out.
import {
  expected,
  type Field,
  isAbsent,
  readChoice,
  readDecimal,
  readEntries,
  readList,
  readMap,
  readOptional,
  readSlug,
  readText,
  refuse,
} from '../../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../../fields/definition-form.ts';
import { isDay } from '../../time/day.ts';
import { type Bucket, buckets, type Rates, ratedBuckets } from './buckets.ts';

export const ANY_MODEL = '*';
export const BOOKS_MAX = 20;
const MODELS_MAX = 10_000;
const ALIASES_MAX = 50;
const VARIANTS_MAX = 10;
/** On either side of the point: a rate times two factors is still an amount that is read. */
const RATE_DIGITS_MAX = 60;

/** How many tokens a rate is for; images are counted one by one. */
const tokenCounts = ['1', '1000', '1000000'] as const;

/** A factor of all rates, or rates in their place. */
type ServiceRates = string | Rates;

export interface BookModel {
  /** As events name it; `*`: any that the provider has and no book names. */
  readonly model: string;
  /** Other names that events have for it. */
  readonly aliases?: readonly string[];
  /** '': whoever runs it. */
  readonly provider: string;
  readonly family?: string;
  readonly rates: Rates;
  /** By how long the context is: rates in the place of those above. */
  readonly contexts?: Readonly<Record<string, Rates>>;
  /** By service, such as batch: instead of what the book says of it. */
  readonly services?: Readonly<Record<string, ServiceRates>>;
}

export interface PriceBook {
  readonly slug: string;
  /** Where it is from, and when it was read there: for people. */
  readonly source?: string;
  readonly readAt?: string;
  /** How many tokens a rate is for. */
  readonly per: (typeof tokenCounts)[number];
  /** A bucket of which a model says no rate has the rate of another one. */
  readonly sameAs?: Readonly<Partial<Record<Bucket, Bucket>>>;
  /** Factors of all models, by service. */
  readonly services?: Readonly<Record<string, string>>;
  readonly models: readonly BookModel[];
}

/** Those of a catalog by slug; null for one that is in error. */
export type KnownBooks = ReadonlyMap<string, PriceBook | null>;

const decimalSchema = { $ref: '#/$defs/decimal' };
const textSchema = { $ref: '#/$defs/text' };
const ratesSchema: JsonSchema = {
  type: 'object',
  minProperties: 1,
  additionalProperties: false,
  properties: Object.fromEntries(buckets.map((bucket) => [bucket, decimalSchema])),
};
const variants = (of: JsonSchema, description: string): JsonSchema => ({
  type: 'object',
  minProperties: 1,
  maxProperties: VARIANTS_MAX,
  propertyNames: textSchema,
  additionalProperties: of,
  description,
});

const modelSchema: JsonSchema = {
  type: 'object',
  required: ['model', 'rates'],
  additionalProperties: false,
  properties: {
    model: { ...textSchema, description: 'As events name it. "*": any of the provider that no book names.' },
    aliases: { type: 'array', minItems: 1, maxItems: ALIASES_MAX, items: textSchema, uniqueItems: true },
    provider: { ...textSchema, description: 'Left out: whoever runs it.' },
    family: textSchema,
    rates: ratesSchema,
    contexts: variants(ratesSchema, 'By the length of the context, as events say it: the rates that differ.'),
    services: variants(
      { oneOf: [decimalSchema, ratesSchema] },
      'By service, such as batch: a factor of all rates, or the rates that differ.',
    ),
  },
};

export const priceBookSchema: JsonSchema = {
  type: 'object',
  required: ['slug', 'models'],
  additionalProperties: false,
  properties: {
    slug: { $ref: '#/$defs/slug' },
    source: { ...textSchema, description: 'Where it is from, such as the address of a price list.' },
    readAt: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', description: 'When it was read there.' },
    per: { enum: tokenCounts, default: '1', description: 'How many tokens a rate is for; images are one by one.' },
    sameAs: {
      type: 'object',
      minProperties: 1,
      additionalProperties: false,
      properties: Object.fromEntries(buckets.map((bucket) => [bucket, { enum: buckets }])),
      description: 'A bucket of which a model says no rate has the rate of another one, such as reasoning: output.',
    },
    services: variants(decimalSchema, 'By service, such as batch: a factor of all rates of all models.'),
    models: { type: 'array', minItems: 1, maxItems: MODELS_MAX, items: modelSchema },
  },
};

/** A rate or a factor; none is below zero. */
export function readRate(field: Field): string | null {
  const text = readDecimal(field);
  if (text === null) return null;
  if (text.startsWith('-')) return refuse(field, `must not be below zero, got "${text}"`);
  const tooLong = text.split('.').some((digits) => digits.length > RATE_DIGITS_MAX);
  return tooLong ? refuse(field, `has more than ${RATE_DIGITS_MAX} digits on a side of the point`) : text;
}

function readRates(field: Field): Rates | null {
  const fields = readMap(field, buckets);
  if (fields === null) return null;
  const rates: [Bucket, string | null][] = buckets.flatMap((bucket) =>
    isAbsent(fields[bucket]) ? [] : [[bucket, readRate(fields[bucket])]],
  );
  if (rates.length === 0) return refuse(field, `needs a rate of one of ${buckets.join(', ')}`);
  return rates.every(([, rate]) => rate !== null) ? Object.fromEntries(rates) : null;
}

const readServiceRates = (field: Field): ServiceRates | null =>
  typeof field.value === 'object' && field.value !== null ? readRates(field) : readRate(field);

/** A map by names that events have, in the order of these. */
function readByName<Value>(field: Field, read: (field: Field) => Value | null): Readonly<Record<string, Value>> | null {
  const entries = readEntries(field);
  if (entries === null) return null;
  if (entries.length === 0) return refuse(field, 'needs at least one entry');
  if (entries.length > VARIANTS_MAX)
    return refuse(field, `has ${entries.length} entries; the limit is ${VARIANTS_MAX}`);
  const found = entries.map(([name, entry]): [string | null, Value | null] => [
    readText({ ...entry, value: name }),
    read(entry),
  ]);
  if (found.some(([name, value]) => name === null || value === null)) return null;
  return Object.fromEntries(found.sort(([a], [b]) => (a! < b! ? -1 : 1))) as Readonly<Record<string, Value>>;
}

function readAliases(field: Field): readonly string[] | null {
  const list = readList(field, ALIASES_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one name');
  const names = list.map((each) => readText(each));
  return names.every((name) => name !== null) ? names : null;
}

function readModel(field: Field): BookModel | null {
  const fields = readMap(field, ['model', 'aliases', 'provider', 'family', 'rates', 'contexts', 'services']);
  if (fields === null) return null;
  const model = readText(fields.model);
  const aliases = readOptional(fields.aliases, readAliases);
  const provider = isAbsent(fields.provider) ? '' : readText(fields.provider);
  const family = readOptional(fields.family, readText);
  const rates = readRates(fields.rates);
  const contexts = readOptional(fields.contexts, (each) => readByName(each, readRates));
  const services = readOptional(fields.services, (each) => readByName(each, readServiceRates));
  for (const [i, name] of [model, ...(aliases ?? [])].entries())
    if (name?.endsWith(ANY_MODEL) && (i > 0 || name !== ANY_MODEL))
      return refuse(
        i === 0 ? fields.model : fields.aliases,
        'names no pattern: "*" alone, as the model, is any of the provider',
      );
  if (model === ANY_MODEL && aliases !== undefined) return refuse(fields.aliases, 'are of no use beside "*"', 'key');
  if (model === null || aliases === null || provider === null || family === null || rates === null) return null;
  if (contexts === null || services === null) return null;
  return {
    ...{ model, provider, rates },
    ...(aliases !== undefined && { aliases }),
    ...(family !== undefined && { family }),
    ...(contexts !== undefined && { contexts }),
    ...(services !== undefined && { services }),
  };
}

function readModels(field: Field): readonly BookModel[] | null {
  const list = readList(field, MODELS_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one model');
  const first = new Map<string, number>();
  let isSound = true;
  const models = list.flatMap((each, i) => {
    const model = readModel(each);
    if (model === null) {
      isSound = false;
      return [];
    }
    for (const name of [model.model, ...(model.aliases ?? [])]) {
      const key = JSON.stringify([model.provider, name]);
      const earlier = first.get(key);
      if (earlier !== undefined) {
        isSound = false;
        refuse(each, `${JSON.stringify(name)} of the same provider is model ${earlier} already`);
      } else first.set(key, i);
    }
    return [model];
  });
  const key = ({ provider, model }: BookModel): string => JSON.stringify([provider, model]);
  return isSound ? models.sort((a, b) => (key(a) < key(b) ? -1 : 1)) : null;
}

function readSameAs(field: Field): Readonly<Partial<Record<Bucket, Bucket>>> | null {
  const fields = readMap(field, buckets);
  if (fields === null) return null;
  const given = buckets.filter((bucket) => !isAbsent(fields[bucket]));
  if (given.length === 0) return refuse(field, 'needs at least one bucket');
  const pairs = given.map((bucket): [Bucket, Bucket | null] => {
    const other = readChoice(fields[bucket], buckets);
    if (other !== null && given.includes(other))
      return [bucket, refuse(fields[bucket], `${other} has its rate from another bucket itself: name that one`)];
    return [bucket, other];
  });
  return pairs.every(([, other]) => other !== null) ? Object.fromEntries(pairs) : null;
}

function readDay(field: Field): string | null {
  const text = readText(field);
  return text === null || isDay(text) ? text : expected(field, 'a day such as 2026-11-20');
}

/** Null after it has said what is wrong. */
export function readPriceBook(field: Field): PriceBook | null {
  const fields = readMap(field, ['slug', 'source', 'readAt', 'per', 'sameAs', 'services', 'models']);
  if (fields === null) return null;
  const slug = readSlug(fields.slug);
  const source = readOptional(fields.source, readText);
  const readAt = readOptional(fields.readAt, readDay);
  const per = isAbsent(fields.per) ? '1' : readChoice(fields.per, tokenCounts);
  const sameAs = readOptional(fields.sameAs, readSameAs);
  const services = readOptional(fields.services, (each) => readByName(each, readRate));
  const models = readModels(fields.models);
  if (slug === null || source === null || readAt === null || per === null || sameAs === null) return null;
  if (services === null || models === null) return null;
  return {
    ...{ slug, per, models },
    ...(source !== undefined && { source }),
    ...(readAt !== undefined && { readAt }),
    ...(sameAs !== undefined && { sameAs }),
    ...(services !== undefined && { services }),
  };
}

const ratesText = (rates: Rates): string =>
  ratedBuckets(rates)
    .map((bucket) => `${bucket} ${rates[bucket]}`)
    .join(' ');

const serviceText = (rates: ServiceRates): string => (typeof rates === 'string' ? `x ${rates}` : ratesText(rates));

/** Of a book as a whole. */
export function bookTerms({ source, readAt, per, sameAs = {}, services = {} }: PriceBook): Terms {
  return {
    ...{ source: source ?? 'none', readAt: readAt ?? 'none', per },
    ...Object.fromEntries(Object.entries(sameAs).map(([bucket, other]) => [`${bucket} same as`, other])),
    ...Object.fromEntries(Object.entries(services).map(([name, factor]) => [`service ${name}`, `x ${factor}`])),
  };
}

/** `acme/m-large`. */
export const bookModelName = ({ provider, model }: BookModel): string =>
  provider === '' ? model : `${provider}/${model}`;

export function bookModelTerms({ aliases, family, rates, contexts = {}, services = {} }: BookModel): Terms {
  return {
    ...Object.fromEntries(ratedBuckets(rates).map((bucket) => [bucket, rates[bucket]!])),
    ...(family !== undefined && { family }),
    ...(aliases !== undefined && { aliases: aliases.join(' ') }),
    ...Object.fromEntries(Object.entries(contexts).map(([name, of]) => [`context ${name}`, ratesText(of)])),
    ...Object.fromEntries(Object.entries(services).map(([name, of]) => [`service ${name}`, serviceText(of)])),
  };
}
