// The cells that a price makes of books: for each name of a model, context and service, what a unit of each bucket
// costs, marked up. A model that several books have is as the first of them says it.
//
// What a price can't tell apart it does not price: two models under one name, rates by context or by service without a
// dimension that says which. It is refused, unless the price says that it takes no notice of it.
import { Decimal } from '../../number/decimal.ts';
import { ANY_VALUE } from '../matrix.ts';
import { type Bucket, isCountedInTokens, type Rates } from './buckets.ts';
import { type MarkupRule, markupOf } from './markup.ts';
import { ANY_MODEL, type BookModel, bookModelName, type PriceBook } from './price-book.ts';

/**
 * What may tell usage of a book apart, in the order in which cells name it: of two cells that name as many values, the
 * one with the model's name goes before the one with any model of a provider.
 */
export const axes = ['model', 'provider', 'context', 'service'] as const;
export type Axis = (typeof axes)[number];

/** Per unit. */
export interface BookCell {
  /** In the order of the axes that the price has. */
  readonly values: readonly string[];
  readonly rates: Rates;
}

interface CellsOf {
  /** Of each axis, whether the price has a dimension of it. */
  readonly has: (axis: Axis) => boolean;
  /** Contexts and services of which it takes no notice. */
  readonly ignores: (axis: Axis) => boolean;
  /** How events say that context and service are the usual ones. */
  readonly standard: readonly string[];
  readonly buckets: readonly Bucket[];
  readonly markup: readonly MarkupRule[];
}

const UNITS: Readonly<Record<PriceBook['per'], Decimal>> = {
  '1': Decimal.parse('1'),
  '1000': Decimal.parse('0.001'),
  '1000000': Decimal.parse('0.000001'),
};

/** What a bucket costs in a context; undefined: the book does not say. */
function rateIn(
  { sameAs = {} }: PriceBook,
  model: BookModel,
  context: string | null,
  bucket: Bucket,
): string | undefined {
  const said = (of: Bucket): string | undefined =>
    (context === null ? undefined : model.contexts?.[context]?.[of]) ?? model.rates[of];
  const other = sameAs[bucket];
  return said(bucket) ?? (other === undefined ? undefined : said(other));
}

/** Null: rates of a service that are no factor are those of the usual context. */
function ratesOf(
  book: PriceBook,
  model: BookModel,
  context: string | null,
  service: string | null,
  { buckets, markup }: CellsOf,
): Rates | null {
  const ofService = service === null ? '1' : (model.services?.[service] ?? book.services![service]!);
  if (typeof ofService !== 'string' && context !== null) return null;
  const factor = Decimal.parse(markupOf(markup, model)).times(
    Decimal.parse(typeof ofService === 'string' ? ofService : '1'),
  );
  const rates = buckets.flatMap((bucket): [Bucket, string][] => {
    const own = typeof ofService === 'string' ? undefined : ofService[bucket];
    const rate = own ?? rateIn(book, model, context, bucket);
    if (rate === undefined) return [];
    const units = isCountedInTokens(bucket) ? UNITS[book.per] : UNITS['1'];
    return [[bucket, Decimal.parse(rate).times(factor).times(units).toString()]];
  });
  return Object.fromEntries(rates);
}

/** Why a price can't tell a model of a book apart; null: it can. */
function fault(book: PriceBook, model: BookModel, { has, ignores, standard }: CellsOf): string | null {
  const where = `${bookModelName(model)} of book ${book.slug}`;
  if (model.contexts !== undefined && !has('context') && !ignores('context'))
    return `${where} has rates by context, and no dimension says which: name one for context, or ignore: [context]`;
  const services = { ...book.services, ...model.services };
  if (Object.keys(services).length > 0 && !has('service') && !ignores('service'))
    return `${where} has rates by service, and no dimension says which: name one for service, or ignore: [service]`;
  const usual = [...Object.keys(model.contexts ?? {}), ...Object.keys(services)].find((name) =>
    standard.includes(name),
  );
  if (usual !== undefined) return `${where} has rates of ${JSON.stringify(usual)}, which the price says is the usual`;
  if (model.model === ANY_MODEL && model.provider !== '' && !has('provider'))
    return `${where} is any model of its provider, and no dimension says which that is: name one for provider`;
  return null;
}

/** The cells, or why there can't be any. `books` in the order of their precedence. */
export function cellsOfBooks(books: readonly PriceBook[], of: CellsOf): readonly BookCell[] | string {
  const cells: BookCell[] = [];
  const known = new Map<string, { readonly book: PriceBook; readonly model: BookModel }>();
  for (const book of books)
    for (const model of book.models) {
      const why = fault(book, model, of);
      if (why !== null) return why;
      const provider = model.provider === '' ? ANY_VALUE : model.provider;
      for (const name of [model.model, ...(model.aliases ?? [])]) {
        const value = name === ANY_MODEL ? ANY_VALUE : name;
        const named = of.has('provider') ? [value, provider] : [value];
        const key = JSON.stringify(named);
        const earlier = known.get(key);
        if (earlier?.book === book)
          return `${bookModelName(earlier.model)} and ${bookModelName(model)} of book ${book.slug} have one name, ${name}, and no dimension tells them apart: name one for provider`;
        // An earlier book has it of this provider, or whoever runs it.
        const anyone = known.get(JSON.stringify([value, ANY_VALUE]));
        if (earlier !== undefined || (anyone !== undefined && anyone.book !== book)) continue;
        known.set(key, { book, model });
        cells.push(...cellsOfName(book, model, named, of));
      }
    }
  return cells.sort((a, b) => (JSON.stringify(a.values) < JSON.stringify(b.values) ? -1 : 1));
}

/** By the values that say that it is the usual one, null, and by those of its own. */
const variantsOf = (
  has: boolean,
  standard: readonly string[],
  names: readonly string[],
): [string[], string | null][] =>
  has
    ? [
        ...standard.map((value): [string[], null] => [[value], null]),
        ...names.map((name): [string[], string] => [[name], name]),
      ]
    : [[[], null]];

function cellsOfName(book: PriceBook, model: BookModel, named: readonly string[], of: CellsOf): BookCell[] {
  const contexts = variantsOf(of.has('context'), of.standard, Object.keys(model.contexts ?? {}));
  const services = variantsOf(of.has('service'), of.standard, Object.keys({ ...book.services, ...model.services }));
  return contexts.flatMap(([contextValue, context]) =>
    services.flatMap(([serviceValue, service]) => {
      const rates = ratesOf(book, model, context, service, of);
      if (rates === null || Object.keys(rates).length === 0) return [];
      return [{ values: [...named, ...contextValue, ...serviceValue], rates }];
    }),
  );
}
