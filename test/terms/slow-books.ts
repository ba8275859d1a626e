// What a price by price books charges for a unit, a second time: by looking through all models of all books for each
// question, with fractions. It shares no code with domain/pricing/book (types apart).
import type { MarkupRule } from '../../domain/pricing/book/markup.ts';
import type { BookModel, PriceBook } from '../../domain/pricing/book/price-book.ts';
import { type Ratio, ratio, readRatio, timesOf } from './slow-numbers.ts';

export interface SlowAsked {
  readonly books: readonly PriceBook[];
  readonly markup: readonly MarkupRule[];
  /** Whether usage says whose the model is. */
  readonly byProvider: boolean;
  readonly provider: string;
  readonly model: string;
  /** '': the usual one. */
  readonly context: string;
  readonly service: string;
  readonly bucket: string;
}

type Rated = Readonly<Record<string, string>>;

function ruleRank({ model, family, provider }: MarkupRule): number {
  const named = model === undefined ? 0 : model.endsWith('*') ? model.length : 1000;
  return named * 4 + (family === undefined ? 0 : 2) + (provider === undefined ? 0 : 1);
}

function factorOf(rules: readonly MarkupRule[], of: BookModel): Ratio {
  const matching = rules.filter(({ model, family, provider }) => {
    const isNamed =
      model === undefined ||
      model === of.model ||
      (model.endsWith('*') && of.model !== '*' && of.model.indexOf(model.slice(0, -1)) === 0);
    return (
      isNamed && (family === undefined || family === of.family) && (provider === undefined || provider === of.provider)
    );
  });
  const [best] = matching.sort((a, b) => ruleRank(b) - ruleRank(a));
  return readRatio(best?.factor ?? '1');
}

/** What one model of one book says; null: nothing. */
function saidBy(book: PriceBook, of: BookModel, asked: SlowAsked): Ratio | null {
  const { bucket, context, service, markup } = asked;
  if (context !== '' && of.contexts?.[context] === undefined) return null;
  const inContext: Rated = { ...of.rates, ...(context === '' ? {} : of.contexts![context]) };
  const other = (book.sameAs as Rated | undefined)?.[bucket];
  let rate = inContext[bucket] ?? (other === undefined ? undefined : inContext[other]);
  let factor = ratio(1n);
  if (service !== '') {
    const said = of.services?.[service] ?? book.services?.[service];
    if (said === undefined) return null;
    if (typeof said === 'string') factor = readRatio(said);
    else if (context !== '') return null;
    else rate = (said as Rated)[bucket] ?? rate;
  }
  if (rate === undefined) return null;
  const tokens = bucket === 'images' ? 1n : BigInt(book.per);
  return timesOf(timesOf(timesOf(readRatio(rate), factor), factorOf(markup, of)), ratio(1n, tokens));
}

/** Null: it is not priced. */
export function slowRate(asked: SlowAsked): Ratio | null {
  const { books, byProvider, provider, model } = asked;
  // The names that usage may be priced by, the most exact first.
  const whose = byProvider ? [provider, ''] : [null];
  for (const name of [model, '*']) {
    for (const owner of whose) {
      for (const [i, book] of books.entries()) {
        const isIt = (of: BookModel): boolean =>
          (of.model === name || (of.aliases ?? []).includes(name)) && (owner === null || of.provider === owner);
        const found = book.models.find(isIt);
        if (found === undefined) continue;
        // A book before it has the model, whoever runs it.
        const isHidden =
          byProvider &&
          owner !== '' &&
          books
            .slice(0, i)
            .some((other) =>
              other.models.some((of) => of.provider === '' && (of.model === name || (of.aliases ?? []).includes(name))),
            );
        if (isHidden) continue;
        const rate = saidBy(book, found, asked);
        if (rate !== null) return rate;
        break;
      }
    }
  }
  return null;
}
