import { describe, expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import { type WindowSize, windowSizes } from '../time/time-window.ts';
import { midnightsKeepWindows } from '../time/time-zone.ts';
import type { Change } from './catalog-diff.ts';
import { formatWindowChoice, windowChoices } from './window-choice.ts';

const added = (slug: string): Change => ({ kind: 'added', subject: `meter ${slug}`, detail: '' });

describe('the choice of a window', () => {
  it('is told of the meters that are added, by window', () => {
    const meters = [
      aMeter('old'),
      aMeter('calls'),
      aMeter('storage', { window: '1d' }),
      ...[1, 2, 3, 4, 5, 6, 7].map((n) => aMeter(`m${n}`, { window: '15m', itemWidth: '1h' })),
      aMeter('seats', { window: '15m' }),
    ];
    const changes = [...meters.slice(1).map(({ slug }) => added(slug)), { ...added('old'), kind: 'changed' as const }];
    expect(windowChoices(meters, changes).map(formatWindowChoice)).toEqual([
      'windows of 15m, line items of 15m, for ever (seats): for plans in every time zone',
      'windows of 15m, line items of 1h, for ever (m1, m2, m3, m4, m5 and 2 more): for plans in every time zone',
      expect.stringMatching(
        /^windows of 1h, line items of 1h, for ever \(calls\): for plans in time zones whole hours from UTC/,
      ),
      expect.stringMatching(/^windows of 1d, line items of 1d, for ever \(storage\): for plans in UTC/),
    ]);
    expect(windowChoices(meters, [])).toEqual([]);
  });

  // The largest window that serves a zone; all smaller ones do.
  it.each<[string, WindowSize]>([
    ['UTC', '1d'],
    ['Africa/Abidjan', '1d'],
    ['Africa/Lagos', '1h'],
    ['America/New_York', '1h'],
    ['Asia/Kolkata', '15m'],
    ['Asia/Kathmandu', '15m'],
    ['Australia/Lord_Howe', '15m'],
    ['Pacific/Chatham', '15m'],
    ['America/St_Johns', '15m'],
    ['Australia/Eucla', '15m'],
  ])('serves %s up to %s, as its words say', (zone, largest) => {
    const served = windowSizes.filter((window) => midnightsKeepWindows(zone, window));
    expect(served).toEqual(windowSizes.slice(0, windowSizes.indexOf(largest) + 1));
  });
});
