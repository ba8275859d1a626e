import { describe, expect, it } from '@jest/globals';
import { soundCatalog } from '../../test/support/sound-catalog.ts';
import { doublePrices, formatDouble, formatUntaken, type UsedGroup, untakenGroups } from './price-coverage.ts';

const catalogOf = (plans: string) =>
  soundCatalog(
    `currency: USD
meters:
  - { slug: tokens, eventType: e, aggregation: sum, value: data.n, groupBy: { model: data.model, region: data.region } }
  - { slug: calls, eventType: e, aggregation: count }
plans:
${plans}`,
    'the catalog of the test',
  );
const price = (slug: string, rest: string) =>
  `      - { slug: ${slug}, meter: tokens, ${rest}, model: per_unit, unitAmount: "1" }`;
const now = catalogOf(`  - slug: pro
    prices:
${price('small', 'match: { model: s }')}
${price('large', 'match: { model: l }')}
  - slug: free
    prices: []
`);
const wanted = catalogOf(`  - slug: pro
    prices:
${price('small', 'match: { model: s }')}
${price('eu', 'match: { region: eu }')}
  - slug: team
    prices:
${price('small', 'match: { model: s }')}
${price('rest', 'otherwise: true')}
  - slug: free
    prices: []
`);

const used = (meter: string, ...groupValues: string[]): UsedGroup => ({
  ...{ meter, groupValues, subjects: 3 },
  ...{ firstSeen: Date.UTC(2026, 10, 1), lastSeen: Date.UTC(2026, 10, 20, 10) },
});

describe('group values that no price takes', () => {
  const untaken = untakenGroups(now, wanted, [
    used('tokens', 's', 'us'),
    used('tokens', 'l', 'us'),
    used('tokens', 'l', 'eu'),
    used('tokens', '', ''),
    used('calls'),
    used('gone', 'x'),
  ]);

  it('are told by the plans that price the meter, and which of them take them by now', () => {
    expect(untaken.map(({ meter, groups, plans, lost }) => [meter, groups, plans, lost])).toEqual([
      ['tokens', { model: 'l', region: 'us' }, ['pro'], ['pro']],
      ['tokens', { model: '', region: '' }, ['pro'], []],
      ['calls', {}, [], []],
    ]);
  });

  it('are lines for a person', () => {
    expect(untaken.map(formatUntaken)).toEqual([
      '! meter tokens {model: "l", region: "us"}: no price takes it in pro; by now pro does ' +
        '(3 subjects, 2026-11-01T00:00:00Z to 2026-11-20T10:00:00Z)',
      '! meter tokens {model: "", region: ""}: no price takes it in pro ' +
        '(3 subjects, 2026-11-01T00:00:00Z to 2026-11-20T10:00:00Z)',
      '! meter calls {}: no plan prices the meter (3 subjects, 2026-11-01T00:00:00Z to 2026-11-20T10:00:00Z)',
    ]);
  });

  it('are of no plan where the one that took them is gone', () => {
    const gone = untakenGroups(now, catalogOf('  - { slug: free, prices: [] }\n'), [used('tokens', 'l', 'us')]);
    expect(gone).toMatchObject([{ plans: [], lost: ['pro'] }]);
  });
});

it('prices of a plan that both charge some usage are told, and none that takes what they leave', () => {
  expect(doublePrices(wanted).map(formatDouble)).toEqual([
    '! plan pro, prices small and eu: both charge some usage of meter tokens',
  ]);
});
