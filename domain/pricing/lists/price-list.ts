// A public price list read into a draft of a price book, and the draft as text of a catalog file. Nothing of it holds
// before somebody has read it and applied the file: a list changes every day and is wrong on some.
import { parseExactJson } from '../../json/exact-json.ts';
import type { BookModel, PriceBook } from '../book/price-book.ts';
import { isMap, type LeftOut, type ListReading } from './listed-models.ts';
import { isLiteLlm, readLiteLlm } from './litellm.ts';
import { isModelsDev, readModelsDev } from './models-dev.ts';

interface DraftOf {
  readonly slug: string;
  /** Empty: all. */
  readonly providers: readonly string[];
  readonly source: string;
  /** A day. */
  readonly readAt: string;
}

export type Draft =
  | { readonly book: PriceBook; readonly leftOut: readonly LeftOut[] }
  /** Why there is none. */
  | { readonly fault: string };

function reading(list: unknown, providers: readonly string[]): ListReading | null {
  if (!isMap(list)) return null;
  if (isLiteLlm(list)) return readLiteLlm(list, providers);
  return isModelsDev(list) ? readModelsDev(list, providers) : null;
}

/** `text`: of the whole list. */
export function draftOf(text: string, { slug, providers, source, readAt }: DraftOf): Draft {
  let list: unknown;
  try {
    list = parseExactJson(text);
  } catch (error) {
    return { fault: `is no JSON: ${(error as Error).message}` };
  }
  const read = reading(list, providers);
  if (read === null)
    return {
      fault: "is neither LiteLLM's list (entries with litellm_provider) nor models.dev's (providers with models)",
    };
  const { models, leftOut } = read;
  if (models.length === 0)
    return {
      fault:
        providers.length === 0 ? 'has no model with a rate' : `has no model with a rate of ${providers.join(', ')}`,
    };
  // Both lists say the rate of reasoning only where it is another one than that of output.
  return { book: { slug, source, readAt, per: '1000000', sameAs: { reasoning: 'output' }, models }, leftOut };
}

/** A map on one line. What needs no quotes is a word; a decimal has quotes. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([name, of]) => `${flow(name)}: ${flow(of)}`)
      .join(', ')} }`;
  const text = String(value);
  return /^[A-Za-z][A-Za-z_-]*\d?[A-Za-z_-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

function modelLine({ provider, model, family, aliases, rates, contexts, services }: BookModel): string {
  return `      - ${flow({
    ...(provider !== '' && { provider }),
    model,
    ...(family !== undefined && { family }),
    ...(aliases !== undefined && { aliases }),
    rates,
    ...(contexts !== undefined && { contexts }),
    ...(services !== undefined && { services }),
  })}`;
}

/** Lines of the section `priceBooks` of a catalog file: a model a line, so that what changed is seen line by line. */
export const bookLines = ({ slug, source, readAt, per, sameAs, models }: PriceBook): string[] => [
  'priceBooks:',
  `  - slug: ${flow(slug)}`,
  ...(source === undefined ? [] : [`    source: ${JSON.stringify(source)}`]),
  ...(readAt === undefined ? [] : [`    readAt: ${JSON.stringify(readAt)}`]),
  `    per: ${JSON.stringify(per)}`,
  ...(sameAs === undefined ? [] : [`    sameAs: ${flow(sameAs)}`]),
  '    models:',
  ...models.map(modelLine),
];

/** `! input_cost_per_second, which no bucket is: left out of 12 models, such as openai/whisper-1` */
export const formatLeftOut = ({ what, example, models }: LeftOut): string =>
  `! ${what}: left out of ${models} ${models === 1 ? 'model' : 'models'}, such as ${example}`;
