// What the gateway accepts, the aggregator must be able to count: the two rules are written apart, for speed, and held
// together here.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Aggregation } from '../../domain/aggregation/aggregations.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { isSingular, type JsonPath, type SingularPath } from '../../domain/json/json-path.ts';
import type { Addend } from '../../domain/metering/meter.ts';
import { metersByType, readMeters } from '../../domain/metering/meter-reading.ts';
import { ruleSet } from '../../domain/metering/rule-set.ts';
import { ExactNumber } from '../../domain/number/exact-number.ts';
import { Rejection } from '../../domain/rejection.ts';
import { compileMeterChecks, meterFault } from './meter-checks.ts';

const path = fc.constantFrom<SingularPath>(['a'], ['b'], ['a', 'b'], ['b', 'a', 'a'], ['a', 0], ['a', -1, 'b']);
const wide = fc.constantFrom<JsonPath>(['a', null], [null], ['b', null, 'a'], [null, null]);

function valuePathOf(aggregation: Aggregation, path: SingularPath, widePath: JsonPath | null): JsonPath | null {
  if (aggregation === 'count') return null;
  return aggregationRules(aggregation).joinValues === null ? path : (widePath ?? path);
}

const addend = fc.record({
  path: fc.oneof<fc.Arbitrary<JsonPath>[]>(path, path, wide),
  factor: fc.constantFrom('1', '1', '-1', '0.5', '-2', '999999999.000000000001'),
});
const condition = fc.record({
  path,
  isNot: fc.boolean(),
  values: fc.constantFrom([''], ['1'], ['1', 'x'], ['', 'true'], ['12345678901234567890'], ['30', '1000']),
});

/** What the meter's value is the sum of, where its aggregation can add up. */
function addendsOf(aggregation: Aggregation, addends: readonly Addend[] | null): Partial<Meter> {
  const { reads, isSum } = aggregationRules(aggregation);
  const isMade = addends !== null && reads === 'quantity' && (isSum || addends.every(({ path: at }) => isSingular(at)));
  return isMade ? { valuePath: null, addends } : {};
}

const meter: fc.Arbitrary<Meter> = fc
  .record({
    slug: fc.constantFrom('m1', 'm2', 'm3'),
    precision: fc.constantFrom('rounded' as const, 'exact' as const),
    aggregation: fc.constantFrom('sum', 'count', 'max', 'min', 'latest', 'unique'),
    valuePath: path,
    widePath: fc.option(wide),
    addends: fc.option(fc.array(addend, { minLength: 1, maxLength: 3 })),
    where: fc.option(fc.array(condition, { minLength: 1, maxLength: 2 })),
    required: fc.boolean(),
    dimensions: fc.array(fc.record({ name: fc.constantFrom('x', 'y'), path }), { maxLength: 2 }),
  })
  .map(({ widePath, addends, where, ...made }) => ({
    ...made,
    eventType: 't',
    window: '1h',
    valuePath: valuePathOf(made.aggregation, made.valuePath, widePath),
    ...addendsOf(made.aggregation, addends),
    ...(where === null ? {} : { where }),
  }));

const value = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom('1', '-2.50', '1e3', '', 'x', 'y'.repeat(256), 'y'.repeat(257), true, false, null),
  fc
    .constantFrom('12345678901234567890', '1e999', '1e-13', '9'.repeat(300), `1${'0'.repeat(300)}`, '3.0E+1')
    .map((token) => new ExactNumber(token)),
  fc.constantFrom([], [7, 0.5], ['9'.repeat(26), 1], [{ b: 2 }, { b: null }, {}]),
);

const data = fc.letrec<{ node: unknown; object: object }>((tie) => ({
  node: fc.oneof({ maxDepth: 3 }, value, tie('object')),
  object: fc.dictionary(fc.constantFrom('a', 'b'), tie('node'), { maxKeys: 2 }),
})).object;

describe('meterFault', () => {
  it('finds a fault exactly where the aggregator could not read the event, and names the same one', () => {
    fc.assert(
      fc.property(
        fc.array(meter, { minLength: 1, maxLength: 3 }),
        data,
        fc.constantFrom(1, 2, 3),
        (meters, read, number) => {
          const catalog = { ...emptyCatalog, meters };
          const rules = ruleSet(number);
          const reading = readMeters(metersByType(catalog).get('t')!, read, rules);
          const unread = reading instanceof Rejection ? reading : (reading.unread[0]?.rejection ?? null);
          const fault = meterFault(compileMeterChecks(catalog, rules).get('t')!, read);
          if (unread === null) expect(fault).toBeNull();
          else expect(fault).toMatchObject({ code: unread.code, field: unread.field });
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
