// What a public price list says of models, before it is a price book: rates for a million tokens, exactly as the file's
// digits have them. A list is made for estimates and not for bills, so what it leaves open is left out and told: a rate
// of 0, which may be free or not known, and what a book can't say.

import { Decimal } from '../../number/decimal.ts';
import { ExactNumber } from '../../number/exact-number.ts';
import { numberText } from '../../number/number-text.ts';
import { type Bucket, buckets, isCountedInTokens, type Rates } from '../book/buckets.ts';
import { type BookModel, bookModelName } from '../book/price-book.ts';

/** What a draft has not, and of which models: the first one, and how many. */
export interface LeftOut {
  readonly what: string;
  readonly example: string;
  readonly models: number;
}

export interface ListReading {
  readonly models: readonly BookModel[];
  readonly leftOut: readonly LeftOut[];
}

const MILLION = Decimal.parse('1000000');

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);

/** Null: it is no number of a length that a rate has. `parseExactJson` read it, so no digit is lost. */
export function rateOf(value: unknown): Decimal | null {
  if (!(value instanceof ExactNumber) && typeof value !== 'number') return null;
  const text = numberText(value instanceof ExactNumber ? value.text : String(value));
  return Decimal.isDecimal(text) ? Decimal.parse(text) : null;
}

/** One model, rate by rate. */
export class ListedModel {
  readonly provider: string;
  readonly name: string;
  private readonly family: string | undefined;
  private readonly left: (what: string, of: string) => void;
  private readonly base = new Map<Bucket, string>();
  private readonly contexts = new Map<string, Map<Bucket, string>>();
  private readonly services = new Map<string, Map<Bucket, string>>();

  constructor(provider: string, name: string, family: string | undefined, left: (what: string, of: string) => void) {
    this.provider = provider;
    this.name = name;
    this.family = family === '' ? undefined : family;
    this.left = left;
  }

  leaveOut(what: string): void {
    this.left(what, `${this.provider}/${this.name}`);
  }

  /** `perToken` true: the list has it for one token. `at`: the list's own word for it. */
  add(bucket: Bucket, value: unknown, of: { at: string; perToken: boolean; context?: string; service?: string }): void {
    const { at, perToken, context, service } = of;
    const rate = rateOf(value);
    if (rate === null || rate.isNegative) {
      this.leaveOut(`${at}, which is no rate`);
      return;
    }
    if (rate.isZero) {
      this.leaveOut(`${at} of 0, which may be free or not known`);
      return;
    }
    if (context !== undefined && service !== undefined) {
      this.leaveOut(`${at}, of a context and a service at once`);
      return;
    }
    const rates =
      context !== undefined
        ? inMap(this.contexts, context)
        : service !== undefined
          ? inMap(this.services, service)
          : this.base;
    rates.set(bucket, (perToken && isCountedInTokens(bucket) ? rate.times(MILLION) : rate).toString());
  }

  /** Null: it has no rate that a book could say. */
  model(): BookModel | null {
    if (this.base.size === 0) {
      if (this.contexts.size + this.services.size > 0) this.leaveOut('models that have no usual rate');
      return null;
    }
    return {
      ...{ provider: this.provider, model: this.name, rates: ratesOf(this.base) },
      ...(this.family !== undefined && { family: this.family }),
      ...(this.contexts.size > 0 && { contexts: byName(this.contexts) }),
      ...(this.services.size > 0 && { services: byName(this.services) }),
    };
  }
}

function inMap(of: Map<string, Map<Bucket, string>>, name: string): Map<Bucket, string> {
  const known = of.get(name) ?? new Map<Bucket, string>();
  of.set(name, known);
  return known;
}

const ratesOf = (of: ReadonlyMap<Bucket, string>): Rates =>
  Object.fromEntries(buckets.flatMap((bucket) => (of.has(bucket) ? [[bucket, of.get(bucket)!]] : [])));

const byName = (of: ReadonlyMap<string, ReadonlyMap<Bucket, string>>): Readonly<Record<string, Rates>> =>
  Object.fromEntries([...of].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, rates]) => [name, ratesOf(rates)]));

/** Whether a book takes it for a name. */
const isNameable = (name: string): boolean =>
  name !== '' && !name.endsWith('*') && [...name].length <= 256 && !/[\p{Cc}\p{Cs}]/u.test(name);

/** Puts together what a list has, in the order of providers and names; a name that stands twice is left out. */
export class ListedModels {
  private readonly models = new Map<string, BookModel>();
  private readonly left = new Map<string, Set<string>>();

  leaveOut = (what: string, of: string): void => {
    this.left.set(what, (this.left.get(what) ?? new Set()).add(of));
  };

  add(listed: ListedModel): void {
    const model = listed.model();
    if (model === null) return;
    const name = bookModelName(model);
    if (!isNameable(model.model) || !isNameable(model.provider))
      this.leaveOut('names that no model of a book can have', name);
    else if (this.models.has(name)) this.leaveOut('names that stand twice', name);
    else this.models.set(name, model);
  }

  get reading(): ListReading {
    const models = [...this.models].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, model]) => model);
    const leftOut = [...this.left].map(([what, of]) => ({ what, example: [...of][0]!, models: of.size }));
    return { models, leftOut: leftOut.sort((a, b) => b.models - a.models || (a.what < b.what ? -1 : 1)) };
  }
}

/** `over_200k`: how a draft names a context of more than 200,000 tokens. */
export const contextName = (thousands: string): string => `over_${thousands}k`;
