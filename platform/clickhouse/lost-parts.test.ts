import { describe, expect, it } from '@jest/globals';
import { dropLostPart, mayLackTotals, mayLackUsage, readLostParts } from './lost-parts.ts';

describe('parts that were not loaded', () => {
  it('are told by the name that they had in their table', async () => {
    const names = ['broken-on-start_20261123_1_42_3', 'covered-by-broken_202611_7_7_0_try1', 'broken_strange'];
    const query = async () => names.map((name) => ({ table: 'usage_rollups', name })) as never;
    expect((await readLostParts({ query })).map(({ part, detachedAs }) => [part, detachedAs])).toEqual([
      ['20261123_1_42_3', names[0]],
      ['202611_7_7_0', names[1]],
      ['', names[2]],
    ]);
  });

  it.each<[string, string, string, string, boolean]>([
    ['its own week', '20261123_1_1_0', '2026-11-23', '2026-11-24', true],
    ['the last hour of it', '20261123_1_1_0', '2026-11-29T23:00:00Z', '2026-12-05', true],
    ['the week after', '20261123_1_1_0', '2026-11-30', '2026-12-07', false],
    ['the week before', '20261123_1_1_0', '2026-11-16', '2026-11-23', false],
    ['any time where its name says none', '', '2026-01-01', '2026-01-02', true],
  ])('may lack usage of %s', (_, part, from, to, expected) => {
    expect(mayLackUsage({ table: 'usage_rollups', part }, Date.parse(from), Date.parse(to))).toBe(expected);
    expect(mayLackTotals({ table: 'usage_totals', part }, Date.parse(from), Date.parse(to))).toBe(expected);
    for (const table of ['usage_events', 'usage_totals'])
      expect(mayLackUsage({ table, part }, Date.parse(from), Date.parse(to))).toBe(false);
  });

  it('are dropped by the name that they have now', async () => {
    const said: string[] = [];
    const command = async (sql: string) => void said.push(sql);
    await dropLostPart({ command }, { table: 'usage_events', part: '202611_1_1_0', detachedAs: "broken_o'k" });
    expect(said[0]).toContain("ALTER TABLE usage_events DROP DETACHED PART 'broken_o\\'k'");
  });
});
