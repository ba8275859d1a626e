import { describe, expect, it } from '@jest/globals';
import { catalogOf, flatOf, meterOf, on, type PlanPrices, perUnitOf, sinceLongAgo } from '../../test/terms/records.ts';
import type { Catalog, CatalogVersion } from '../catalog/catalog.ts';
import { priceStarts } from './price-starts.ts';

type Later = Partial<Pick<CatalogVersion, 'closedUpTo' | 'appliesTo'>> & {
  readonly at: string;
  readonly catalog: Catalog;
};

const numbered = (...versions: readonly Later[]): CatalogVersion[] =>
  versions.map(({ at, ...more }, i) => ({ ...more, version: i + 1, effectiveAt: on(at) }));
const starts = (...versions: readonly Later[]): string[] =>
  priceStarts(numbered(...versions)).map(({ subject, start }) => `${subject}: ${start}`);
const at = (instant: string, plans: PlanPrices, more: Partial<Later> = {}, catalog: Partial<Catalog> = {}): Later => ({
  ...{ at: instant, catalog: catalogOf(plans, catalog) },
  ...more,
});

const before = sinceLongAgo({ pro: [perUnitOf('1'), flatOf('9')] });

describe('priceStarts', () => {
  it('is silent about what stays as it was, and about plans that nobody has yet', () => {
    expect(starts(before)).toEqual([]);
    expect(starts(before, before)).toEqual([]);
    expect(starts(before, at('10-16', { pro: [perUnitOf('1'), flatOf('9')], team: [flatOf('1')] }))).toEqual([]);
  });

  it('tells what is changed and what is gone: usage at the next window boundary, fees at the instant', () => {
    expect(starts(before, at('10-16T10:20', { pro: [perUnitOf('2'), flatOf('8')] }))).toEqual([
      'plan pro, price units: from 2026-10-16T11:00:00Z on',
      'plan pro, price fee: from 2026-10-16T10:20:00Z on',
    ]);
    expect(starts(before, at('10-16T10:20', { pro: [] }))).toEqual([
      'plan pro, price units: until 2026-10-16T11:00:00Z',
      'plan pro, price fee: until 2026-10-16T10:20:00Z',
    ]);
  });

  it('tells the windows of the meter', () => {
    const meters = { meters: [meterOf('m', { window: '1d' })] };
    const plans = (amount: string): PlanPrices => ({ pro: [perUnitOf(amount)] });
    expect(starts(at('01-01', plans('1'), {}, meters), at('10-16T10:20', plans('2'), {}, meters))).toEqual([
      'plan pro, price units: from 2026-10-17T00:00:00Z on',
    ]);
  });

  it('tells which windows were still open where nothing priced the usage', () => {
    const added = {
      pro: [perUnitOf('1'), flatOf('9'), perUnitOf('3', { slug: 'more' }), flatOf('5', { slug: 'new' })],
    };
    const open = on('10-16T09:00');
    expect(starts(before, at('10-16T10:20', added, { closedUpTo: open }))).toEqual([
      'plan pro, price more: from 2026-10-16T09:00:00Z on where nothing priced its usage, and else from 2026-10-16T11:00:00Z on',
      'plan pro, price new: from 2026-10-16T10:20:00Z on',
    ]);
    // The window that holds the instant, where it is not known what was closed.
    expect(starts(before, at('10-16T10:20', added))[0]).toContain('from 2026-10-16T10:00:00Z on where nothing');
    expect(starts(before, at('10-16T10:20', added, { closedUpTo: 0 }))[0]).toBe(
      'plan pro, price more: for all usage that nothing priced, and else from 2026-10-16T11:00:00Z on',
    );
  });

  it('tells what waits for the next period', () => {
    const changed = { pro: [perUnitOf('2')] };
    expect(starts(before, at('10-16T10:20', changed, { appliesTo: 'next' }))).toEqual([
      "plan pro, price units: from each subscription's next period on",
      "plan pro, price fee: until each subscription's next period",
    ]);
    const yearly = { pro: [perUnitOf('1', { every: { years: 1 } }), flatOf('9', { every: { years: 1 } })] };
    expect(starts(before, at('10-16T10:20', yearly))).toEqual([
      "plan pro, price units: from each subscription's next period on, since it counts other usage or by another length of period",
      'plan pro, price fee: from 2026-10-16T10:20:00Z on',
    ]);
  });

  it('tells which changes to come it replaces', () => {
    const scheduled = at('12-01', { pro: [perUnitOf('2'), flatOf('9'), perUnitOf('7', { slug: 'more' })] });
    expect(starts(before, scheduled, at('10-16', { pro: [perUnitOf('3'), flatOf('9')] }))).toEqual([
      'plan pro, price units: from 2026-10-16T00:00:00Z on, in place of what version 2 was to bring',
      'plan pro, price more: what version 2 was to bring does not come',
    ]);
    // Of another price it moves nothing.
    expect(
      starts(before, scheduled, at('10-16', { pro: [perUnitOf('2'), flatOf('8'), perUnitOf('7', { slug: 'more' })] })),
    ).toEqual(['plan pro, price fee: from 2026-10-16T00:00:00Z on']);
  });

  it('tells of another default plan', () => {
    const plans = { pro: [perUnitOf('1'), flatOf('9')], free: [] };
    const asDefault = (defaultPlan: string | null) => ({ defaultPlan });
    const none = at('01-01', plans);
    const pro = at('10-16T10:20', plans, { closedUpTo: on('10-16T09:00') }, asDefault('pro'));
    expect(starts(none, pro)).toEqual([
      'defaultPlan: pro for windows that end after 2026-10-16T09:00:00Z and that nothing priced',
    ]);
    expect(starts(none, { ...pro, closedUpTo: 0 })).toEqual(['defaultPlan: pro for all usage that nothing priced']);
    expect(starts(none, pro, at('10-17T10:20', plans, {}, asDefault('free')))).toEqual([
      'defaultPlan: free from 2026-10-17T10:20:00Z on',
    ]);
    expect(starts(none, pro, at('10-17T10:20', plans, {}, asDefault(null)))).toEqual([
      'defaultPlan: none from 2026-10-17T10:20:00Z on',
    ]);
  });
});
