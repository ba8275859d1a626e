import { describe, expect, it } from '@jest/globals';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { ruleSet } from '../metering/rule-set.ts';
import { type CatalogTrial, formatTrial, type RecentEvent, tryMeters } from './catalog-trial.ts';

const event = (id: string, data: object, type = 'llm'): RecentEvent => ({
  ...{ tenant: 'acme', source: '', id, type, data: JSON.stringify(data) },
});
const meter = (slug: string, more = {}) => aMeter(slug, { eventType: 'llm', ...more });

const events = [
  event('e1', { tokens: 5, model: 'm' }),
  event('e2', { tokens: 'many', model: 'm' }),
  event('e3', { tokens: [], model: 'm' }),
  event('e4', { tokens: 1, model: { name: 'm' } }),
  event('e5', { model: null }),
  event('o1', { n: 1 }, 'order'),
];
const recent = { accepted: 6, scanned: 6, events };
const tried = (...meters: ReturnType<typeof meter>[]): CatalogTrial => tryMeters(meters, [], recent, ruleSet(2));

describe('a catalog tried on recent events', () => {
  it('counts what a meter can not read by reason, each with an example', () => {
    const { meters } = tried(meter('tokens', { dimensions: by('model') }));
    expect(meters).toEqual([
      {
        ...{ meter: 'tokens', change: 'same', eventType: 'llm', events: 5, leftOut: 0, refuses: true, neverMet: [] },
        unread: [
          {
            ...{ code: 'invalid_value', field: 'data.tokens', events: 2 },
            example: { tenant: 'acme', source: '', id: 'e2' },
            reason: expect.stringContaining('not the string "many"'),
          },
          {
            ...{ code: 'invalid_group', field: 'data.model', events: 1 },
            example: { tenant: 'acme', source: '', id: 'e4' },
            reason: expect.stringContaining('not an object'),
          },
        ],
      },
    ]);
  });

  it('names the paths that no event of the type has, and not one that some have', () => {
    const { meters } = tried(
      meter('spelt', { valuePath: ['tokns'], dimensions: by('model', 'region') }),
      meter('items', { valuePath: ['items', null, 'n'] }),
      meter('tokens'),
    );
    expect(meters.map(({ neverMet }) => neverMet)).toEqual([['data.tokns', 'data.region'], ['data.items[*].n'], []]);
  });

  it('counts what a filter leaves out, and says so where that is all', () => {
    const where = (values: string[], isNot = false) => ({ where: [{ path: ['model'], isNot, values }] });
    const { meters } = tried(
      meter('some', { valuePath: ['tokens'], ...where(['m']) }),
      meter('spelt', { valuePath: ['tokens'], ...where(['n']) }),
      meter('without', { aggregation: 'count', where: [{ path: ['error'], isNot: false, values: [''] }] }),
      meter('pathless', { aggregation: 'count', where: [{ path: ['modl'], isNot: true, values: ['m'] }] }),
    );
    expect(meters.map(({ leftOut, neverMet, unread }) => [leftOut, neverMet, unread.length])).toEqual([
      // An object is no model, so what it is can't be told.
      [1, [], 2],
      [4, [], 1],
      [0, [], 0],
      [0, ['data.modl'], 0],
    ]);
    const all = { ...recent, events: events.slice(0, 3) };
    expect(
      formatTrial(tryMeters([meter('spelt', { valuePath: ['tokens'], ...where(['n']) })], [], all, ruleSet(3))),
    ).toEqual([
      expect.stringMatching(/^tried on 3 events/),
      '! meter spelt: its filter leaves out all of 3 events of type "llm"',
    ]);
  });

  it('says by the rule set in force what an event means, which by the first is nothing to any meter', () => {
    const trial = tryMeters([meter('tokens')], [], recent, ruleSet(1));
    expect(trial.meters[0]!.unread).toMatchObject([{ code: 'invalid_value', events: 2 }]);
  });

  it('is told in lines', () => {
    const meters = [
      meter('tokens', { required: true }),
      meter('left_out', { valuePath: ['tokens'], unreadable: 'skip' }),
      meter('spelt', { valuePath: ['tokns'] }),
      meter('calls', { aggregation: 'count', valuePath: null }),
      meter('audio', { eventType: 'audio' }),
    ];
    const changes = [
      { kind: 'added', subject: 'meter spelt', detail: '' },
      { kind: 'changed', subject: 'meter tokens', detail: '' },
    ] as const;
    expect(formatTrial(tryMeters(meters, changes, { ...recent, accepted: 90 }, ruleSet(2)))).toEqual([
      'tried on 6 events found among 6 of the 90 of the last 24 hours:',
      `! meter tokens (changed): can't read 3 of 5 events of type "llm"; gateways refuse such events`,
      expect.stringMatching(/^! {3}2 invalid_value, such as event "e2" \(tenant acme\): data\.tokens must be/),
      expect.stringMatching(/^! {3}1 missing_value, such as event "e5" \(tenant acme\): data\.tokens is missing/),
      `! meter left_out: can't read 2 of 5 events of type "llm"; it leaves such events out`,
      expect.stringMatching(/^! {3}2 invalid_value/),
      '! meter spelt (added): data.tokns is in none of 5 events of type "llm"',
      '! meter audio: there is no event of type "audio" among them',
    ]);
    expect(formatTrial(tried(meters[3]!))).toEqual([
      'tried on 6 events of the 6 of the last 24 hours: every meter reads what it should',
    ]);
    const none = tryMeters(meters, [], { accepted: 0, scanned: 0, events: [] }, ruleSet(2));
    expect(formatTrial(none)).toEqual(['tried on no events: none was counted in the last 24 hours']);
    expect(formatTrial(tried())).toEqual([]);
  });
});
