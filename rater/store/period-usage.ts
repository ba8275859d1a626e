// Reads the usage a rating needs: the contributions of the closed windows of many billing periods, from sealed
// rows only, in as few queries as there are different prices to read for.
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import {
  type PeriodKey,
  periodText,
  pricedText,
  type SubjectKey,
  subjectText,
} from '../../domain/billing/billing-period-terms.ts';
import { closedBefore, itemWidthMs } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { groupBy, keyText } from '../../domain/composite-key.ts';
import { QUANTITY_ONE, type Quantity } from '../../domain/number/quantity.ts';
import type { UsagePrice } from '../../domain/pricing/prices.ts';
import type { Seals } from '../../domain/sealing/seals.ts';
import { windowSizeMs, windowStartFrom } from '../../domain/time/time-window.ts';
import { type RatedUsageSelection, SUBJECT_BYTES_MAX, subjectBytes } from '../../platform/usage-store/rated-usage.ts';
import { contributionsOf, earlierAsOne, type WindowValue } from '../core/contributions.ts';
import type { Contribution } from '../core/rate.ts';
import type { RatedUsage } from './rating-store.ts';

type UsageReads = Pick<RatedUsage, 'readUsage' | 'readFirstSeen'>;

/** A price of a period whose usage is asked for. */
export interface UsageWanted extends PeriodKey {
  readonly periodEnd: number;
  /** Items that start before may be told as one; milliseconds since the epoch. */
  readonly detailFrom: number;
  readonly price: UsagePrice;
  readonly meter: Meter;
}

export interface UsageBasis {
  readonly seals: Pick<Seals, 'vector' | 'epochSteps'>;
  /** What ends by then is closed; milliseconds since the epoch. */
  readonly closedUpTo: number;
}

/** As many as a statement may name. */
function* inStatements<Item extends SubjectKey>(items: readonly Item[]): Iterable<Item[]> {
  let batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = subjectBytes(item);
    if (batch.length > 0 && bytes + size > SUBJECT_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Each once. */
const subjectsOf = (keys: readonly SubjectKey[]): SubjectKey[] => [
  ...new Map(keys.map(({ tenant, subject }) => [subjectText({ tenant, subject }), { tenant, subject }])).values(),
];

/**
 * By `pricedText`; a price without usage in its period's closed windows is absent. What the windows before `detailFrom`
 * add is one contribution, which starts with the period.
 */
export async function readContributions(
  store: UsageReads,
  wanted: readonly UsageWanted[],
  basis: UsageBasis,
): Promise<Map<string, Contribution[]>> {
  const contributions = new Map<string, Contribution[]>();
  // Values that are new depend on where the period starts, so only periods with the same bounds share a query for them.
  const sharing = (want: UsageWanted): string =>
    keyText(
      want.meter.slug,
      JSON.stringify(Object.entries(want.price.match).sort()),
      ...(aggregationRules(want.meter.aggregation).needsFirstSeen ? [want.periodStart, want.periodEnd] : []),
    );
  for (const group of groupBy(wanted, sharing).values()) {
    for (const batch of inStatements(group)) {
      const { meter, price } = batch[0]!;
      const from = Math.min(...batch.map((want) => want.periodStart));
      const to = Math.min(Math.max(...batch.map((want) => want.periodEnd)), closedBefore(meter, basis.closedUpTo));
      if (to <= from) continue;
      const windows = await readWindows(store, {
        meter,
        from,
        to,
        subjects: subjectsOf(batch),
        filters: matchFilters(meter, price),
        buckets: bucketsOf(meter, batch, to),
        sealed: basis.seals,
      });
      for (const want of batch) {
        const inPeriod = (windows.get(subjectText(want)) ?? []).filter(
          ({ windowStart }) => windowStart >= want.periodStart && windowStart < want.periodEnd,
        );
        if (inPeriod.length === 0) continue;
        const all = contributionsOf(meter, want, inPeriod);
        contributions.set(pricedText(want, want.price.slug), earlierAsOne(all, want));
      }
    }
  }
  return contributions;
}

/**
 * From the earliest `detailFrom` on whole items, or windows where a period up to `to` starts or ends inside an item;
 * before it buckets that end where a period starts or ends.
 */
function bucketsOf(meter: Meter, periods: readonly UsageWanted[], to: number): RatedUsageSelection['buckets'] {
  const windowMs = windowSizeMs[meter.window];
  const widthMs = itemWidthMs(meter);
  const detailFrom = windowStartFrom(Math.min(...periods.map((period) => period.detailFrom)), windowMs);
  const bounds = new Set(periods.flatMap(({ periodStart, periodEnd }) => [periodStart, periodEnd]));
  const starts = [...bounds].filter((bound) => bound < detailFrom).sort((a, b) => a - b);
  const cutsItems = [...bounds].some((bound) => bound > detailFrom && bound < to && bound % widthMs !== 0);
  const stepMs = cutsItems ? windowMs : widthMs;
  if (starts.length === 0 && stepMs === windowMs) return 'window';
  const earlier = starts.map((start, i) => ({ start, stepMs: (starts[i + 1] ?? detailFrom) - start }));
  // The first may be a part of one.
  const aligned = windowStartFrom(detailFrom, stepMs);
  const first = aligned === detailFrom ? [] : [{ start: detailFrom, stepMs: aligned - detailFrom }];
  return [...earlier, ...first, { start: aligned, stepMs }];
}

function matchFilters(meter: Meter, price: UsagePrice): { dimension: number; values: string[] }[] {
  return Object.entries(price.match).map(([name, value]) => {
    const dimension = meter.dimensions.findIndex((candidate) => candidate.name === name);
    if (dimension === -1) throw new RangeError(`price ${price.slug}: meter ${meter.slug} has no dimension ${name}`);
    return { dimension, values: [value] };
  });
}

/** By `subjectText`. */
async function readWindows(store: UsageReads, selection: RatedUsageSelection): Promise<Map<string, WindowValue[]>> {
  const windows = new Map<string, WindowValue[]>();
  const add = (key: SubjectKey, windowStart: number, quantity: Quantity): void => {
    const text = subjectText(key);
    const known = windows.get(text);
    if (known === undefined) windows.set(text, [{ windowStart, quantity }]);
    else known.push({ windowStart, quantity });
  };
  if (aggregationRules(selection.meter.aggregation).needsFirstSeen) {
    for (const row of await store.readFirstSeen(selection)) {
      add(row, row.windowStart, row.values * QUANTITY_ONE);
    }
  } else {
    for (const row of await store.readUsage(selection)) add(row, row.bucketStart, row.quantity);
  }
  return windows;
}

/** The periods (by `periodText`) that have usage of any meter in sealed chunks. */
export async function readPeriodsWithUsage(
  store: Pick<RatedUsage, 'readSubjectsWithUsage'>,
  periods: readonly (PeriodKey & { readonly periodEnd: number })[],
  sealed: UsageBasis['seals'],
): Promise<Set<string>> {
  const found = new Set<string>();
  const sharing = (period: PeriodKey & { readonly periodEnd: number }): string =>
    keyText(period.periodStart, period.periodEnd);
  for (const group of groupBy(periods, sharing).values()) {
    for (const batch of inStatements(group)) {
      const { periodStart: from, periodEnd: to } = batch[0]!;
      for (const key of await store.readSubjectsWithUsage({ subjects: subjectsOf(batch), from, to, sealed })) {
        found.add(periodText({ ...key, periodStart: from }));
      }
    }
  }
  return found;
}
