import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type CatalogVersion, emptyCatalog, type Plan } from './catalog.ts';
import { pinnedPlan } from './price-version.ts';

const at = (text: string) => new Date(text).getTime();

const plan = (slug: string, flatAmount: string, rest: Partial<Plan> = {}): Plan => ({
  slug,
  billingPeriod: 'month',
  calendar: true,
  timezone: 'UTC',
  prices: [{ slug: 'fee', model: 'flat', flatAmount }],
  ...rest,
});

const version = (number: number, effectiveAt: string, plans: Plan[]): CatalogVersion => ({
  version: number,
  effectiveAt: at(effectiveAt),
  catalog: { ...emptyCatalog, plans },
});

describe('pinnedPlan', () => {
  const versions = [
    version(1, '2026-01-01T00:00:00Z', [plan('a', '1')]),
    version(2, '2026-03-15T00:00:00Z', [plan('a', '2'), plan('b', '20')]),
    version(3, '2026-03-10T00:00:00Z', [plan('a', '3')]),
  ];
  const pinned = (slug: string, start: string, list: readonly CatalogVersion[] = versions) =>
    pinnedPlan(list, slug, at(start))?.version ?? null;

  it('takes the newest version in effect when the period starts', () => {
    expect(pinned('a', '2026-02-01T00:00:00Z')).toBe(1);
    expect(pinned('a', '2026-03-01T00:00:00Z')).toBe(1);
    // Version 3 was made after version 2 and overrules it, though it is in effect earlier.
    expect(pinned('a', '2026-03-10T00:00:00Z')).toBe(3);
    expect(pinned('a', '2026-04-01T00:00:00Z')).toBe(3);
  });

  it('passes over versions without the plan', () => {
    expect(pinned('b', '2026-04-01T00:00:00Z')).toBe(2);
  });

  it('takes the oldest version that has the plan where none was in effect yet', () => {
    expect(pinned('a', '2025-12-01T00:00:00Z')).toBe(1);
    expect(pinned('b', '2025-12-01T00:00:00Z')).toBe(2);
    expect(pinned('c', '2026-04-01T00:00:00Z')).toBeNull();
  });

  it('does not depend on the order of the versions', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(versions, { minLength: 3 }),
        fc.constantFrom('2025-01-01T00:00:00Z', '2026-03-12T00:00:00Z', '2026-05-01T00:00:00Z'),
        fc.constantFrom('a', 'b'),
        (shuffled, start, slug) => {
          expect(pinned(slug, start, shuffled)).toBe(pinned(slug, start));
        },
      ),
    );
  });

  it('gives the plan and the currency of that version', () => {
    expect(pinnedPlan(versions, 'a', at('2026-02-01T00:00:00Z'))).toEqual({
      version: 1,
      plan: plan('a', '1'),
      currency: 'USD',
    });
  });
});
