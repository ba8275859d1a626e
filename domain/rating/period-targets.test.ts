import { describe, expect, it } from '@jest/globals';
import type { Catalog, Plan } from '../catalog/catalog.ts';
import { CatalogHistory } from '../terms/catalog-history.ts';
import { billedBy } from './billed-by.ts';
import { dueTargets } from './period-targets.ts';

const HOUR = 3_600_000;
const at = (day: number, hour = 0): number => Date.UTC(2026, 10, day, hour);

const plan: Plan = {
  ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
  prices: [{ slug: 'base', model: 'flat', flatAmount: '37', charge: 'in_arrears', every: { days: 3 } }],
};
const catalog: Catalog = { currency: 'EUR', meters: [], plans: [plan], defaultPlan: 'payg' };
const by = billedBy(new CatalogHistory([{ version: 1, effectiveAt: at(1), catalog }]), []);
const work = { tenant: 'acme', customer: 'c', subjects: [{ subject: 'c', assignments: [] }], windows: new Map() };

describe('what is due of the default plan', () => {
  it('is looked at in a period that is over and of which nothing was billed', () => {
    const targets = dueTargets(at(15, 1), by, { ...work, dueFrom: at(15) }, []);
    const fees = targets.flatMap(({ periodStart, fees: due }) =>
      due.map(({ slug, dueAt }) => [periodStart, slug, dueAt]),
    );
    // Periods of three days begin on the 12th and the 15th.
    expect(fees).toEqual([[at(12), 'base', at(15)]]);
  });

  it('is looked at no further back than anything can come to be charged of which nothing was', () => {
    const targets = dueTargets(at(15, 1), by, { ...work, dueFrom: 0 }, []);
    expect(targets[0]!.periodStart).toBeGreaterThan(at(15, 1) - 404 * 24 * HOUR);
    expect(targets.length).toBeLessThanOrEqual(136);
  });

  it('is looked at in every period from an instant long past on', () => {
    const targets = dueTargets(at(15, 1), by, { ...work, dueFrom: at(8) + HOUR }, []);
    expect(targets.map(({ periodStart }) => periodStart)).toEqual([at(6), at(9), at(12), at(15)]);
  });
});
