// Plays a random history to the rater's core: usage closes window by window, some of it comes late, records and
// versions become known one by one, and after each step the line items that are missing are added. What they come to is
// held against the slow model of the rules, which knows nothing of steps.

import type { AssignedSubject } from '../../domain/accounts/assignments.ts';
import {
  type PricedKey,
  periodText,
  type RatedPeriod,
  startText,
  termText,
} from '../../domain/billing/billing-period-terms.ts';
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { NewLineItem, WrittenPrices, WrittenTerm, WrittenWindow } from '../../domain/billing/line-item.ts';
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { Random } from '../../domain/random.ts';
import { billedBy, nextDueOf } from '../../domain/rating/billed-by.ts';
import { earlierAsOne } from '../../domain/rating/contributions.ts';
import { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import type { CustomerWork } from '../../domain/rating/customer-work.ts';
import { heldTimes } from '../../domain/rating/held-share.ts';
import { type Detail, type PeriodTarget, periodTargets } from '../../domain/rating/period-targets.ts';
import { ratedTerms } from '../../domain/rating/rated-terms.ts';
import { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import { nextMoveDue } from '../../domain/rating/subject-moves.ts';
import { type CountedTerms, chargedTerms, countedTerms, type SubjectWindows } from '../../domain/rating/term-usage.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import type { CustomerSubscription } from '../../domain/terms/customer-subscription.ts';
import type { SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { RatingInvariantError } from '../../rater/core/rate.ts';
import { goneTerms, termItems } from '../../rater/core/term-items.ts';
import { differences, usageOfCounted } from './compare.ts';
import { historyOf } from './histories.ts';
import { type InstalledHistory, installedHistory } from './installed-versions.ts';
import { movedHistory } from './moved-subjects.ts';
import { slowFeeAmounts } from './slow-fees.ts';
import { slowMinimumAmounts } from './slow-minimums.ts';
import { isLookedAt, SLOT, type SlowHistory, SlowModel, type SlowUsage, slowOwner } from './slow-model.ts';
import { ratioText } from './slow-numbers.ts';
import { slowUsageAmounts } from './slow-usage.ts';

export const CUSTOMER = { tenant: 't', customer: 'c' };
export const SUBJECTS: readonly AssignedSubject[] = [{ subject: CUSTOMER.customer, assignments: [] }];

/** What is known and closed at a step. */
export interface Known {
  /** The customer's tenant's. */
  readonly versions: readonly CatalogVersion[];
  /** Those of all tenants; absent: there are no others. */
  readonly installed?: TenantVersions;
  readonly subscriptions: SlowHistory['subscriptions'];
  /** Of closed windows, those that are the customer's. */
  readonly usage: readonly SlowUsage[];
  /** Those that are another one's at some time; absent: there are none. */
  readonly moved?: readonly AssignedSubject[];
  readonly watermark: number;
}

const pricedTerm = (key: PricedKey): string => `${startText(key)} ${key.price} ${termText(key)}`;

/** What line items there are, as the store has them. */
export class Written {
  readonly items: NewLineItem[] = [];
  readonly periods = new Map<string, RatedPeriod>();
  dueAt: number | null = null;

  prices({ periodStart, detailFrom }: PeriodTarget): WrittenPrices {
    const prices = new Map<string, Map<string, WrittenTerm>>();
    for (const ofTerm of groupBy(
      this.items.filter((item) => item.periodStart === periodStart),
      pricedTerm,
    ).values()) {
      const { subscription, periodEnd, termStart, subject, meter } = ofTerm[0]!;
      const windows = [...groupBy(ofTerm, ({ item }) => String(item.windowStart)).values()]
        .map(
          (of): WrittenWindow => ({
            windowStart: of[0]!.item.windowStart,
            lastStart: of[0]!.item.windowStart,
            windowEnd: Math.max(...of.map(({ item }) => item.windowEnd)),
            quantity: of.reduce((sum, { item }) => sum + item.quantity, 0n),
            revision: Math.max(...of.map(({ item }) => item.revision)),
          }),
        )
        .sort((a, b) => a.windowStart - b.windowStart);
      const earlier = windows.filter((window) => meter !== null && window.windowStart < detailFrom);
      const told = meter === null ? windows : earlierAsOne(windows, detailFrom);
      if (earlier.length > 0) told[0] = { ...told[0]!, revision: Math.max(...earlier.map(({ revision }) => revision)) };
      const amount = ofTerm.reduce((sum, { item }) => sum.plus(item.amount), Decimal.zero);
      const terms = prices.get(ofTerm[0]!.price) ?? new Map<string, WrittenTerm>();
      prices.set(ofTerm[0]!.price, terms);
      terms.set(termText(ofTerm[0]!), { subscription, periodEnd, termStart, subject, windows: told, amount });
    }
    return prices;
  }

  /** By slug, period, subscription and term, in the keys of the slow model. */
  amounts(history: SlowHistory): Readonly<Record<string, string>> {
    const sums = new Map<string, Decimal>();
    for (const { price, periodStart, periodEnd, subscription, termStart, item } of this.items) {
      if (!isLookedAt(history, periodStart)) continue;
      const key = `${price} ${periodEnd - periodStart} ${periodStart} ${subscription || null} ${termStart}`;
      sums.set(key, (sums.get(key) ?? Decimal.zero).plus(item.amount));
    }
    return sorted([...sums].map(([key, amount]) => [key, amount.toString()]));
  }
}

const sorted = (entries: (readonly [string, string])[]): Readonly<Record<string, string>> =>
  Object.fromEntries(entries.filter(([, amount]) => amount !== '0').sort(([a], [b]) => (a < b ? -1 : 1)));

/** The windows of some terms, as a store would give them. */
function usageOf(
  counted: CountedTerms,
  meter: PeriodTarget['usage'][number]['line']['meter'],
  { usage, moved = [], watermark }: Pick<Known, 'usage' | 'moved' | 'watermark'>,
): SubjectWindows[] {
  const subjects = [...SUBJECTS, ...moved];
  // Values that are told apart, and events of a mean, are those of all subjects together.
  if (meter!.aggregation === 'unique' || meter!.aggregation === 'avg') return usageOfCounted(counted, meter, usage);
  return subjects.flatMap(({ subject }) => {
    const own = usage.filter((each) => (each.subject ?? CUSTOMER.customer) === subject);
    const held = heldTimes(meter!, { ...CUSTOMER, subjects }, subject, counted.terms, watermark);
    return usageOfCounted(counted, meter, own).map((of) => ({ ...of, subject, held }));
  });
}

export const asStored = ({ subscriptions }: Known): CustomerSubscription[] =>
  subscriptions.map(({ opening, records }) => ({
    ...CUSTOMER,
    opening,
    records: records.map((record) => ({ ...record, recordedAt: 0 })),
    ...{ version: records.length, createdAt: 0, updatedAt: 0 },
  }));

/** The items that a rating adds; a fault of the core throws. */
function rateStep(detail: Detail, known: Known, written: Written, work: CustomerWork): NewLineItem[] {
  const catalogs = new RatingCatalogs(known.installed ?? new TenantVersions(known.versions));
  const catalog = catalogs.of(CUSTOMER.tenant);
  const records = new RecordsByCustomer(catalogs, asStored(known));
  const stored = [...written.periods.values()];
  const upTo = { watermark: known.watermark, closedUpTo: known.watermark };
  const targets = periodTargets(detail, upTo, records, [work], stored);
  const by = records.of(CUSTOMER);
  const items = targets.flatMap((target) => {
    const prices = written.prices(target);
    const usage = target.usage.map((period) => ({
      period,
      charged: chargedTerms(period, countedTerms(period), (of) => usageOf(of, period.line.meter, known)),
    }));
    const fees = target.fees.filter(
      ({ isByUsage, from, to }) =>
        !isByUsage || known.usage.some(({ at, meter }) => isInWindows(known, meter, at, from, to)),
    );
    const terms = ratedTerms(target, usage, fees, catalog);
    const gone = goneTerms(target, terms, prices).map((key) => {
      const { item: _, ...of } = written.items.findLast((item) => pricedTerm(item) === pricedTerm(key))!;
      return of;
    });
    return termItems(terms, gone, { catalog, records: by.records, stored: written.periods, written: prices });
  });
  const view = {
    catalogVersion: catalogs.version,
    records: by.records,
    sealVector: {},
    ratedWatermark: known.watermark,
    closedUpTo: known.watermark,
  };
  const starts = new Set(targets.map(({ periodStart }) => periodStart));
  for (const period of [...stored.filter(({ periodStart }) => starts.has(periodStart)), ...items]) {
    const { subscription, periodStart, periodEnd } = period;
    const key = { ...CUSTOMER, subscription, periodStart, periodEnd };
    written.periods.set(periodText(key), { ...key, ...view });
  }
  written.items.push(...items);
  const move = nextMoveDue(by, work, upTo);
  if (work.dueFrom !== null) written.dueAt = nextDueOf(by, upTo);
  if (move !== null) written.dueAt = Math.min(written.dueAt ?? move, move);
  return items;
}

/** Whether the window of an event starts in a stretch of time. */
export function isInWindows({ versions }: Known, meter: string, at: number, from: number, to: number): boolean {
  const { window } = versions.at(-1)!.catalog.meters.find(({ slug }) => slug === meter)!;
  const start = windowStartOf(at, windowSizeMs[window]);
  return from <= start && start < to;
}

export function rateAll(known: Known, written: Written, work: CustomerWork): NewLineItem[] {
  try {
    return rateStep('touched', known, written, work);
  } catch (error) {
    if (!(error instanceof RatingInvariantError)) throw error;
    return rateStep('all', known, written, work);
  }
}

/** What the slow model says of what is known. */
function expected(history: SlowHistory, known: Known): Readonly<Record<string, string>> {
  const partial: SlowHistory = {
    ...history,
    versions: known.versions,
    subscriptions: known.subscriptions,
    usage: known.usage,
    subjects: known.moved ?? [],
    closedUpTo: known.watermark,
  };
  // The default plan's are charged where there is usage.
  const { fees: fast } = billedBy(new CatalogHistory(known.versions), asStored(known));
  const isUsed = (slug: string, start: number, from: number): boolean =>
    fast
      .periodsFrom(start, known.watermark)
      .filter((period) => period.slug === slug && period.first === null)
      .flatMap((period) => fast.termsAt(period, known.watermark))
      .some(
        (term) =>
          term.from === from && known.usage.some(({ at, meter }) => isInWindows(known, meter, at, from, term.to)),
      );
  const fees = [...slowFeeAmounts(partial, known.watermark)].filter(([key]) => {
    const [slug, first, , start, , from] = key.split(' ');
    return first !== 'null' || isUsed(slug!, Number(start), Number(from));
  });
  const model = new SlowModel(partial);
  const charged = new Map([...slowUsageAmounts(model), ...fees]);
  return sorted(
    [...charged, ...slowMinimumAmounts(model, charged, known.watermark)].map(([key, amount]) => {
      const [slug, , length, start, holder, from] = key.split(' ');
      return [`${slug} ${length} ${start} ${holder} ${from}`, ratioText(amount)] as const;
    }),
  );
}

/** Whether two subscriptions price the same usage at once, which is refused wherever it would come about (P3). */
export function hasOverlap(history: SlowHistory, known: Known): boolean {
  const { terms } = billedBy(new CatalogHistory(known.versions), asStored(known));
  return terms.usageLines.some((line) =>
    terms
      .usagePeriodsIn(line, history.start - 10 * 48 * SLOT, known.watermark)
      .some((period) => period.terms.some(({ from }, i) => i > 0 && from < period.terms[i - 1]!.to)),
  );
}

type Revealed =
  | { readonly kind: 'version'; readonly version: CatalogVersion }
  | { readonly kind: 'record'; readonly subscription: number; readonly record: SubscriptionRecord };

const instantOf = (revealed: Revealed): number => {
  if (revealed.kind === 'version') return revealed.version.effectiveAt;
  const { record } = revealed;
  return 'undoes' in record ? record.at : Math.min(...record.patches.map(({ at }) => at));
};

/** Of a customer with a subject that moves. */
export const ratedFaultsOfMoved = (seed: number): string[] | null => ratedFaults(seed, alone(movedHistory(seed)));

/** Of the same customer, where others have catalogs of their own. */
export const ratedFaultsAmongOthers = (seed: number): string[] | null =>
  ratedFaults(seed, installedHistory(seed, CUSTOMER.tenant));

const alone = (history: SlowHistory): InstalledHistory => ({
  ...{ tenant: CUSTOMER.tenant, history },
  installed: (made) => new TenantVersions(made),
});

/**
 * What of a history does not come to what the slow model says, at any step; empty where all is well. Null: two of its
 * subscriptions price the same usage at once.
 */
export function ratedFaults(
  seed: number,
  { history, installed }: InstalledHistory = alone(historyOf(seed)),
): string[] | null {
  const random = new Random(seed).fork('rated');
  const written = new Written();
  const [first, ...versions] = history.versions;
  let known: Known = { versions: [first!], subscriptions: [], usage: [], watermark: history.start };
  const toReveal: Revealed[] = history.subscriptions.flatMap(({ records }, subscription) =>
    records.map((record) => ({ kind: 'record' as const, subscription, record })),
  );
  const pending: Revealed[][] = [
    versions.map((version) => ({ kind: 'version', version })),
    ...groupBy(toReveal, (each) => String((each as { subscription: number }).subscription)).values(),
  ];
  const late = new Set(history.usage.filter(() => random.once(5)));
  const faults: string[] = [];
  // From when on records say something that is not due yet: the watermark has not come to where they were made.
  let marked: number | null = null;
  const end = history.end + 3 * 48 * SLOT;
  for (let step = 0; known.watermark < end || pending.some((of) => of.length > 0); step++) {
    const watermark = Math.min(end, known.watermark + random.int(1, 30) * SLOT);
    if (watermark === end) late.clear();
    let dueFrom = written.dueAt !== null && written.dueAt <= watermark ? written.dueAt : null;
    for (const of of pending) {
      while (of.length > 0 && (watermark === end || random.once(3))) {
        const revealed = of.shift()!;
        known = withRevealed(history, known, revealed);
        // What was billed is billed again, from when on it holds.
        const from = Math.min(instantOf(revealed), watermark) - 24 * 48 * SLOT;
        if (revealed.kind === 'record') marked = Math.min(marked ?? from, from);
        else dueFrom = Math.min(dueFrom ?? from, from);
      }
    }
    // An assignment is known before a window closes that is another one's by it.
    const moved = (history.subjects ?? []).map(({ subject, assignments }): AssignedSubject => {
      const there = known.moved?.find((each) => each.subject === subject)?.assignments ?? [];
      const isKnown = (from: number) => from < watermark || there.some((each) => each.from === from) || random.once(4);
      return { subject, assignments: assignments.filter(({ from }) => isKnown(from)) };
    });
    for (const { assignments } of moved) {
      const there = known.moved?.flatMap((each) => each.assignments) ?? [];
      for (const { from } of assignments) {
        const isBilled = [...written.periods.values()].some(({ periodEnd }) => periodEnd > from);
        if (there.some((each) => each.from === from) || !isBilled) continue;
        written.dueAt = Math.min(written.dueAt ?? from, from);
        if (from <= watermark) dueFrom = Math.min(dueFrom ?? from, from);
      }
    }
    known = { ...known, moved };
    if (marked !== null && (watermark === end || random.once(2))) {
      dueFrom = Math.min(dueFrom ?? marked, marked);
      marked = null;
    }
    if (hasOverlap(history, { ...known, watermark: end })) return null;
    const before = new Set(known.usage);
    if (random.once(2)) for (const each of late) if (random.once(3)) late.delete(each);
    const { meters } = first!.catalog;
    const usage = history.usage.filter((each) => {
      const meter = meters.find(({ slug }) => slug === each.meter)!;
      const windowMs = windowSizeMs[meter.window];
      const start = windowStartOf(each.at, windowMs);
      const mover = moved.find(({ subject }) => subject === each.subject);
      const isOwn = mover === undefined || slowOwner(mover, start, windowMs) === CUSTOMER.customer;
      return isOwn && !late.has(each) && start < closedBefore(meter, watermark);
    });
    known = { ...known, usage, watermark, installed: installed(known.versions) };
    const touched = usage
      .filter((each) => !before.has(each))
      .map(({ meter, at }) => windowStartOf(at, windowSizeMs[meters.find(({ slug }) => slug === meter)!.window]));
    const work: CustomerWork = {
      ...{ ...CUSTOMER, subjects: [...SUBJECTS, ...moved], dueFrom },
      windows: touched.length === 0 ? new Map() : new Map([[CUSTOMER.customer, new Set(touched)]]),
    };
    if (touched.length > 0 || dueFrom !== null) rateAll(known, written, work);
    if (marked !== null || (watermark < end && !random.once(3))) continue;
    const where = `seed ${seed} step ${step}`;
    faults.push(
      ...differences(written.amounts(history), expected(history, known)).map((fault) => `${where}: ${fault}`),
    );
    const again = rateAll(known, written, { ...work, dueFrom: 0 });
    faults.push(
      ...again.map(({ price, item }) => `${where}: done again adds ${item.amount} of ${price}, ${item.cause}`),
    );
    if (faults.length > 0 || watermark === end) break;
  }
  const keys = written.items.map((item) => `${pricedTerm(item)} ${item.item.windowStart} ${item.item.revision}`);
  if (written.items.some(({ currency }) => currency !== 'USD'))
    faults.push(`seed ${seed}: charged in another currency`);
  if (new Set(keys).size < keys.length) faults.push(`seed ${seed}: two items of one key`);
  return faults;
}

function withRevealed(history: SlowHistory, known: Known, revealed: Revealed): Known {
  if (revealed.kind === 'version') return { ...known, versions: [...known.versions, revealed.version] };
  const { opening } = history.subscriptions[revealed.subscription]!;
  const there = known.subscriptions.find((each) => each.opening === opening);
  const grown = { opening, records: [...(there?.records ?? []), revealed.record] };
  const all = [...known.subscriptions.filter((each) => each !== there), grown];
  return { ...known, subscriptions: all.sort((a, b) => (a.opening.id < b.opening.id ? -1 : 1)) };
}
