// Reads the usage a rating needs: the closed windows of many periods of prices, from sealed rows only, in as few
// queries as there are different prices to read for.
//
// What is read is by subject. A price counts the windows that are its customer's (domain/accounts/ownership): of each
// subject by itself, or, where the meter takes the subjects for one, of all of them as one set.
import type { AssignedSubject } from '../../domain/accounts/assignments.ts';
import { type OwnedStretch, stretchesIn } from '../../domain/accounts/ownership.ts';
import { isOneSubject } from '../../domain/aggregation/across.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { type SubjectKey, subjectText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { closedBefore, itemWidthMs } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { groupBy, mapKey } from '../../domain/composite-key.ts';
import { acrossOf, itemWidthOf } from '../../domain/metering/meter.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { atAllTimes, type Match, type TakenUsage } from '../../domain/pricing/taken-usage.ts';
import type { WindowValue } from '../../domain/rating/contributions.ts';
import { heldTimes } from '../../domain/rating/held-share.ts';
import type { CatalogsByTenant, RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import type { CountedTerms, SubjectWindows } from '../../domain/rating/term-usage.ts';
import type { WindowSpan } from '../../domain/rating/window-span.ts';
import { windowSizeMs, windowStartFrom } from '../../domain/time/time-window.ts';
import { inStatements, type RatedUsageSelection, subjectBytes } from '../usage-store/rated-usage.ts';
import type { SealedBy } from '../usage-store/sealed-rows.ts';
import type { GroupValue, TakenGroups } from '../usage-store/taken-groups.ts';
import type { RatedUsageReads } from './rated-usage-reads.ts';

type UsageReads = Pick<RatedUsageReads, 'readUsage' | 'readFirstSeen'>;

/** A customer, and whatever is its subject at some time. */
interface OwningCustomer extends TenantCustomer {
  readonly subjects: readonly AssignedSubject[];
}

/** The windows of some time that are counted together, as of the terms of a price. */
export interface CountedTime extends Omit<CountedTerms, 'terms'> {
  /** By time, without overlap. */
  readonly terms: readonly WindowSpan[];
}

/** Usage that is asked for. */
export interface UsageWanted<Counted extends CountedTime = CountedTime> extends OwningCustomer {
  readonly meter: Meter;
  readonly counted: Counted;
  /** Windows of a term that start before may be told as one; milliseconds since the epoch. */
  readonly detailFrom: number;
}

export interface UsageBasis {
  readonly seals: SealedBy;
  /** What ends by then is closed; milliseconds since the epoch. */
  readonly closedUpTo: number;
}

/** Subjects of a customer whose windows are merged: one of them, or all of them where they are one for the meter. */
interface UsageSet<Counted extends CountedTime = CountedTime> {
  readonly wanted: UsageWanted<Counted>;
  readonly stretches: readonly OwnedStretch[];
  readonly taken: readonly TakenUsage[];
}

/** Terms that follow each other are one stretch of time. */
function spansOf(terms: readonly WindowSpan[]): WindowSpan[] {
  const spans: WindowSpan[] = [];
  for (const { from, to } of terms) {
    const last = spans.at(-1);
    if (last?.to === from) spans[spans.length - 1] = { from: last.from, to };
    else spans.push({ from, to });
  }
  return spans;
}

/** Those that are counted. A subject that has nothing of the spans is in none. */
function setsIn<Counted extends CountedTime>(
  wanted: UsageWanted<Counted>,
  spans: readonly WindowSpan[],
  taken: readonly TakenUsage[],
): UsageSet<Counted>[] {
  const { subjects, customer, meter } = wanted;
  const stretches = spans.flatMap((span) => stretchesIn(subjects, customer, windowSizeMs[meter.window], span));
  if (stretches.length <= 1 || isMerged(wanted)) return stretches.length === 0 ? [] : [{ wanted, stretches, taken }];
  return [...groupBy(stretches, ({ subject }) => subject).values()].map((ofOne) => ({
    ...{ wanted, taken },
    stretches: ofOne,
  }));
}

/**
 * Where what is taken changes with time, what is read is cut there: so customers whose prices changed at other times
 * are read together. Whether a value was seen before can't be told by parts: it is read by what is taken when.
 */
function setsOf<Counted extends CountedTime>(wanted: UsageWanted<Counted>): UsageSet<Counted>[] {
  const { meter, counted } = wanted;
  const { taken } = counted;
  const spans = spansOf(counted.terms);
  if (taken.length === 1 || aggregationRules(meter.aggregation).needsFirstSeen) return setsIn(wanted, spans, taken);
  return taken.flatMap((part) => {
    const within = spans.map(({ from, to }) => ({ from: Math.max(from, part.from), to: Math.min(to, part.to) }));
    const own = within.filter((span) => span.from < span.to);
    return setsIn(wanted, own, atAllTimes([part]));
  });
}

/** Whether all subjects are one. */
const isMerged = ({ meter, counted }: UsageWanted): boolean => !counted.isBySubject && isOneSubject(acrossOf(meter));

const tenantOf = ({ wanted: { tenant } }: UsageSet): string => tenant;
const setBytes = (set: UsageSet): number =>
  set.stretches.reduce((sum, { subject }) => sum + subjectBytes({ tenant: tenantOf(set), subject }), 0);

/** Each once. */
const subjectsOf = (sets: readonly UsageSet[]): SubjectKey[] => {
  const keys = sets.flatMap((set) => set.stretches.map(({ subject }) => ({ tenant: tenantOf(set), subject })));
  return [...new Map(keys.map((key) => [subjectText(key), key])).values()];
};

/** What is wanted and has no usage in closed windows is absent. */
export async function readCountedUsage<Counted extends CountedTime>(
  store: UsageReads,
  wanted: readonly UsageWanted<Counted>[],
  basis: UsageBasis,
): Promise<Map<Counted, SubjectWindows[]>> {
  const found = new Map<Counted, SubjectWindows[]>();
  // Values that are new depend on where their terms start, so only terms with the same bounds share a query for them.
  const sharing = ({ wanted: { meter, counted }, taken }: UsageSet): string =>
    mapKey(
      readingText(meter),
      ...(counted.dimensions.length === 0 ? [] : ['by', ...counted.dimensions]),
      ...taken.flatMap(({ match, leftOut, to }) => [JSON.stringify(match), JSON.stringify(leftOut), to]),
      ...(aggregationRules(meter.aggregation).needsFirstSeen ? [counted.terms[0]!.from, counted.terms.at(-1)!.to] : []),
    );
  for (const group of groupBy(
    wanted.flatMap((each) => setsOf(each)),
    sharing,
  ).values()) {
    for (const sets of inStatements(group, setBytes)) {
      for (const [i, windows] of (await readSets(store, sets, basis)).entries()) {
        if (windows.length > 0) addTo(found, sets[i]!, windows, basis);
      }
    }
  }
  return found;
}

function addTo<Counted extends CountedTime>(
  found: Map<Counted, SubjectWindows[]>,
  { wanted, stretches }: UsageSet<Counted>,
  windows: readonly WindowValue[],
  { closedUpTo }: UsageBasis,
): void {
  const { counted, meter } = wanted;
  const { subject } = stretches[0]!;
  const known = found.get(counted) ?? [];
  found.set(counted, known);
  // Another part of the same subjects' time.
  const isOfParts = counted.taken.length > 1;
  const at = isOfParts ? known.findIndex((each) => isMerged(wanted) || each.subject === subject) : -1;
  if (at !== -1) known[at] = { ...known[at]!, windows: [...known[at]!.windows, ...windows] };
  else known.push({ subject, windows, held: heldTimes(meter, wanted, subject, counted.terms, closedUpTo) });
}

// Definitions are immutable, and the same few are asked for again and again.
const readingTexts = new WeakMap<Meter, string>();

/** The same for meters that are read alike, whosever they are: another tenant may mean something else by the slug. */
function readingText(meter: Meter): string {
  const known = readingTexts.get(meter);
  if (known !== undefined) return known;
  const { slug, aggregation, window, dimensions } = meter;
  const names = dimensions.map(({ name }) => name);
  const text = mapKey(slug, aggregation, window, itemWidthOf(meter), acrossOf(meter), names.length, ...names);
  readingTexts.set(meter, text);
  return text;
}

/** The closed windows of each set, of one meter and the same groups. */
async function readSets(store: UsageReads, sets: readonly UsageSet[], basis: UsageBasis): Promise<WindowValue[][]> {
  const { taken, wanted } = sets[0]!;
  const { meter } = wanted;
  const found: WindowValue[][] = sets.map(() => []);
  const from = leastOf(sets, (set) => leastOf(set.stretches, (stretch) => stretch.from));
  const end = -leastOf(sets, (set) => leastOf(set.stretches, (stretch) => -stretch.to));
  const to = Math.min(end, closedBefore(meter, basis.closedUpTo));
  if (to <= from) return found;
  const selection = { meter, from, to, taken: taken.map((each) => takenGroups(meter, each)), sealed: basis.seals };
  if (aggregationRules(meter.aggregation).needsFirstSeen) {
    const named = sets.map((set) => set.stretches.map((stretch) => ({ tenant: tenantOf(set), ...stretch })));
    for (const { set, windowStart, values } of await store.readFirstSeen({ ...selection, sets: named })) {
      found[set]!.push({ windowStart, quantity: values * QUANTITY_ONE });
    }
    return found;
  }
  const { dimensions } = wanted.counted;
  const byGroups = dimensions.length > 0;
  const read = { ...selection, byGroups, subjects: subjectsOf(sets), buckets: bucketsOf(meter, sets, to) };
  const bySubject = groupBy(await store.readUsage(read), subjectText);
  const groupsIn = byGroups ? valuesReader(meter, dimensions) : null;
  for (const [i, set] of sets.entries()) {
    for (const stretch of set.stretches) {
      for (const row of bySubject.get(mapKey(tenantOf(set), stretch.subject)) ?? []) {
        const { bucketStart: windowStart, quantity, events, groupText } = row;
        const isIn = windowStart >= stretch.from && windowStart < stretch.to;
        if (!isIn) continue;
        // Field by field: these are as many as windows.
        const window: WindowValue =
          events === undefined ? { windowStart, quantity } : { windowStart, quantity, events };
        found[i]!.push(groupsIn === null ? window : { ...window, groups: groupsIn(groupText!) });
      }
    }
  }
  return found;
}

/** The values of some dimensions in the text of a group: of many windows, there are a few texts. */
function valuesReader(meter: Meter, dimensions: readonly string[]): (groupText: string) => readonly string[] {
  const places = dimensions.map((name) => placeOf(meter, name));
  const known = new Map<string, readonly string[]>();
  return (groupText) => {
    let values = known.get(groupText);
    if (values === undefined) {
      const all = JSON.parse(groupText) as readonly string[];
      values = places.map((place) => all[place] ?? '');
      known.set(groupText, values);
    }
    return values;
  };
}

function leastOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const item of items) least = Math.min(least, of(item));
  return least;
}

/**
 * From the earliest `detailFrom` on whole items, or windows where a stretch up to `to` starts or ends inside an item;
 * before it buckets that end where a stretch starts or ends.
 */
function bucketsOf(meter: Meter, sets: readonly UsageSet[], to: number): RatedUsageSelection['buckets'] {
  const windowMs = windowSizeMs[meter.window];
  const widthMs = itemWidthMs(meter);
  // Nothing is before the first stretch, so its start cuts no item.
  const first = leastOf(sets, ({ stretches }) => leastOf(stretches, (stretch) => stretch.from));
  const wantedFrom = leastOf(sets, ({ wanted }) => wanted.detailFrom);
  const detailFrom = windowStartFrom(Math.max(first, wantedFrom), windowMs);
  const bounds = new Set(
    sets.flatMap(({ stretches, wanted }) => [
      ...stretches.flatMap((stretch) => [stretch.from, stretch.to]),
      ...wanted.counted.terms.map((term) => term.from),
    ]),
  );
  const starts = [...bounds].filter((bound) => bound < detailFrom).sort((a, b) => a - b);
  const byWindow = sets.some(({ wanted }) => wanted.counted.byWindow);
  const cutsItems = byWindow || [...bounds].some((bound) => bound > detailFrom && bound < to && bound % widthMs !== 0);
  const stepMs = cutsItems ? windowMs : widthMs;
  if (starts.length === 0 && stepMs === windowMs) return 'window';
  const earlier = starts.map((start, i) => ({ start, stepMs: (starts[i + 1] ?? detailFrom) - start }));
  // The first may be a part of one.
  const aligned = windowStartFrom(detailFrom, stepMs);
  const partial = aligned === detailFrom ? [] : [{ start: detailFrom, stepMs: aligned - detailFrom }];
  return [...earlier, ...partial, { start: aligned, stepMs }];
}

const takenGroups = (meter: Meter, { from, to, match, leftOut }: TakenUsage): TakenGroups => ({
  ...{ from, to, match: valuesOf(meter, match) },
  leftOut: leftOut.map((others) => valuesOf(meter, others)),
});

const valuesOf = (meter: Meter, match: Match): GroupValue[] =>
  Object.entries(match).map(([name, value]) => ({ dimension: placeOf(meter, name), value }));

function placeOf(meter: Meter, name: string): number {
  const place = meter.dimensions.findIndex((candidate) => candidate.name === name);
  if (place === -1) throw new RangeError(`meter ${meter.slug} has no dimension ${name}, which a price matches`);
  return place;
}

/** Some time of a customer, in windows that start in it. */
export interface TimeOfCustomer extends OwningCustomer, WindowSpan {}

/**
 * Those in which a subject of the customer used anything: the closed windows of any meter that its tenant ever had.
 */
export async function readTimesWithUsage<Time extends TimeOfCustomer>(
  store: Pick<RatedUsageReads, 'readSetsWithUsage'>,
  times: readonly Time[],
  catalogs: CatalogsByTenant,
  basis: UsageBasis,
): Promise<Set<Time>> {
  const found = new Set<Time>();
  const byCatalog = new Map<RatingCatalog, Time[]>();
  for (const time of times) {
    const catalog = catalogs.of(time.tenant);
    const known = byCatalog.get(catalog);
    if (known === undefined) byCatalog.set(catalog, [time]);
    else known.push(time);
  }
  for (const [{ meters }, ofThem] of byCatalog)
    await addTimesWithUsage(store, ofThem, [...meters.values()], basis, found);
  return found;
}

/** Of tenants with the same meters. */
async function addTimesWithUsage<Time extends TimeOfCustomer>(
  store: Pick<RatedUsageReads, 'readSetsWithUsage'>,
  times: readonly Time[],
  meters: readonly Meter[],
  basis: UsageBasis,
  found: Set<Time>,
): Promise<void> {
  const isOwn = ({ subjects }: TimeOfCustomer): boolean =>
    subjects.every(({ assignments }) => assignments.length === 0);
  const sharing = (time: TimeOfCustomer): string => mapKey(time.from, time.to, isOwn(time) ? 'own' : 'others');
  for (const group of groupBy(times, sharing).values()) {
    const { from, to } = group[0]!;
    // Where a stretch starts depends on the window, but for a subject that was never assigned.
    const bySize = isOwn(group[0]!) ? [[...meters]] : groupBy(meters, ({ window }) => window).values();
    for (const sized of bySize) {
      if (sized.length === 0) continue;
      const spans = sized.map((meter) => ({
        ...{ meter: meter.slug, from },
        to: Math.min(to, closedBefore(meter, basis.closedUpTo)),
      }));
      const sets = group.flatMap((time) => {
        const windowMs = windowSizeMs[sized[0]!.window];
        const { tenant } = time;
        const stretches = stretchesIn(time.subjects, time.customer, windowMs, { from, to });
        return stretches.length === 0 ? [] : [{ time, stretches: stretches.map((each) => ({ tenant, ...each })) }];
      });
      const bytesOf = ({ stretches }: (typeof sets)[number]): number =>
        stretches.reduce((sum, stretch) => sum + subjectBytes(stretch), 0);
      for (const batch of inStatements(sets, bytesOf)) {
        const selection = { sets: batch.map(({ stretches }) => stretches), spans, sealed: basis.seals };
        for (const set of await store.readSetsWithUsage(selection)) found.add(batch[set]!.time);
      }
    }
  }
}
