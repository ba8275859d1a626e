// What meters read where a path leads through arrays, or by a name that holds a dot.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aMeter } from '../../test/support/a-meter.ts';
import { parseExactJson } from '../json/exact-json.ts';
import { formatQuantity } from '../number/quantity.ts';
import { Rejection } from '../rejection.ts';
import type { Meter } from './meter.ts';
import { readMeters } from './meter-reading.ts';
import { ruleSet } from './rule-set.ts';

const ofItems = (more: Partial<Meter> = {}): Meter => aMeter('n', { valuePath: ['items', null, 'n'], ...more });

/** The quantity that the meter reads; null: it is left alone; a text: why it can't read it. */
function read(meter: Meter, text: string, rules = ruleSet(2)): string | null {
  const outcome = readMeters([meter], parseExactJson(text), rules);
  if (outcome instanceof Rejection) return `${outcome.code}: ${outcome.message}`;
  const { readings, unread } = outcome;
  if (unread[0] !== undefined) return `${unread[0].rejection.code}: ${unread[0].rejection.message}`;
  return readings[0] === undefined ? null : formatQuantity(readings[0].quantity);
}

describe('a meter of all elements', () => {
  it.each([
    ['sum', '5.5'],
    ['max', '4'],
    ['min', '-0.5'],
  ] as const)('takes their %s', (aggregation, quantity) => {
    expect(read(ofItems({ aggregation }), '{"items":[{"n":2},{"n":"4"},{"n":-0.5},{"n":null},{}]}')).toBe(quantity);
  });

  it.each(['{}', '{"items":null}', '{"items":[]}', '{"items":[{},{"n":null}]}', '{"items":7}', '{"items":[[],"n"]}'])(
    'is left alone by %s, which is an event without the value where one is required',
    (text) => {
      expect(read(ofItems(), text)).toBeNull();
      expect(read(ofItems({ required: true }), text)).toBe(
        'missing_value: data.items[*].n is missing: meter n requires it',
      );
    },
  );

  it('reads none of them where it can not read one', () => {
    expect(read(ofItems(), '{"items":[{"n":1},{"n":"many"}]}')).toBe(
      'invalid_value: data.items[*].n must each be a decimal number of at most 26 integer digits, ' +
        'not the string "many": meter n reads it',
    );
    expect(read(ofItems({ precision: 'exact' }), '{"items":[{"n":1},{"n":1e-13}]}')).toContain('12 fraction digits');
    expect(read(ofItems(), '{"items":[{"n":1e26}]}')).toContain('invalid_value');
  });

  it('reads no sum that one value could not be', () => {
    const most = '9'.repeat(26);
    expect(read(ofItems(), `{"items":[{"n":${most}},{"n":-1},{"n":1}]}`)).toBe(most);
    expect(read(ofItems(), `{"items":[{"n":${most}},{"n":1}]}`)).toContain('together have at most 26 integer digits');
    expect(read(ofItems(), `{"items":[{"n":-${most}},{"n":-1}]}`)).toContain('together');
  });

  it('rounds each of them by itself, and says that it did', () => {
    const outcome = readMeters([ofItems()], parseExactJson('{"items":[{"n":1},{"n":6e-13},{"n":6e-13}]}'), ruleSet(2));
    expect(outcome).toMatchObject({ readings: [{ quantity: 1_000_000_000_002n, isRounded: true }] });
  });

  it('reads what as many events of one value each would add up to', () => {
    const number = fc.oneof(fc.integer(), fc.constantFrom('0.5', '1e-12', '2.5e-12', '12345678901234567890', '"7"'));
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 8 }), fc.constantFrom(1, 2), (numbers, set) => {
        const alone = numbers.map((each) => readMeters([aMeter('n')], parseExactJson(`{"n":${each}}`), ruleSet(set)));
        const all = `{"items":[${numbers.map((each) => `{"n":${each}}`).join(',')}]}`;
        const together = readMeters([ofItems()], parseExactJson(all), ruleSet(set));
        const rejected = alone.some((each) => each instanceof Rejection);
        expect(together instanceof Rejection).toBe(rejected);
        if (rejected || together instanceof Rejection) return;
        const sum = alone.reduce(
          (total, each) => total + (each instanceof Rejection ? 0n : each.readings[0]!.quantity),
          0n,
        );
        expect(together.readings[0]!.quantity).toBe(sum);
      }),
    );
  });

  it('sums up the members of an object as well', () => {
    expect(read(aMeter('n', { valuePath: ['usage', null] }), '{"usage":{"in":3,"out":4}}')).toBe('7');
  });
});

describe('a meter of one place', () => {
  it('reads a name with dots, one element, and groups by both', () => {
    const text = '{"gen_ai.usage.input_tokens":12,"items":[{"n":5,"kind.of":"x"},{"n":6}]}';
    expect(read(aMeter('n', { valuePath: ['gen_ai.usage.input_tokens'] }), text)).toBe('12');
    expect(read(aMeter('n', { valuePath: ['items', 0, 'n'] }), text)).toBe('5');
    expect(read(aMeter('n', { valuePath: ['items', -1, 'n'] }), text)).toBe('6');
    expect(read(aMeter('n', { valuePath: ['items', 2, 'n'] }), text)).toBeNull();
    const grouped = aMeter('n', {
      valuePath: ['items', 1, 'n'],
      dimensions: [{ name: 'kind', path: ['items', 0, 'kind.of'] }],
    });
    expect(readMeters([grouped], parseExactJson(text), ruleSet(2))).toMatchObject({
      readings: [{ groupValues: ['x'] }],
    });
  });

  it('names the place as the catalog does', () => {
    const meter = aMeter('n', { valuePath: ['items', 0, 'a.b'], required: true });
    expect(read(meter, '{"items":[]}')).toBe('missing_value: data.items[0]["a.b"] is missing: meter n requires it');
  });
});
