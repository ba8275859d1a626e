// price_book: a price of what models are billed for, by the rates of price books, marked up. It has a meter for each
// bucket that it charges, and each bucket is a part of it, a matrix (parts.ts): so it is one price of the catalog, in
// an override, a preview and a diff, and ordinary prices in everything that is charged.
//
// What a price says is whole: the rates are read from the books when the price is read, and stand in it as cells. So a
// book may change, or go, and what was sold by it stays what it was until a later version says otherwise.
import {
  type Field,
  isAbsent,
  readChoice,
  readList,
  readMap,
  readOptional,
  readSlug,
  readText,
  refuse,
} from '../../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../../fields/definition-form.ts';
import type { Meter } from '../../metering/meter.ts';
import { readAround } from '../around/around-price.ts';
import { ANY_VALUE, type MatrixPrice } from '../matrix.ts';
import type { KnownMeters, UsagePriceFields } from '../price-model.ts';
import { dimensionFault, readUsageOf, usageOfTerms, usageSchema } from '../usage-price.ts';
import { type Axis, axes, type BookCell, cellsOfBooks } from './book-cells.ts';
import { type Bucket, buckets, ratedBuckets } from './buckets.ts';
import { isOf, type MarkupRule, markupSchema, readMarkup, ruleName } from './markup.ts';
import { BOOKS_MAX, type KnownBooks, type PriceBook } from './price-book.ts';

const CELLS_MAX = 10_000;
const STANDARD_MAX = 10;
/** Those that a price may take no notice of. */
const ignorable = ['context', 'service'] as const;
const IGNORABLE: readonly string[] = ignorable;

export interface BookPrice extends Omit<UsagePriceFields, 'meter'> {
  readonly model: 'price_book';
  /** Slugs, by precedence. */
  readonly books: readonly string[];
  /** Of each bucket that is charged, the slug of the meter that counts it. */
  readonly meters: Readonly<Partial<Record<Bucket, string>>>;
  /** Which dimension of the meters says it. */
  readonly dimensions: Readonly<Partial<Record<Axis, string>>>;
  /** How events say that context and service are the usual ones, beside saying nothing. */
  readonly standard?: readonly string[];
  readonly ignore?: readonly (typeof ignorable)[number][];
  readonly markup?: readonly MarkupRule[];
  /** What the books came to when the price was read. */
  readonly cells: readonly BookCell[];
}

export const isBookPrice = (price: { readonly model: string }): price is BookPrice => price.model === 'price_book';

const ownSchema: Readonly<Record<string, JsonSchema>> = {
  books: {
    type: 'array',
    minItems: 1,
    maxItems: BOOKS_MAX,
    uniqueItems: true,
    items: { $ref: '#/$defs/slug' },
    description: 'Of priceBooks. A model that several have is as the first of them says it.',
  },
  meters: {
    type: 'object',
    minProperties: 1,
    additionalProperties: false,
    properties: Object.fromEntries(buckets.map((bucket) => [bucket, { $ref: '#/$defs/slug' }])),
    description: 'What counts each bucket that is charged.',
  },
  dimensions: {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(axes.map((axis) => [axis, { $ref: '#/$defs/text' }])),
    description: 'Which dimension of the meters says it. Left out: model is `model`, and nothing else is told apart.',
  },
  standard: {
    type: 'array',
    minItems: 1,
    maxItems: STANDARD_MAX,
    uniqueItems: true,
    items: { $ref: '#/$defs/text' },
    description: 'How events say that context and service are the usual ones, beside saying nothing of it.',
  },
  ignore: {
    type: 'array',
    minItems: 1,
    uniqueItems: true,
    items: { enum: ignorable },
    description: 'Rates by context, or by service, are left aside: the usual ones are charged for all.',
  },
  markup: markupSchema,
};
const OPTIONAL = ['dimensions', 'standard', 'ignore', 'markup'];

const { match, per, otherwise, overlap, every, onChange, discounts } = usageSchema;
const sharedSchema = { match, per, otherwise, overlap, every, onChange, discounts };

/** As a branch of the schema of a price. */
export const bookPriceSchema: JsonSchema = {
  required: ['slug', ...Object.keys(ownSchema).filter((key) => !OPTIONAL.includes(key))],
  additionalProperties: false,
  properties: { slug: { $ref: '#/$defs/slug' }, model: true, ...sharedSchema, ...ownSchema },
};

type Fields = Readonly<Record<string, Field>>;

function readNames<Name extends string>(
  field: Field,
  countMax: number,
  read: (field: Field) => Name | null,
): readonly Name[] | null {
  const list = readList(field, countMax);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one entry');
  const names = list.map(read);
  const twice = names.findIndex((name, i) => name !== null && names.indexOf(name) !== i);
  if (twice !== -1) return refuse(list[twice]!, `${names[twice]} is there twice`);
  return names.every((name) => name !== null) ? names : null;
}

/** `sound` null: one of them is in error itself. */
function readBooks(
  field: Field,
  known: KnownBooks,
): { readonly slugs: readonly string[]; readonly sound: readonly PriceBook[] | null } | null {
  const slugs = readNames(field, BOOKS_MAX, (each) => {
    const slug = readSlug(each);
    if (slug === null || known.has(slug)) return slug;
    return refuse(each, `there is no price book ${JSON.stringify(slug)} in this catalog`);
  });
  if (slugs === null) return null;
  const sound = slugs.map((slug) => known.get(slug)!);
  return { slugs, sound: sound.every((book) => book !== null) ? sound : null };
}

/** By bucket; null for a meter that is in error itself. */
function readMeters(field: Field, known: KnownMeters): ReadonlyMap<Bucket, readonly [string, Meter | null]> | null {
  const fields = readMap(field, buckets);
  if (fields === null) return null;
  const given = buckets.filter((bucket) => !isAbsent(fields[bucket]));
  if (given.length === 0) return refuse(field, `needs a meter of one of ${buckets.join(', ')}`);
  const read = new Map<Bucket, readonly [string, Meter | null]>();
  for (const bucket of given) {
    const slug = readSlug(fields[bucket]);
    const meter = slug === null ? null : known.get(slug);
    const other = [...read].find(([, [earlier]]) => earlier === slug)?.[0];
    if (meter === undefined) refuse(fields[bucket], `there is no meter ${JSON.stringify(slug)} in this catalog`);
    else if (meter !== null && meter.aggregation !== 'sum' && meter.aggregation !== 'count')
      refuse(fields[bucket], `a bucket is of a sum or a count, and ${slug} is a ${meter.aggregation}`);
    else if (other !== undefined)
      refuse(fields[bucket], `counts ${other} already: buckets have nothing in common, or usage would be paid twice`);
    else if (slug !== null) read.set(bucket, [slug, meter]);
  }
  return read.size === given.length ? read : null;
}

function readDimensions(
  field: Field,
  meters: readonly Meter[],
  matched: UsagePriceFields['match'] | null,
): BookPrice['dimensions'] | null {
  const given: Field = isAbsent(field) ? { ...field, value: { model: 'model' } } : field;
  const fields = readMap(given, axes);
  if (fields === null) return null;
  if (isAbsent(fields.model)) return refuse(fields.model, 'is missing: a price of models has to be told which it was');
  const named: [Axis, string][] = [];
  let isSound = true;
  for (const axis of axes) {
    if (isAbsent(fields[axis])) continue;
    const name = readText(fields[axis]);
    const at = isAbsent(field) ? field : fields[axis];
    const why =
      name === null
        ? null
        : named.some(([, other]) => other === name)
          ? `${name} is there twice`
          : matched !== null && Object.hasOwn(matched, name)
            ? 'is in match too, where it has one value: leave it out of one of them'
            : (meters.map((meter) => dimensionFault(meter, name)).find((each) => each !== null) ?? null);
    if (why !== null) refuse(at, axis === 'model' && isAbsent(field) ? `model ${why}` : why);
    if (name === null || why !== null) isSound = false;
    else named.push([axis, name]);
  }
  return isSound ? Object.fromEntries(named) : null;
}

const readStandard = (field: Field): readonly string[] | null =>
  readNames(field, STANDARD_MAX, (each) =>
    each.value === ANY_VALUE ? refuse(each, 'is any value: name those that are the usual ones') : readText(each),
  );

/** Null after everything that is wrong was said. */
export function readBookPrice(field: Field, knownMeters: KnownMeters, knownBooks: KnownBooks): BookPrice | null {
  const shared = Object.keys(sharedSchema);
  const read: Fields | null = readMap<string>(field, ['slug', 'model', ...shared, ...Object.keys(ownSchema)]);
  if (read === null) return null;
  const own = read as Readonly<Record<'books' | 'meters' | 'dimensions' | 'standard' | 'ignore' | 'markup', Field>>;
  const books = readBooks(own.books, knownBooks);
  const meters = readMeters(own.meters, knownMeters);
  const counted = [...(meters?.values() ?? [])].flatMap(([, meter]) => meter ?? []);
  const { match: matched, usage } = readUsageOf(
    read as Readonly<Record<'slug' | keyof typeof usageSchema, Field>>,
    counted,
  );
  const dimensions = readDimensions(own.dimensions, counted, matched);
  const standard = readOptional(own.standard, readStandard);
  const ignore = readOptional(own.ignore, (each) =>
    readNames(each, ignorable.length, (name) => readChoice(name, ignorable)),
  );
  const markup = readOptional(own.markup, readMarkup);
  const absent: Field = { ...field, value: undefined };
  const around = readAround(
    { included: absent, maximum: absent, minimum: absent, discounts: read.discounts! },
    'of cells',
  );
  if (books === null || meters === null || usage === null || dimensions === null || standard === null) return null;
  if (ignore === null || markup === null || around === null || books.sound === null) return null;
  const ignored = ignore?.find((axis) => dimensions[axis] !== undefined);
  if (ignored !== undefined)
    return refuse(own.ignore, `has ${ignored}, which a dimension tells: leave it out of one of them`);
  const sound = books.sound;
  for (const [i, rule] of (markup ?? []).entries())
    if (!sound.some((book) => book.models.some((model) => isOf(rule, model))))
      return refuse(own.markup, `rule ${i + 1} by precedence (${ruleName(rule)}) is of no model of these books`);
  const cells = cellsOfBooks(sound, {
    has: (axis) => dimensions[axis] !== undefined,
    ignores: (axis) => IGNORABLE.includes(axis) && (ignore ?? []).some((each) => each === axis),
    standard: ['', ...(standard ?? [])],
    buckets: [...meters.keys()],
    markup: markup ?? [],
  });
  if (typeof cells === 'string') return refuse(own.books, cells);
  if (cells.length > CELLS_MAX) return refuse(own.books, `come to ${cells.length} cells; the limit is ${CELLS_MAX}`);
  const unpriced = [...meters.keys()].find((bucket) => !cells.some(({ rates }) => rates[bucket] !== undefined));
  if (unpriced !== undefined) return refuse(own.meters, `has ${unpriced}, of which no model of these books has a rate`);
  return {
    ...{ ...usage, ...around, model: 'price_book', books: books.slugs },
    meters: Object.fromEntries([...meters].map(([bucket, [slug]]) => [bucket, slug])),
    dimensions,
    ...(standard !== undefined && { standard: standard.toSorted() }),
    ...(ignore !== undefined && { ignore: ignore.toSorted() }),
    ...(markup !== undefined && { markup }),
    cells,
  };
}

const dimensionsIn = ({ dimensions }: BookPrice): readonly string[] => axes.flatMap((axis) => dimensions[axis] ?? []);

/** What it says, and each cell of it. */
export function bookPriceTerms(price: BookPrice): Terms {
  const { books, meters, dimensions, standard = [], ignore = [], markup = [], cells } = price;
  return {
    books: books.join(' '),
    ...Object.fromEntries(Object.entries(meters).map(([bucket, meter]) => [`meter of ${bucket}`, meter])),
    ...Object.fromEntries(Object.entries(dimensions).map(([axis, name]) => [`dimension of ${axis}`, name])),
    ...(standard.length > 0 && { standard: standard.join(' ') }),
    ...(ignore.length > 0 && { ignore: ignore.join(' ') }),
    ...usageOfTerms(price),
    ...Object.fromEntries(markup.map((rule) => [ruleName(rule), `x ${rule.factor}`])),
    ...Object.fromEntries(
      cells.map(({ values, rates }) => [
        `cell [${values.join(', ')}]`,
        ratedBuckets(rates)
          .map((bucket) => `${bucket} ${rates[bucket]}`)
          .join(' '),
      ]),
    ),
  };
}

/** As a file says it: without what the books came to. */
export const bookPriceForm = ({ cells: _, ...said }: BookPrice): object => said;

/** A matrix for each bucket, under the slug and the bucket's name. */
export function bucketPrices(price: BookPrice): readonly MatrixPrice[] {
  const {
    slug,
    model: _,
    books: _books,
    meters,
    standard: _standard,
    ignore: _ignore,
    markup: _markup,
    cells,
    ...shared
  } = price;
  const dimensions = dimensionsIn(price);
  return buckets.flatMap((bucket): MatrixPrice[] => {
    const meter = meters[bucket];
    if (meter === undefined) return [];
    const own = cells.flatMap(({ values, rates }) => {
      const unitAmount = rates[bucket];
      return unitAmount === undefined ? [] : [{ values, model: 'per_unit' as const, unitAmount }];
    });
    return [{ ...shared, slug: `${slug}/${bucket}`, meter, model: 'matrix', dimensions, cells: own }];
  });
}
