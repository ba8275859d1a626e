// What the terms of some targets come to: their usage is read, and put together by the rule of time.
import type { DueFee, PeriodTarget } from '../../domain/rating/period-targets.ts';
import type { ChargedUsage } from '../../domain/rating/rated-terms.ts';
import type { CatalogsByTenant } from '../../domain/rating/rating-catalog.ts';
import { type CountedTerms, chargedTerms, countedTerms } from '../../domain/rating/term-usage.ts';
import { readCountedUsage, readTimesWithUsage, type UsageBasis, type UsageWanted } from './counted-usage.ts';
import type { RatedUsageReads } from './rated-usage-reads.ts';

/** What a target's terms come to. */
export interface TargetCharges {
  readonly target: PeriodTarget;
  readonly usage: readonly ChargedUsage[];
  readonly fees: readonly DueFee[];
}

export async function readCharges(
  store: RatedUsageReads,
  basis: UsageBasis & { readonly catalogs: CatalogsByTenant },
  targets: readonly PeriodTarget[],
): Promise<TargetCharges[]> {
  const wanted: UsageWanted<CountedTerms>[] = [];
  const counted = targets.map((target) =>
    target.usage.map((period) => {
      const of = countedTerms(period);
      for (const each of of) wanted.push({ ...target, meter: period.line.meter!, counted: each });
      return { period, counted: of };
    }),
  );
  const usage = await readCountedUsage(store, wanted, basis);
  const usageOf = (each: CountedTerms) => usage.get(each) ?? [];
  const byUsage = targets.flatMap(({ fees, ...of }) =>
    fees.filter(({ isByUsage }) => isByUsage).map((fee) => ({ ...of, ...fee, fee })),
  );
  const withUsage = await readTimesWithUsage(store, byUsage, basis.catalogs, basis);
  const used = new Set([...withUsage].map(({ fee }) => fee));
  return targets.map((target, i) => ({
    target,
    usage: counted[i]!.map((each) => ({
      period: each.period,
      charged: chargedTerms(each.period, each.counted, usageOf),
    })),
    fees: target.fees.filter((fee) => !fee.isByUsage || used.has(fee)),
  }));
}
