import { describe, expect, it } from '@jest/globals';
import type { RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { subscriptionBook } from '../../domain/catalog/subscription-book.ts';
import { closedAsFarAs, isUnmoved, type RatingBasis } from './rating-basis.ts';

const versions = [{ version: 2, effectiveAt: 0, catalog: emptyCatalog }];
const basis: RatingBasis = {
  ...{ seals: { vector: { 1: { 0: 5 } }, epochSteps: [], watermark: 900 }, watermark: 900 },
  ...{ versions, book: subscriptionBook(versions), meters: [], closedUpTo: 600 },
};
const period = (more: Partial<RatedPeriod> = {}): RatedPeriod => ({
  ...{ tenant: 't', customer: 's', subscription: '', periodStart: 0, periodEnd: 1_000, plan: 'p', catalogVersion: 1 },
  ...{ subscriptionStart: null, timelineVersion: 2, sealVector: { 1: { 0: 5 } }, ratedWatermark: 900, closedUpTo: 600 },
  ...more,
});

describe('what was read', () => {
  it.each<[string, Partial<RatedPeriod>, boolean]>([
    ['is as it was', {}, true],
    [
      'was rated earlier',
      { sealVector: { 1: { 0: 4 } }, ratedWatermark: 800, closedUpTo: 500, timelineVersion: 1 },
      true,
    ],
    ['was never rated', { sealVector: {}, ratedWatermark: null, closedUpTo: null }, true],
    ['ends elsewhere', { periodEnd: 999 }, false],
    ['has another plan', { plan: 'q' }, false],
    ['is pinned to another version', { catalogVersion: 2 }, false],
    ['was drawn by a newer book', { timelineVersion: 3 }, false],
    ['was rated by later seals', { sealVector: { 1: { 0: 6 } } }, false],
    ['was rated at a later watermark', { ratedWatermark: 901 }, false],
    ['was closed further', { closedUpTo: 601 }, false],
  ])('stands where the locked period %s: %#', (_, more, expected) => {
    expect(isUnmoved([period()], [period(more)], basis)).toBe(expected);
  });

  it('does not stand where a period was added or is another one', () => {
    expect(isUnmoved([], [period()], basis)).toBe(false);
    expect(isUnmoved([period()], [period({ periodStart: 1 })], basis)).toBe(false);
  });
});

it('windows that were closed stay closed', () => {
  expect(closedAsFarAs(basis, []).closedUpTo).toBe(600);
  expect(closedAsFarAs(basis, [period({ closedUpTo: null }), period({ closedUpTo: 500 })]).closedUpTo).toBe(600);
  expect(closedAsFarAs(basis, [period({ closedUpTo: 700 }), period()]).closedUpTo).toBe(700);
});
