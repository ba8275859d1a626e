import { describe, expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import { Rejection } from '../rejection.ts';
import { type DefinedCorrection, definedBy, type MeterCorrection, readCorrected } from './corrections.ts';
import type { Meter } from './meter.ts';
import { metersByType } from './meter-reading.ts';
import { ruleSet } from './rule-set.ts';

const HOUR = 3_600_000;
const tokens = aMeter('tokens', { eventType: 'e', valuePath: ['tokens'], window: '1h' });
const images: Meter = { ...tokens, slug: 'images', valuePath: ['images'] };
const exact: Meter = { ...tokens, precision: 'exact' };
const of = (meter: Meter, more: Partial<MeterCorrection> = {}): DefinedCorrection =>
  definedBy({ ...{ tenant: null, meter: meter.slug, version: 2, from: 0, to: null }, ...more }, (tenant) =>
    metersByType({ meters: tenant === 'acme' ? [meter] : [] }),
  );
const event = { tenant: 'acme', type: 'e', eventTime: 5 * HOUR + 1, data: '' };

const read = (
  inForce: readonly Meter[],
  corrections: readonly DefinedCorrection[],
  data: object | string,
  rules = 3,
) => {
  const found = readCorrected(
    inForce,
    corrections,
    { ...event, data: typeof data === 'string' ? data : JSON.stringify(data) },
    ruleSet(rules),
  );
  if (found instanceof Rejection) return found.code;
  return {
    read: found.readings.map(({ meter, quantity }) => [meter.slug, Number(quantity / 10n ** 12n)]),
    unread: found.unread.map(({ meter }) => meter.slug),
  };
};
const both = { tokens: 3, images: 4 };

describe('the meters of a recounted chunk', () => {
  it.each<[string, readonly DefinedCorrection[], unknown]>([
    ['are those in force without a correction', [], [['tokens', 3]]],
    [
      'and one that is new',
      [of(images)],
      [
        ['tokens', 3],
        ['images', 4],
      ],
    ],
    ['only once where it was in force', [of(tokens)], [['tokens', 3]]],
    [
      'by the later of two corrections',
      [of(images), of({ ...images, valuePath: ['tokens'] })],
      [
        ['tokens', 3],
        ['images', 3],
      ],
    ],
    ['but not of another tenant', [of(images, { tenant: 'other' })], [['tokens', 3]]],
    ['nor of a window before the range', [of(images, { from: 5 * HOUR + 1 })], [['tokens', 3]]],
    [
      'from the first window of the range on',
      [of(images, { from: 5 * HOUR })],
      [
        ['tokens', 3],
        ['images', 4],
      ],
    ],
    ['nor of the window where the range ends', [of(images, { to: 5 * HOUR })], [['tokens', 3]]],
    ['nor of another type', [of({ ...images, eventType: 'f' })], [['tokens', 3]]],
    ['and none where the version says another type', [of({ ...tokens, eventType: 'f' })], []],
  ])('%s', (_, corrections, expected) => {
    expect(read([tokens], corrections, both)).toEqual({ read: expected, unread: [] });
  });

  it('count what only a mended definition reads', () => {
    const data = { tokens: '3.1234567890123' };
    expect(read([exact], [], data)).toEqual({ read: [], unread: ['tokens'] });
    expect(read([exact], [of(tokens)], data)).toEqual({ read: [['tokens', 3]], unread: [] });
  });

  it.each([1, 2, 3])('lose what a new meter cannot read, and the others nothing, by rule set %i', (rules) => {
    expect(read([tokens], [of(images)], { tokens: 3, images: {} }, rules)).toEqual({
      ...{ read: [['tokens', 3]], unread: ['images'] },
    });
  });

  it('lose an event whose data nobody had to read before', () => {
    expect(read([], [of(images)], 'none')).toEqual({ read: [], unread: ['images'] });
    expect(read([tokens], [of(images)], 'none')).toBe('invalid_data');
    expect(read([], [], 'none')).toEqual({ read: [], unread: [] });
  });

  it('are told apart from an event that was never accepted', () => {
    expect(read([tokens], [of(images)], { tokens: {}, images: 4 }, 1)).toBe('invalid_value');
  });
});
