// By which factor the rates of a book are sold. Of the rules that match a model one holds, the most exact: a model by
// its name before a beginning of names, a longer beginning before a shorter one, then a family, then a provider, then
// the rule that names nothing. Of two that are as exact by model, the one that names a family too, then a provider.
// Which stands first in the list does not matter.
import { type Field, isAbsent, readList, readMap, readText, refuse } from '../../fields/catalog-fields.ts';
import type { JsonSchema } from '../../fields/definition-form.ts';
import { ANY_MODEL, type BookModel, readRate } from './price-book.ts';

const RULES_MAX = 500;
const NO_MARKUP = '1';

export interface MarkupRule {
  readonly factor: string;
  readonly provider?: string;
  readonly family?: string;
  /** A name, or the beginning of names with a `*` behind it. */
  readonly model?: string;
}

export const markupSchema: JsonSchema = {
  type: 'array',
  minItems: 1,
  maxItems: RULES_MAX,
  description:
    'By which factor rates are sold. The most exact rule holds: model, beginning of a model, family, provider.',
  items: {
    type: 'object',
    required: ['factor'],
    additionalProperties: false,
    properties: {
      factor: { $ref: '#/$defs/decimal', description: '"1.2" is a mark-up of a fifth; "0" makes it free.' },
      provider: { $ref: '#/$defs/text' },
      family: { $ref: '#/$defs/text' },
      model: { $ref: '#/$defs/text', description: 'A name of the book, or the beginning of names: "m-large*".' },
    },
  },
};

const isBeginning = (model: string): boolean => model.endsWith('*');

/** Whether a rule is of a model of a book. */
export function isOf({ provider, family, model }: MarkupRule, of: BookModel): boolean {
  if (provider !== undefined && provider !== of.provider) return false;
  if (family !== undefined && family !== of.family) return false;
  if (model === undefined) return true;
  return isBeginning(model) ? of.model !== ANY_MODEL && of.model.startsWith(model.slice(0, -1)) : of.model === model;
}

/** Greater, place by place, for what is more exact. */
function exactness({ provider, family, model }: MarkupRule): readonly number[] {
  const named = model === undefined ? -1 : isBeginning(model) ? model.length : Number.POSITIVE_INFINITY;
  return [named, family === undefined ? 0 : 1, provider === undefined ? 0 : 1];
}

function isMoreExact(one: MarkupRule, other: MarkupRule): boolean {
  const [a, b] = [exactness(one), exactness(other)];
  const place = a.findIndex((value, i) => value !== b[i]);
  return place !== -1 && a[place]! > b[place]!;
}

/** 1 where no rule is of the model. */
export function markupOf(rules: readonly MarkupRule[], model: BookModel): string {
  let found: MarkupRule | null = null;
  for (const rule of rules) if (isOf(rule, model) && (found === null || isMoreExact(rule, found))) found = rule;
  return found?.factor ?? NO_MARKUP;
}

function readRule(field: Field): MarkupRule | null {
  const fields = readMap(field, ['factor', 'provider', 'family', 'model']);
  if (fields === null) return null;
  const factor = readRate(fields.factor);
  const said = (['provider', 'family', 'model'] as const).filter((name) => !isAbsent(fields[name]));
  const names = said.map((name): [string, string | null] => [name, readText(fields[name])]);
  if (fields.model.value === '*') return refuse(fields.model, 'is any model: leave it out');
  if (factor === null || names.some(([, text]) => text === null)) return null;
  return { factor, ...Object.fromEntries(names) };
}

/** Null after it has said what is wrong: two rules of the same models among it. In one order. */
export function readMarkup(field: Field): readonly MarkupRule[] | null {
  const list = readList(field, RULES_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one rule');
  const key = ({ provider, family, model }: MarkupRule): string =>
    JSON.stringify([model ?? null, family ?? null, provider ?? null]);
  const seen = new Set<string>();
  const rules = list.map((each) => {
    const rule = readRule(each);
    if (rule === null) return null;
    if (seen.has(key(rule))) return refuse(each, 'is of the same models as a rule before it');
    seen.add(key(rule));
    return rule;
  });
  if (!rules.every((rule) => rule !== null)) return null;
  return rules.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function ruleName({ provider, family, model }: MarkupRule): string {
  const named = Object.entries({ model, family, provider }).flatMap(([name, text]) =>
    text === undefined ? [] : [`${name} ${text}`],
  );
  return `markup ${named.length === 0 ? 'by default' : named.join(' ')}`;
}
