// docs/use/pricing.md says what the code does: each of its examples is read as a catalog's price and computed.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Price } from '../../domain/catalog/catalog.ts';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { amountOf, priceModels } from '../../domain/pricing/prices.ts';
import { projectFile } from '../../platform/process/project-root.ts';

interface Example {
  readonly price: { readonly model: string };
  readonly costs: Readonly<Record<string, string>>;
}

const text = readFileSync(projectFile('docs/use/pricing.md'), 'utf8');
const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block]) => parse(block!) as Example);

function priceOf(written: object & { readonly model: string }): Price {
  const catalog = {
    currency: 'USD',
    meters: [{ slug: 'm', eventType: 'e', aggregation: 'sum', value: 'data.n' }],
    plans: [{ slug: 'p', prices: [{ slug: 'price', ...(written.model !== 'flat' && { meter: 'm' }), ...written }] }],
  };
  const reading = readCatalog(JSON.stringify(catalog), 'example');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog.plans[0]!.prices[0]!;
}

describe('docs/use/pricing.md', () => {
  it('has a section and an example of each model', () => {
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(priceModels);
    expect([...new Set(examples.map(({ price }) => price.model))]).toEqual(priceModels);
  });

  it.each(examples.map((example, i) => [`${i + 1}, ${example.price.model}`, example] as const))(
    'example %s',
    (_, { price, costs }) => {
      const amount = amountOf(priceOf(price));
      expect(
        Object.fromEntries(Object.keys(costs).map((usage) => [usage, amount(Decimal.parse(usage)).toString()])),
      ).toEqual(costs);
      expect(Object.keys(costs).length).toBeGreaterThanOrEqual(price.model === 'flat' ? 1 : 3);
    },
  );
});
