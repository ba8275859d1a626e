// docs/use/pricing.md says what the code does: each of its examples is read as a catalog's price and computed.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Plan, Price } from '../../domain/catalog/catalog.ts';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { minimumDue } from '../../domain/pricing/around/charge.ts';
import { cellAt } from '../../domain/pricing/matrix-cells.ts';
import { isMinimum, partsOf } from '../../domain/pricing/parts.ts';
import { amountOf, isUsagePrice, priceModels } from '../../domain/pricing/prices.ts';
import { projectFile } from '../../platform/process/project-root.ts';

interface Example {
  /** That a catalog has for it. */
  readonly priceBooks?: readonly object[];
  readonly price: { readonly model: string };
  readonly costs: Readonly<Record<string, string>>;
}

/** Of all prices of a plan, by units of the meter. */
interface PlanExample {
  readonly plan: { readonly prices: readonly { readonly model: string; readonly slug: string }[] };
  readonly costs: Readonly<Record<string, string>>;
}

const text = readFileSync(projectFile('docs/use/pricing.md'), 'utf8');
const written = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, block]) => parse(block!) as Example | PlanExample,
);
const examples = written.filter((each): each is Example => 'price' in each);
const planExamples = written.filter((each): each is PlanExample => 'plan' in each);

const METERLESS = ['flat', 'price_book'];
const withMeter = <Fields extends { readonly model: string }>(price: Fields) => ({
  ...(!METERLESS.includes(price.model) && { meter: 'm' }),
  ...price,
});

const priceOf = ({ price, priceBooks }: Pick<Example, 'price' | 'priceBooks'>): Price =>
  planOf({ prices: [{ slug: 'price', ...price }] }, priceBooks).prices[0]!;

function planOf({ prices, ...more }: PlanExample['plan'], priceBooks: Example['priceBooks'] = []): Plan {
  const catalog = {
    currency: 'USD',
    priceBooks,
    meters: [
      { slug: 'm', eventType: 'e', aggregation: 'sum', value: 'data.n', groupBy: { model: 'data.m', tier: 'data.t' } },
      { slug: 'n', eventType: 'e', aggregation: 'sum', value: 'data.k', groupBy: { model: 'data.m' } },
      { slug: 'events', eventType: 'e', aggregation: 'count' },
    ],
    plans: [{ slug: 'p', ...more, prices: prices.map(withMeter) }],
  };
  const reading = readCatalog(JSON.stringify(catalog), 'example');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog.plans[0]!;
}

/**
 * Of usage: a quantity; of a percentage with a fee, money and events; of a matrix, the values and a quantity; of a
 * price book, the model and a quantity of each bucket.
 */
function costOf(price: Price, usage: string): string {
  const words = usage.split(' ');
  const quantity = Decimal.parse(words.at(-1)!);
  if (isUsagePrice(price) && price.model === 'matrix')
    return amountOf(cellAt(price, words.slice(0, -1))!.price)(quantity).toString();
  if (price.model === 'price_book')
    return partsOf(price)
      .filter(isUsagePrice)
      .map((part, i) => amountOf(cellAt(part, words.slice(0, 1))!.price)(Decimal.parse(words[i + 1]!)))
      .reduce((sum, amount) => sum.plus(amount))
      .toString();
  const parts = partsOf(price).filter(({ slug }) => !isMinimum(slug));
  const charged = sumOf(parts.map((part, i) => amountOf(part)(Decimal.parse(words[i]!))));
  expect(words.length).toBe(parts.length);
  const least = isUsagePrice(price) ? price.minimum : undefined;
  return (least === undefined ? charged : charged.plus(minimumDue(Decimal.parse(least), charged))).toString();
}

const sumOf = (amounts: readonly Decimal[]): Decimal => amounts.reduce((sum, amount) => sum.plus(amount), Decimal.zero);

function costOfPlan(plan: Plan, usage: string): string {
  const charged = sumOf(plan.prices.map((price) => Decimal.parse(costOf(price, isUsagePrice(price) ? usage : '1'))));
  return charged.plus(minimumDue(Decimal.parse(plan.minimum!.amount), charged)).toString();
}

describe('docs/use/pricing.md', () => {
  it('has a section and an example of each model', () => {
    const titles = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles).toEqual([...priceModels, 'Around a price']);
    expect([...new Set(examples.map(({ price }) => price.model))]).toEqual(priceModels);
  });

  it.each(examples.map((example, i) => [`${i + 1}, ${example.price.model}`, example] as const))(
    'example %s',
    (_, example) => {
      const { price, costs } = example;
      const read = priceOf(example);
      expect(Object.fromEntries(Object.keys(costs).map((usage) => [usage, costOf(read, usage)]))).toEqual(costs);
      expect(Object.keys(costs).length).toBeGreaterThanOrEqual(price.model === 'flat' ? 1 : 3);
    },
  );

  it('says what a plan with a minimum comes to', () => {
    expect(planExamples.length).toBe(1);
    for (const { plan, costs } of planExamples) {
      const read = planOf(plan);
      const found = Object.keys(costs).map((usage) => [usage, costOfPlan(read, usage)]);
      expect(Object.fromEntries(found)).toEqual(costs);
    }
  });
});
