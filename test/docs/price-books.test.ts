// docs/use/price-books.md says what the code does: its catalogs are read, its calls are counted by their meters, and
// what they cost is computed. So are some calls by the price list of a company in deploy/catalogs.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { namedGroups } from '../../domain/metering/meter.ts';
import { readMeters } from '../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { quantityToDecimal } from '../../domain/number/quantity.ts';
import { cellAt, dimensionsOf } from '../../domain/pricing/matrix-cells.ts';
import { partsOf } from '../../domain/pricing/parts.ts';
import { amountOf, isUsagePrice } from '../../domain/pricing/prices.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

interface Call {
  readonly data: object;
  /** By the names of line items. */
  readonly costs?: Readonly<Record<string, string>>;
  /** Quantities by meter. */
  readonly unpriced?: Readonly<Record<string, string>>;
  /** What the provider counted in all. */
  readonly total?: string;
}

/** What one call comes to. */
function billed(catalog: Catalog, data: object): Required<Call> {
  const read = readMeters(catalog.meters, data, ruleSet(NEWEST_RULE_SET));
  if (!('readings' in read)) throw new Error(read.message);
  const costs: Record<string, string> = {};
  const unpriced: Record<string, string> = {};
  let total = Decimal.zero;
  const prices = catalog.plans.flatMap((plan) => plan.prices.flatMap(partsOf)).filter(isUsagePrice);
  for (const { meter, quantity, groupValues } of read.readings) {
    const units = quantityToDecimal(quantity);
    if (units.isZero) continue;
    total = total.plus(units);
    const groups = namedGroups(meter, groupValues);
    let isPriced = false;
    for (const price of prices.filter((each) => each.meter === meter.slug)) {
      const cell = cellAt(
        price,
        dimensionsOf(price).map((name) => groups[name]!),
      );
      if (cell === null) continue;
      isPriced = true;
      costs[price.slug + cell.name] = amountOf(cell.price)(units).toString();
    }
    if (!isPriced) unpriced[meter.slug] = units.toString();
  }
  return { data, costs, unpriced, total: total.toString() };
}

const text = readFileSync(projectFile('docs/use/price-books.md'), 'utf8');
const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block]) => block!);
const groups = blocks.flatMap((block, i) =>
  Array.isArray(parse(block)) ? [[i + 1, blocks[i - 1]!, parse(block) as Call[]] as const] : [],
);

describe('docs/use/price-books.md', () => {
  it('has calls behind each of its catalogs', () => {
    expect(groups.length * 2).toBe(blocks.length);
  });

  it.each(groups)('block %i: each call comes to what it says', (_, catalog, calls) => {
    const read = soundCatalog(catalog, 'price-books.md');
    for (const call of calls) {
      const { costs, unpriced, total } = billed(read, call.data);
      const seen = { data: call.data, costs, unpriced, ...(call.total !== undefined && { total }) };
      expect(seen).toEqual({ costs: {}, unpriced: {}, ...call });
    }
  });
});

describe('deploy/catalogs/anthropic.yaml', () => {
  const file = readFileSync(projectFile('deploy/catalogs/anthropic.yaml'), 'utf8');
  const catalog = soundCatalog(file, 'anthropic.yaml');
  const sum = (data: object): [string, Readonly<Record<string, string>>] => {
    const { costs, unpriced } = billed(catalog, data);
    return [
      Object.values(costs)
        .reduce((total, each) => total.plus(Decimal.parse(each)), Decimal.zero)
        .toString(),
      unpriced,
    ];
  };
  const usage = {
    ...{ input_tokens: 1000, cache_read_input_tokens: 20_000, cache_creation_input_tokens: 4000, output_tokens: 500 },
    cache_creation: { ephemeral_5m_input_tokens: 3000, ephemeral_1h_input_tokens: 1000 },
  };

  it('is a price list in less than 150 lines', () => {
    expect(file.split('\n').length).toBeLessThan(150);
  });

  it('bills a call by each bucket, half of it in a batch, more of it for a long context', () => {
    const standard = { ...usage, service_tier: 'standard' };
    // 0.003 + 0.006 + 0.01125 + 0.006 + 0.0075
    expect(sum({ model: 'claude-sonnet-4-5', usage: standard })).toEqual(['0.03375', {}]);
    expect(sum({ model: 'claude-sonnet-4-5-20250929', usage: { ...usage, service_tier: 'batch' } })).toEqual([
      '0.016875',
      {},
    ]);
    // 0.006 + 0.012 + 0.0225 + 0.012 + 0.01125
    expect(sum({ model: 'claude-sonnet-4-5', context: 'over_200k', usage: standard })).toEqual(['0.06375', {}]);
    // 0.005 + 0.01 + 0.01875 + 0.01 + 0.0125
    expect(sum({ model: 'claude-opus-4-5', usage })).toEqual(['0.05625', {}]);
  });

  it('prices no model, service or context that it does not have', () => {
    const all = { input: '1000', cache_read: '20000', cache_write_5m: '3000', cache_write_1h: '1000', output: '500' };
    expect(sum({ model: 'claude-next', usage })).toEqual(['0', all]);
    expect(sum({ model: 'claude-opus-4-5', usage: { ...usage, service_tier: 'priority' } })).toEqual(['0', all]);
    expect(sum({ model: 'claude-opus-4-5', context: 'over_200k', usage })).toEqual(['0', all]);
  });
});
