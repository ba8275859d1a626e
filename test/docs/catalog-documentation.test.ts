// docs/use/catalog.md says what the code does: its example is a catalog, its worked numbers are the pricers'.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Price } from '../../domain/catalog/catalog.ts';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { amountOf, isUsagePrice } from '../../domain/pricing/prices.ts';
import { projectFile } from '../../platform/process/project-root.ts';

const text = readFileSync(projectFile('docs/use/catalog.md'), 'utf8');
const yamlBlocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1]!);

function pricesOf(fragment: string): readonly Price[] {
  const prices = parse(fragment) as object[];
  const catalog = {
    currency: 'USD',
    meters: [{ slug: 'm', eventType: 'e', aggregation: 'count' }],
    plans: [{ slug: 'p', prices: prices.map((each, index) => ({ slug: `price-${index}`, meter: 'm', ...each })) }],
  };
  const reading = readCatalog(JSON.stringify(catalog), 'fragment');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog.plans[0]!.prices;
}

describe('docs/use/catalog.md', () => {
  it('has an example that is a catalog', () => {
    const reading = readCatalog(yamlBlocks[0]!, 'example.yaml');
    expect(reading.ok ? [] : reading.errors.map(formatCatalogError)).toEqual([]);
  });

  it('has worked numbers that are right', () => {
    const prices = pricesOf(yamlBlocks[1]!);
    const [, header, rows] = /^\| usage \|(.*)\|\n\|[-|]+\n((?:\|.*\|\n)+)/m.exec(text)!;
    expect(header!.split('|').map((name) => name.trim())).toEqual(prices.map(({ model }) => model));
    const lines = rows!
      .trim()
      .split('\n')
      .map((row) =>
        row
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(lines.length).toBeGreaterThan(5);
    for (const [usage, ...amounts] of lines) {
      expect([
        usage,
        ...prices.map((price) => amountOf(price)(Decimal.parse(isUsagePrice(price) ? usage! : '1')).toString()),
      ]).toEqual([usage, ...amounts]);
    }
  });
});
