import { describe, expect, it } from '@jest/globals';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { type Catalog, emptyCatalog, type Meter } from './catalog.ts';
import { inTheirPlaces, keepingWidths, meterStarts, newMeanings } from './meter-meaning.ts';

const meter: Meter = aMeter('tokens', { eventType: 'llm', valuePath: ['n'], dimensions: by('model') });
const catalogOf = (...meters: Meter[]): Catalog => ({ ...emptyCatalog, meters });
const changedTo = (more: Partial<Meter>, earlier: Partial<Meter> = {}) =>
  newMeanings([catalogOf({ ...meter, ...earlier })], catalogOf({ ...meter, ...more }));

describe('newMeanings', () => {
  it.each<[string, Partial<Meter>, boolean]>([
    ['aggregation sum -> max', { aggregation: 'max' }, false],
    ['groupBy model -> none', { dimensions: by('region') }, true],
    ['window 1h -> 1m, lineItems 1h -> 1m', { window: '1m' }, true],
    ['lineItems 1h -> 1d', { itemWidth: '1d' }, true],
    ['aggregation sum -> max, groupBy model -> none', { aggregation: 'max', dimensions: [] }, true],
  ])('are those that read stored usage otherwise: %s', (what, more, concernsPrices) => {
    expect(changedTo(more).map(({ changed, ...of }) => [changed.join(', '), of.concernsPrices])).toEqual([
      [what, concernsPrices],
    ]);
  });

  it.each<[string, Partial<Meter>]>([
    ['its type', { eventType: 'chat' }],
    ['its value', { valuePath: ['m'] }],
    ['a sum', { valuePath: null, addends: [{ path: ['n'], factor: '-1' }] }],
    ['its filter', { where: [{ path: ['status'], isNot: false, values: ['ok'] }] }],
    ['the path of a dimension', { dimensions: [{ name: 'model', path: ['m'] }] }],
    ['a dimension more', { dimensions: by('area', 'model') }],
    ['what it asks of events', { required: true, precision: 'exact', unreadable: 'skip' }],
  ])('are none of what is read of events: %s', (_, more) => {
    expect(changedTo(more)).toEqual([]);
  });

  it('remember a meter that was removed, by its last definition', () => {
    const history = [catalogOf({ ...meter, aggregation: 'max' }), catalogOf(meter), catalogOf()];
    expect(newMeanings(history, catalogOf(meter))).toEqual([]);
    expect(newMeanings(history, catalogOf({ ...meter, aggregation: 'max' }))).toHaveLength(1);
  });
});

// What a file means that says no window, or no width of line items, was something else in earlier releases.
describe('keepingWidths', () => {
  it.each<[string, Partial<Meter>, Partial<Meter>, string]>([
    ['an hour of before', { window: '1h' }, { window: '15m', itemWidth: '1h' }, 'write window: 1h'],
    ['a quarter of before', { window: '15m' }, { window: '15m', itemWidth: '1h' }, 'write lineItems: 15m'],
    ['a quarter where a day is written', { window: '15m' }, { window: '1d' }, 'write window: 15m and lineItems: 15m'],
    ['the default where a day is written', { window: '15m', itemWidth: '1h' }, { window: '1d' }, 'write window: 15m'],
    ['items of an hour', { window: '1m', itemWidth: '1h' }, { window: '1m' }, 'write lineItems: 1h'],
  ])('says how the widths of a meter are kept: %s', (_, before, after, told) => {
    expect(changedTo(after, before).map(keepingWidths)).toEqual([`; to keep the meter as it is, ${told}`]);
  });

  it('does not say so where more of its meaning differs', () => {
    expect(changedTo({ window: '15m', itemWidth: '1h', aggregation: 'max' }).map(keepingWidths)).toEqual(['']);
  });
});

describe('inTheirPlaces', () => {
  const placesOf = (history: readonly Catalog[], dimensions: Meter['dimensions']): string[] =>
    inTheirPlaces(history, catalogOf({ ...meter, dimensions })).meters[0]!.dimensions.map(({ name }) => name);

  it('keeps the places that dimensions have had, and puts new ones behind them by name', () => {
    const first = catalogOf(meter);
    expect(placesOf([], by('b', 'a'))).toEqual(['a', 'b']);
    expect(placesOf([first], by('area', 'model', 'zone'))).toEqual(['model', 'area', 'zone']);
    const second = catalogOf({ ...meter, dimensions: by('model', 'zone') });
    // Also where a version between has no such meter.
    expect(placesOf([first, second, catalogOf()], by('area', 'model', 'zone'))).toEqual(['model', 'zone', 'area']);
  });
});

describe('meterStarts', () => {
  it('tells meters that read events otherwise, and what usage of before has of a new dimension', () => {
    const changed = { ...meter, valuePath: ['m'] };
    const grouped = aMeter('images', { dimensions: by('area', 'model') });
    const before = catalogOf(meter, aMeter('images'), aMeter('calls'));
    const after = catalogOf(changed, grouped, aMeter('calls', { unreadable: 'skip' }), aMeter('new'));
    const told = 'for events that are counted from the version on, until a recount of those before';
    expect(meterStarts(before, after)).toEqual([
      { subject: 'meter tokens', start: told },
      { subject: 'meter images', start: `${told}; area and model of usage before is ""` },
    ]);
  });
});
