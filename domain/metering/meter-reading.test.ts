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

describe('a meter of a sum of values', () => {
  const fresh = (more: Partial<Meter> = {}): Meter =>
    aMeter('n', {
      valuePath: null,
      addends: [
        { path: ['input'], factor: '1' },
        { path: ['cached'], factor: '-1' },
      ],
      ...more,
    });

  it.each([
    ['{"input":10,"cached":4}', '6'],
    ['{"input":4,"cached":10}', '-6'],
    ['{"input":"0.3","cached":0.1}', '0.2'],
    // Providers leave out what was not used.
    ['{"input":10}', '10'],
    ['{"input":10,"cached":null}', '10'],
    // What is only taken away is no value.
    ['{"cached":4}', null],
    ['{"input":null,"cached":4}', null],
    ['{}', null],
  ])('reads %s as %s', (text, quantity) => {
    expect(read(fresh(), text)).toBe(quantity);
    const required = quantity ?? 'missing_value: data.input - data.cached is missing: meter n requires it';
    expect(read(fresh({ required: true }), text)).toBe(required);
  });

  it('names the value that it can not read, whichever it is', () => {
    expect(read(fresh(), '{"input":10,"cached":"some"}')).toBe(
      'invalid_value: data.cached must be a decimal number of at most 26 integer digits, ' +
        'not the string "some": meter n reads it',
    );
    expect(read(fresh(), '{"input":[],"cached":1}')).toContain('invalid_value: data.input must be');
  });

  it('multiplies exactly, and rounds what it comes to once, half to even', () => {
    const half = (more: Partial<Meter> = {}): Meter =>
      fresh({ addends: [{ path: ['input'], factor: '0.5' }], ...more });
    expect(read(half(), '{"input":3}')).toBe('1.5');
    expect(read(half(), '{"input":0.000000000001}')).toBe('0');
    expect(read(half(), '{"input":0.000000000003}')).toBe('0.000000000002');
    expect(read(half(), '{"input":-0.000000000003}')).toBe('-0.000000000002');
    expect(read(half(), '{"input":-0.000000000005}')).toBe('-0.000000000002');
    const odd = parseExactJson('{"input":0.000000000003}');
    expect(readMeters([half()], odd, ruleSet(3))).toMatchObject({ readings: [{ isRounded: true }] });
    expect(read(half({ precision: 'exact' }), '{"input":0.000000000003}')).toBe(
      'invalid_value: 0.5 * data.input must come to at most 12 fraction digits: meter n reads it',
    );
    expect(read(half({ precision: 'exact' }), '{"input":0.000000000002}')).toBe('0.000000000001');
  });

  it('reads no sum that one value could not be', () => {
    const most = '9'.repeat(26);
    expect(read(fresh(), `{"input":${most},"cached":1}`)).toBe(`${'9'.repeat(25)}8`);
    expect(read(fresh(), `{"input":${most},"cached":-1}`)).toBe(
      'invalid_value: data.input - data.cached must come to at most 26 integer digits: meter n reads it',
    );
  });

  it('is what the integers of its values come to', () => {
    const number = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });
    const factor = fc.integer({ min: -999, max: 999 }).filter((value) => value !== 0);
    fc.assert(
      fc.property(fc.array(fc.tuple(number, factor), { minLength: 1, maxLength: 6 }), (parts) => {
        const addends = [
          { path: ['one'], factor: '1' },
          ...parts.map(([, by], i) => ({ path: [`v${i}`], factor: String(by) })),
        ];
        const text = `{"one":1,${parts.map(([value], i) => `"v${i}":${value}`).join(',')}}`;
        const sum = parts.reduce((total, [value, by]) => total + value * BigInt(by), 1n);
        expect(read(fresh({ addends }), text)).toBe(String(sum));
      }),
    );
  });

  it('sums up all elements of a path in it', () => {
    const addends = [
      { path: ['items', null, 'n'], factor: '2' },
      { path: ['free'], factor: '-1' },
    ];
    expect(read(fresh({ addends }), '{"items":[{"n":2},{},{"n":3}],"free":1}')).toBe('9');
  });
});

describe('a meter with a filter', () => {
  const ofDone = (values: string[], isNot = false, more: Partial<Meter> = {}): Meter =>
    aMeter('n', { where: [{ path: ['status'], isNot, values }], required: true, ...more });

  it.each([
    [['success'], '{"status":"success","n":5}', '5'],
    [['success', 'partial'], '{"status":"partial","n":5}', '5'],
    [['success'], '{"status":"failed","n":5}', null],
    [['success'], '{"n":5}', null],
    // As the text of a group: 200, 2e2 and "200" are one, and so are true and "true".
    [['200'], '{"status":200,"n":5}', '5'],
    [['200'], '{"status":2e2,"n":5}', '5'],
    [['200'], '{"status":"200","n":5}', '5'],
    [['200'], '{"status":"2e2","n":5}', null],
    [['true'], '{"status":true,"n":5}', '5'],
    [['true'], '{"status":"true","n":5}', '5'],
    // Missing, null and empty are one too.
    [[''], '{"n":5}', '5'],
    [[''], '{"status":null,"n":5}', '5'],
    [[''], '{"status":"","n":5}', '5'],
    [[''], '{"status":"a","n":5}', null],
  ])('of %j reads %s as %s, and that of all others the other way round', (values, text, quantity) => {
    expect(read(ofDone(values), text)).toBe(quantity);
    expect(read(ofDone(values, true), text)).toBe(quantity === null ? '5' : null);
  });

  it('is nothing to an event that it leaves out, whatever that event lacks', () => {
    expect(read(ofDone(['success']), '{"status":"failed"}')).toBeNull();
    expect(read(ofDone(['success']), '{"status":"failed","n":"many"}')).toBeNull();
    const grouped = ofDone(['success'], false, { dimensions: [{ name: 'model', path: ['model'] }] });
    expect(read(grouped, '{"status":"failed","n":1,"model":[]}')).toBeNull();
    expect(read(ofDone(['success']), '{"status":"success"}')).toContain('missing_value');
  });

  it('can not tell what an object is, unless another condition leaves the event out', () => {
    const fault =
      'invalid_value: data.status must be a string, number or boolean, not an object: meter n filters by it';
    expect(read(ofDone(['success']), '{"status":{},"n":1}')).toBe(fault);
    expect(read(ofDone(['success'], true), '{"status":{},"n":1}')).toBe(fault);
    const both = [
      { path: ['status'], isNot: true, values: ['failed'] },
      { path: ['tier'], isNot: true, values: ['free'] },
    ];
    for (const where of [both, both.toReversed()]) {
      expect(read(aMeter('n', { where }), '{"status":{},"tier":"free","n":1}')).toBeNull();
      expect(read(aMeter('n', { where }), '{"status":{},"tier":"paid","n":1}')).toBe(fault);
      expect(read(aMeter('n', { where }), '{"status":"ok","tier":"paid","n":1}')).toBe('1');
    }
  });

  it('and its opposite take each event once', () => {
    const status = fc.constantFrom('"a"', '"b"', '""', 'null', '1', '1.0', 'true', '"x"', '12345678901234567890.10');
    const values = fc.array(fc.constantFrom('a', 'b', '', '1', 'true', '12345678901234567890.1'), { minLength: 1 });
    fc.assert(
      fc.property(status, values, (text, compared) => {
        const data = `{"status":${text},"n":5}`;
        const read5 = [false, true].filter((isNot) => read(ofDone(compared, isNot), data) === '5');
        expect(read5).toHaveLength(1);
      }),
    );
  });
});
