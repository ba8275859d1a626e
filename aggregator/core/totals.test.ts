import { describe, expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import { TOTAL_GROUPS_MAX, TotalTable } from './totals.ts';

const place = { tenant: 'acme', meter: aMeter('tokens', { eventType: 'call' }), windowStart: 0 };
const later = { ...place, windowStart: 3_600_000 };
const said = (table: TotalTable): string[] =>
  [...table.all()].map(({ windowStart, groupValues, value, eventCount }) =>
    [windowStart, groupValues?.join() ?? 'rest', value, eventCount].join(' '),
  );

describe('totals of a chunk', () => {
  it('are by window and group, whoever the subject is', () => {
    const table = new TotalTable();
    table.add(place, ['m'], 2n);
    table.add(later, ['m'], 3n);
    table.add(place, ['l'], 4n);
    table.add(place, ['m'], 5n);
    expect(said(table)).toEqual(['0 m 7 2', '3600000 m 3 1', '0 l 4 1']);
  });

  it('share a row once a window has too many groups; those that are there keep their own', () => {
    const table = new TotalTable();
    for (let i = 0; i < TOTAL_GROUPS_MAX + 10; i++) table.add(place, [`g${i}`], 1n);
    table.add(place, ['g0'], 1n);
    table.add(later, ['g300'], 1n);
    const rows = said(table);
    expect(rows).toHaveLength(TOTAL_GROUPS_MAX + 2);
    expect(rows).toEqual(expect.arrayContaining(['0 g0 2 2', '0 rest 10 10', '3600000 g300 1 1']));
  });

  it('are taken once they have changed, and are gone with the chunk', () => {
    const table = new TotalTable();
    table.add(place, ['m'], 2n);
    expect(table.takeDirty()).toHaveLength(1);
    expect(table.takeDirty()).toHaveLength(0);
    table.add(place, ['m'], 2n);
    expect(table.takeDirty()).toMatchObject([{ value: 4n }]);
    table.startChunk();
    expect(said(table)).toEqual([]);
  });
});
