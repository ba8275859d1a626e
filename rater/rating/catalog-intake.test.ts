// Whom a version makes due: who has a plan that it changes, of the tenants whose catalog it is.
import { expect, it } from '@jest/globals';
import type { HeldShard } from '../../domain/accounts/shard.ts';
import { type Catalog, type CatalogVersion, emptyCatalog } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { ConcernedHolders } from '../../platform/billing-store/due-customers.ts';
import { markConcerned } from './catalog-intake.ts';

/** Amounts of the fee of the default plan, and of the plan `pro`. */
const made = (version: number, fee: string, pro: string): CatalogVersion => {
  const plan = (slug: string, flatAmount: string): Catalog['plans'][number] => ({
    ...{ slug, calendar: true, timezone: 'UTC', afterEnd: 'none' },
    prices: [{ slug: `fee-${slug}`, model: 'flat', flatAmount }],
  });
  const catalog = { ...emptyCatalog, plans: [plan('payg', fee), plan('pro', pro)], defaultPlan: 'payg' };
  return { version, effectiveAt: version * 100, catalog };
};

async function markedBy(versions: TenantVersions, after: number, watermark: number) {
  const marked: (ConcernedHolders & { readonly dueAt: number })[] = [];
  const store = {
    markHoldersDue: async (holders: ConcernedHolders, _shards: readonly HeldShard[], dueAt: number) => {
      marked.push({ ...holders, dueAt });
      return null;
    },
  };
  for (const version of versions.after(after))
    await markConcerned(store, [], new RatingCatalogs(versions), version, watermark);
  return marked;
}

it('is told by the tenant’s own versions, and of the default for all that had none of their own before', async () => {
  const versions = new TenantVersions(
    [made(1, '1', '1'), made(3, '1', '9'), made(5, '5', '9')],
    new Map([['acme', [made(2, '1', '2'), made(4, '1', '4')]]]),
  );
  const own = { tenants: { tenant: 'acme' } };
  const others = { tenants: { except: ['acme'] } };
  expect(await markedBy(versions, 1, 1_000)).toEqual([
    // Of its first own version what is other than in the default that it had.
    { plan: 'pro', ...own, dueAt: 200 },
    { plan: 'pro', ...others, dueAt: 300 },
    { plan: 'pro', ...own, dueAt: 400 },
    { plan: 'payg', ...others, dueAt: 500 },
    { plan: null, ...others, dueAt: 500 },
  ]);
});

it('is due when it is known, where the version holds later', async () => {
  const versions = new TenantVersions([made(1, '1', '1')], new Map([['acme', [made(2, '1', '2')]]]));
  expect(await markedBy(versions, 1, 150)).toEqual([{ plan: 'pro', tenants: { tenant: 'acme' }, dueAt: 150 }]);
});

it('is nobody by a version that says what its tenant’s newest did', async () => {
  const versions = new TenantVersions([made(1, '1', '1'), made(3, '1', '7')], new Map([['acme', [made(2, '1', '1')]]]));
  expect(await markedBy(versions, 1, 1_000)).toEqual([{ plan: 'pro', tenants: { except: ['acme'] }, dueAt: 300 }]);
});
