// What a customer's terms ought to come to, by the slow model of `test/terms` and the readings of the usage oracle:
// which definition of a price each window has, and what fees are due, is told by the slow model; what the windows cost
// is found here from the log with integers. It shares no code with the rater or with domain/terms.
import { customerText, type TenantCustomer } from '../../../domain/billing/billing-period-terms.ts';
import type { CatalogVersion, Meter } from '../../../domain/catalog/catalog.ts';
import { nextChunkOf, type SealVector } from '../../../domain/sealing/seal-vector.ts';
import { slowFeeTerms } from '../../terms/slow-fees.ts';
import { slowMinimums } from '../../terms/slow-minimums.ts';
import {
  DAY,
  lengthMs,
  periodStartOf,
  type SlowHistory,
  type SlowLine,
  SlowModel,
  windowOfMeter,
} from '../../terms/slow-model.ts';
import { type SlowPrice, slowCellOf, slowCells } from '../../terms/slow-numbers.ts';
import { entriesOfCell, kindOfTerms, type SlowTerm, termsOfEntries } from '../../terms/slow-usage.ts';
import { ENDS_AT, PARTITIONS, STARTS_AT } from '../plan.ts';
import type { PostgresModel } from '../stores/postgres-model.ts';
import type { RatingModel } from '../stores/rating-model.ts';
import { amountBetween, amountOf, chargeOf, freeUnits, scaledRatio } from './amounts.ts';
import { mergedValue } from './store-check.ts';
import { countsIn, type Reading, type UsageOracle } from './usage-oracle.ts';

const ONE = 1_000_000_000_000n;
const GENERATION = 1;
const ALWAYS = Number.POSITIVE_INFINITY;
/** Before any usage, and before the periods that the earliest usage is in. */
const HISTORY_START = Math.floor(STARTS_AT / DAY) * DAY - 7 * DAY;
/** Models and expectations that are kept. */
const KEPT_MAX = 400;

/** How much time a line item covers. */
const itemMs = ({ window, itemWidth }: Meter): number => windowOfMeter({ window: itemWidth ?? window });
/** Where the stretch starts that line items of a meter cover, and that has this time. */
const stretchStart = (meter: Meter, time: number): number => time - (time % itemMs(meter));

/** What a rating could see. */
export interface View {
  readonly vector: SealVector;
  readonly closedUpTo: number;
  readonly watermark: number;
  readonly catalogVersion: number;
}

/** Of all subjects together ('') or of one. */
export interface ExpectedCharge {
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly price: string;
  readonly subscription: string;
  readonly termStart: number;
  readonly subject: string;
  /** In 10^-24. */
  readonly amount: bigint;
  /** In 10^-12; null for a fee. */
  readonly quantity: bigint | null;
}

/** A period of a price's line. */
interface LinePeriod {
  readonly line: SlowLine;
  /** Of a matrix; '' where the price is none. */
  readonly cell: string;
  /** By window, the price that it is a cell of. */
  readonly matrixAt: ReadonlyMap<number, SlowPrice>;
  readonly start: number;
  readonly length: number;
  /** Its first window, of whatever cell. */
  readonly firstAt: number;
  /** The windows that are priced in it, each with its term. */
  readonly terms: readonly SlowTerm[];
  readonly kind: string;
  readonly meter: Meter;
}

type Match = Readonly<Record<string, string>>;
const NOBODY: ReadonlyMap<number, readonly Match[]> = new Map();

/** A dimension that came after usage has "" in it. */
const isMatched = (match: Match, groups: Match): boolean =>
  Object.entries(match).every(([name, value]) => (groups[name] ?? '') === value);

/** By window, then by subject. */
type Used = ReadonlyMap<number, ReadonlyMap<string, readonly Reading[]>>;

interface TermValue {
  readonly amount: bigint;
  readonly quantity: bigint;
}

export class ExpectedCharges {
  private readonly usage: UsageOracle;
  private readonly rating: RatingModel;
  private readonly postgres: PostgresModel;
  private readonly models = new Map<string, SlowModel>();
  private readonly versions = new Map<string, readonly CatalogVersion[]>();
  private readonly periods = new WeakMap<SlowModel, LinePeriod[]>();

  constructor(usage: UsageOracle, rating: RatingModel, postgres: PostgresModel) {
    this.usage = usage;
    this.rating = rating;
    this.postgres = postgres;
  }

  /** In the periods that start at an instant; null: in all. */
  of(customer: TenantCustomer, view: View, periodStart: number | null): ExpectedCharge[] {
    const charged = [
      ...this.usageCharges(customer, view, periodStart),
      ...this.feeCharges(customer, view, periodStart),
    ];
    return [...charged, ...this.minimumCharges(customer, view, periodStart, charged)];
  }

  /** Those that are due, less what was charged. */
  private minimumCharges(
    customer: TenantCustomer,
    view: View,
    periodStart: number | null,
    charged: readonly ExpectedCharge[],
  ): ExpectedCharge[] {
    const found: ExpectedCharge[] = [];
    for (const minimum of slowMinimums(this.model(customer, view, ALWAYS))) {
      const { name, price, members, start, length, closesAt, holder, from } = minimum;
      if ((periodStart !== null && start !== periodStart) || closesAt > view.closedUpTo) continue;
      const ofPeriod = { periodStart: start, periodEnd: start + length };
      let left = scaledRatio(minimum.amount);
      for (const each of [...charged, ...found]) {
        const isOfPrice = price === null || each.price.split('[')[0] === price;
        const isOfPeriod = each.periodStart === start && each.periodEnd === ofPeriod.periodEnd;
        if (isOfPrice && isOfPeriod && members.includes(each.subscription)) left -= each.amount;
      }
      const amount = left < 0n ? 0n : left;
      found.push({
        ...{ ...ofPeriod, price: name, subscription: holder ?? '', termStart: from, subject: '' },
        ...{ amount, quantity: null },
      });
    }
    return found;
  }

  /** What an item of a price's period covers that has a window: its stretch, cut where the window's term is. */
  spanOf(
    customer: TenantCustomer,
    view: View,
    { price, periodStart, periodEnd }: Pick<ExpectedCharge, 'price' | 'periodStart' | 'periodEnd'>,
    windowStart: number,
  ): readonly [number, number] | null {
    for (const { line, cell, start, length, terms, meter } of this.linePeriods(this.model(customer, view, ALWAYS))) {
      if (line.slug + cell !== price || start !== periodStart || start + length !== periodEnd) continue;
      const term = terms.find(({ from, to }) => from <= windowStart && windowStart < to);
      const stretch = stretchStart(meter, windowStart);
      if (term !== undefined) return [Math.max(stretch, term.from), Math.min(stretch + itemMs(meter), term.to)];
    }
    return null;
  }

  /** `limit`: what happens later is not known. */
  private model(customer: TenantCustomer, view: View, limit: number): SlowModel {
    const subscriptions = this.rating.accounts.subscriptionsOf([customer]);
    const records = subscriptions.reduce((count, each) => count + each.records.length, 0);
    // Whoever has no subscription has what all others have who have none, by the same catalog.
    const name = records === 0 ? '' : `${customerText(customer)} ${records}`;
    const end = Math.max(ENDS_AT, Math.floor(view.watermark / DAY) * DAY + DAY);
    const versions = this.versionsOf(customer.tenant, view.catalogVersion);
    const key = `${name} ${versions.at(-1)?.version} ${end} ${limit}`;
    let model = this.models.get(key);
    if (model === undefined) {
      const history: SlowHistory = {
        ...{ start: HISTORY_START, end, usage: [] },
        versions,
        subscriptions: subscriptions.map(({ opening, records: of }) => ({ opening, records: of })),
      };
      model = new SlowModel(history, limit);
      if (this.models.size >= KEPT_MAX) this.models.clear();
      this.models.set(key, model);
    }
    return model;
  }

  /** What a tenant has had when a version was the newest of all: the defaults until it had its first own one. */
  versionsOf(tenant: string, newest: number): readonly CatalogVersion[] {
    const key = `${newest} ${tenant}`;
    let known = this.versions.get(key);
    if (known === undefined) {
      const { catalogVersions, ownVersions } = this.postgres;
      const own = (ownVersions.get(tenant) ?? []).filter(({ version }) => version <= newest);
      const until = own[0]?.version ?? newest + 1;
      known = [...catalogVersions.filter(({ version }) => version < until), ...own];
      this.versions.set(key, known);
    }
    return known;
  }

  private feeCharges(customer: TenantCustomer, view: View, periodStart: number | null): ExpectedCharge[] {
    const asOf = view.watermark;
    const all = this.model(customer, view, ALWAYS);
    // Between two instants at which anything happens, as much is known.
    const model = this.model(customer, view, all.instants.findLast((instant) => instant <= asOf) ?? asOf);
    const charges: ExpectedCharge[] = [];
    for (const slug of model.slugs()) {
      if (model.meterOf(slug) !== null) continue;
      for (const line of model.lines(slug)) {
        const periods = new Map<string, { readonly start: number; readonly length: number }>();
        for (const { at, of } of line.entries) {
          const [start, length] = [periodStartOf(line, of.price, at), lengthMs(of.price)];
          const isWanted = start <= asOf && (periodStart === null || start === periodStart);
          if (isWanted) periods.set(`${start} ${length}`, { start, length });
        }
        for (const period of periods.values()) {
          for (const { holder, from, to, amount } of slowFeeTerms(model.history, model, line, period, asOf)) {
            // Nobody chose the default plan: it charges whoever uses something while it is held.
            if (line.members[0] === null && !this.isUsed(customer, view, from, to)) continue;
            charges.push({
              ...{ periodStart: period.start, periodEnd: period.start + period.length, price: slug, termStart: from },
              ...{ subscription: holder ?? '', subject: '', amount: scaledRatio(amount), quantity: null },
            });
          }
        }
      }
    }
    return charges;
  }

  private usageCharges(customer: TenantCustomer, view: View, periodStart: number | null): ExpectedCharge[] {
    const model = this.model(customer, view, ALWAYS);
    const used = new Map<string, Used>();
    const charges: ExpectedCharge[] = [];
    for (const period of this.linePeriods(model)) {
      if (periodStart !== null && period.start !== periodStart) continue;
      const { line, cell, meter, start, length } = period;
      const usedOf = ({ price: { match = {}, otherwise } }: SlowTerm): Used => {
        const key = JSON.stringify([meter.slug, match, otherwise]);
        const others = otherwise === true ? model.takenBesides(meter.slug) : NOBODY;
        const known = used.get(key) ?? this.usedBy(customer, view, meter, match, others);
        used.set(key, known);
        return known;
      };
      const heldBy = this.heldBy(customer, meter, view.closedUpTo);
      for (const { subject, term, amount, quantity } of this.chargesOf(period, usedOf, heldBy)) {
        charges.push({
          ...{ periodStart: start, periodEnd: start + length, price: line.slug + cell, termStart: term.from, subject },
          ...{ subscription: term.holder ?? '', amount, quantity },
        });
      }
    }
    return charges;
  }

  /** Of usage, in all lines. */
  private linePeriods(model: SlowModel): LinePeriod[] {
    const known = this.periods.get(model);
    if (known !== undefined) return known;
    const found: LinePeriod[] = [];
    for (const slug of model.slugs()) {
      const slowMeter = model.meterOf(slug);
      if (slowMeter === null) continue;
      const meter = meterIn(model.history.versions, slowMeter.slug);
      for (const line of model.lines(slug)) {
        const byPeriod = new Map<string, SlowLine['entries'][number][]>();
        for (const entry of line.entries) {
          if (entry.of.isTrial) continue;
          const key = `${periodStartOf(line, entry.of.price, entry.at)} ${lengthMs(entry.of.price)}`;
          const entries = byPeriod.get(key);
          if (entries === undefined) byPeriod.set(key, [entry]);
          else entries.push(entry);
        }
        for (const [key, entries] of byPeriod) {
          const [start, length] = key.split(' ').map(Number) as [number, number];
          const isLevel = ['max', 'min', 'latest', 'avg'].includes(meter.aggregation);
          for (const cell of new Set(entries.flatMap(({ of }) => slowCells(of.price).map(({ name }) => name)))) {
            const own = entriesOfCell(entries, cell);
            const terms = termsOfEntries(line, own, windowOfMeter(meter));
            const matrixAt = new Map(own.map(({ at, matrix }) => [at, matrix]));
            const kind = kindOfTerms(terms, isLevel);
            found.push({ line, cell, matrixAt, start, length, firstAt: entries[0]!.at, terms, kind, meter });
          }
        }
      }
    }
    this.periods.set(model, found);
    return found;
  }

  /** As of whatever version: its windows and how it adds up are the same for ever, to one tenant. */
  meter(tenant: string, slug: string): Meter {
    return meterIn(this.versionsOf(tenant, this.postgres.tenantVersions.newest), slug);
  }

  /** Whether any price in force matches usage of a window: one that takes what others leave, or is on trial, too. */
  isPriced(customer: TenantCustomer, view: View, meter: Meter, windowStart: number, groups: Match): boolean {
    const inForce = this.model(customer, view, ALWAYS).inForce(meter.slug).get(windowStart) ?? [];
    return inForce.some((price) => slowCellOf(price, groups) !== null);
  }

  /** Of whoever the window is: what was assigned by its start, or within it for the first time. */
  ownerOf(tenant: string, subject: string, windowStart: number, windowMs: number): string {
    const all = this.rating.accounts.assigned.get(JSON.stringify([tenant, subject]))?.assignments ?? [];
    let owner = subject;
    for (const [i, { from, customer }] of all.entries()) {
      const begins = i === 0 ? from - (from % windowMs) : from;
      if (begins <= windowStart) owner = customer;
    }
    return owner;
  }

  /** The subjects that are the customer's at some time. */
  private subjectsOf({ tenant, customer }: TenantCustomer): string[] {
    const assigned = [...this.rating.accounts.assigned.values()].filter(
      (each) => each.tenant === tenant && each.assignments.some((assignment) => assignment.customer === customer),
    );
    return [...new Set([customer, ...assigned.map(({ subject }) => subject)])];
  }

  /** The customer's readings of a meter in closed items, of groups that match and that no other in force does. */
  private usedBy(
    customer: TenantCustomer,
    { vector, closedUpTo }: View,
    meter: Meter,
    match: Match,
    others: ReadonlyMap<number, readonly Match[]>,
  ): Used {
    const nextChunks = nextChunksOf(vector);
    const closedFrom = stretchStart(meter, Math.max(0, closedUpTo));
    const used = new Map<number, Map<string, Reading[]>>();
    for (const subject of this.subjectsOf(customer)) {
      const { tenant } = customer;
      for (const reading of this.usage.readingsByMeter.get(JSON.stringify([tenant, subject, meter.slug])) ?? []) {
        const { windowStart, partition, chunk, groups } = reading;
        if (chunk >= nextChunks[partition]! || windowStart >= closedFrom || !countsIn(vector, reading)) continue;
        if (!isMatched(match, groups)) continue;
        if (others.get(windowStart)?.some((other) => isMatched(other, groups))) continue;
        if (this.ownerOf(tenant, subject, windowStart, windowOfMeter(meter)) !== customer.customer) continue;
        const bySubject = used.get(windowStart) ?? new Map<string, Reading[]>();
        used.set(windowStart, bySubject.set(subject, [...(bySubject.get(subject) ?? []), reading]));
      }
    }
    return used;
  }

  /** Whether the customer used anything in closed windows that start in a stretch. */
  private isUsed(customer: TenantCustomer, { vector, closedUpTo }: View, from: number, to: number): boolean {
    const nextChunks = nextChunksOf(vector);
    return this.subjectsOf(customer).some((subject) =>
      (this.usage.readingsBySubject.get(JSON.stringify([customer.tenant, subject])) ?? []).some((reading) => {
        const { windowStart, partition, chunk, meter: slug } = reading;
        if (windowStart < from || windowStart >= to || chunk >= nextChunks[partition]!) return false;
        if (!countsIn(vector, reading)) return false;
        const meter = this.meter(customer.tenant, slug);
        if (windowStart >= stretchStart(meter, Math.max(0, closedUpTo))) return false;
        return this.ownerOf(customer.tenant, subject, windowStart, windowOfMeter(meter)) === customer.customer;
      }),
    );
  }

  /** When a subject is the customer's, by whole windows, as far as windows are closed: what runs then goes on. */
  private heldBy({ tenant, customer }: TenantCustomer, meter: Meter, closedUpTo: number): HeldBy {
    const windowMs = windowOfMeter(meter);
    const closedFrom = stretchStart(meter, Math.max(0, closedUpTo));
    return (subject) => {
      const all = this.rating.accounts.assigned.get(JSON.stringify([tenant, subject]))?.assignments ?? [];
      const times = [
        ...all.map(({ from }, i) => (i === 0 ? Math.floor(from / windowMs) : Math.ceil(from / windowMs)) * windowMs),
      ];
      const spans: Span[] = [];
      for (const [i, at] of [Number.NEGATIVE_INFINITY, ...times].entries()) {
        const next = times[i] ?? ALWAYS;
        const to = next < closedFrom ? next : ALWAYS;
        if (at >= closedFrom || at >= next) continue;
        if ((i === 0 ? subject : all[i - 1]!.customer) === customer) spans.push({ from: at, to });
      }
      return spans;
    };
  }

  private chargesOf(
    period: LinePeriod,
    usedOf: (term: SlowTerm) => Used,
    heldBy: HeldBy,
  ): (TermValue & { subject: string; term: SlowTerm })[] {
    const { terms, cell, matrixAt } = period;
    const isOfCell = (at: number, { groups }: Reading): boolean => slowCellOf(matrixAt.get(at)!, groups)?.name === cell;
    const ofCell = (at: number, used: ReadonlyMap<string, readonly Reading[]>) =>
      new Map(
        [...used]
          .map(([subject, all]) => [subject, all.filter((reading) => isOfCell(at, reading))] as const)
          .filter(([, all]) => all.length > 0),
      );
    // In time, and where two terms have the same windows in the order of the terms.
    const windows = terms
      .flatMap((term, index) =>
        [...usedOf(term)]
          .filter(([at]) => term.from <= at && at < term.to)
          .map(([at, of]) => ({ at, index, of: cell === '' ? of : ofCell(at, of) })),
      )
      .filter(({ of }) => of.size > 0)
      .sort((a, b) => a.at - b.at || a.index - b.index);
    const isBySubject = terms[0]!.price.per === 'subject';
    const subjects = isBySubject ? new Set(windows.flatMap(({ of }) => [...of.keys()])) : [''];
    return [...subjects].flatMap((subject) => {
      const own = isBySubject ? windows.filter(({ of }) => of.has(subject)) : windows;
      const ofSubject = own.map(({ at, index, of }) => ({
        ...{ at, index },
        of: isBySubject ? new Map([[subject, of.get(subject)!]]) : of,
      }));
      return valuesOf(period, ofSubject, heldBy).map((value, index) => ({ ...value, subject, term: terms[index]! }));
    });
  }
}

function meterIn(versions: readonly CatalogVersion[], slug: string): Meter {
  for (const { catalog } of versions) {
    const found = catalog.meters.find((meter) => meter.slug === slug);
    if (found !== undefined) return found;
  }
  throw new Error(`no meter ${slug}`);
}

const nextChunksOf = (vector: SealVector): number[] =>
  Array.from({ length: PARTITIONS }, (_, partition) => nextChunkOf(vector, GENERATION, partition));

interface UsedWindow {
  readonly at: number;
  readonly index: number;
  readonly of: ReadonlyMap<string, readonly Reading[]>;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** The stretches in which a subject is the customer's. */
type HeldBy = (subject: string) => readonly Span[];

/** Of a level that a subject has for a part of some time: millisecond after millisecond would be as much (P7). */
function sharedLevel(level: bigint, time: readonly Span[], held: readonly Span[]): bigint {
  const over = (instant: number): bigint =>
    BigInt(time.reduce((sum, { from, to }) => sum + Math.min(Math.max(instant - from, 0), to - from), 0));
  const whole = over(ALWAYS);
  const upTo = (instant: number): bigint => {
    const part = over(instant);
    if (part === whole) return level;
    return roundedRatio(level * part, whole);
  };
  return held.reduce((sum, { from, to }) => sum + upTo(to) - upTo(from), 0n);
}

/** Where a meter says nothing, and it is not the sum. */
const ACROSS: Readonly<Record<string, string>> = { unique: 'union', avg: 'pooled' };

/** To the nearest whole number, a half to the even one; the divisor is positive. */
function roundedRatio(dividend: bigint, divisor: bigint): bigint {
  const scaled = 2n * dividend + divisor;
  const quotient = scaled >= 0n ? scaled / (2n * divisor) : -((-scaled + 2n * divisor - 1n) / (2n * divisor));
  const isTie = scaled % (2n * divisor) === 0n;
  return isTie && quotient % 2n !== 0n ? quotient - 1n : quotient;
}

/** What all readings of some windows come to; of a level, those of each subject by its share of the terms' time. */
function wholeOf(meter: Meter, windows: readonly UsedWindow[], terms: readonly Span[], heldBy: HeldBy): bigint {
  const { aggregation, across = ACROSS[aggregation] ?? 'sum' } = meter;
  const bySubject = new Map<string, Reading[]>();
  for (const { of } of windows)
    for (const [subject, readings] of of) bySubject.set(subject, [...(bySubject.get(subject) ?? []), ...readings]);
  if (bySubject.size === 0) return 0n;
  const all = [...bySubject.values()].flat();
  if (across === 'union') return mergedValue(aggregation, all);
  if (across === 'pooled') return roundedRatio(mergedValue(aggregation, all), BigInt(all.length));
  const isLevel = ['max', 'min', 'latest'].includes(aggregation);
  const values = [...bySubject].map(([subject, readings]) => {
    const value = mergedValue(aggregation, readings);
    return isLevel ? sharedLevel(value, terms, heldBy(subject)) : value;
  });
  if (across === 'sum') return values.reduce((a, b) => a + b);
  return values.sort((a, b) => (a < b ? -1 : 1)).at(-1)!;
}

/** How many units each window adds. */
function netsOf(meter: Meter, windows: readonly UsedWindow[]): { readonly index: number; readonly net: bigint }[] {
  const { aggregation, across = 'union' } = meter;
  const seen = new Set<string>();
  return windows.map((window) => {
    if (aggregation !== 'unique') return { index: window.index, net: wholeOf(meter, [window], [], () => []) };
    let net = 0n;
    for (const [subject, readings] of window.of) {
      for (const { text } of readings) {
        const value = across === 'union' ? text : JSON.stringify([subject, text]);
        if (!seen.has(value)) net += ONE;
        seen.add(value);
      }
    }
    return { index: window.index, net };
  });
}

/** Of each term, by the kind of the period's prices (T6). */
function valuesOf(
  { start, length, firstAt, terms, kind, meter }: LinePeriod,
  windows: readonly UsedWindow[],
  heldBy: HeldBy,
): TermValue[] {
  const priceOf = (index: number): SlowPrice => terms[index]!.price;
  if (kind === 'restart') {
    return terms.map((_, index) => {
      const own = windows.filter((window) => window.index === index);
      const quantity = wholeOf(meter, own, [terms[index]!], heldBy);
      return { quantity, amount: amountOf(priceOf(index), quantity) };
    });
  }
  if (kind === 'prorate') {
    const windowMs = windowOfMeter(meter);
    const boundary = (time: number): number => Math.ceil(time / windowMs) * windowMs;
    const first = Math.min(boundary(start), firstAt);
    const duration = BigInt(boundary(start + length) - first);
    const quantity = wholeOf(meter, windows, terms, heldBy);
    return terms.map(({ from, to }, index) => ({
      quantity,
      amount: amountBetween(amountOf(priceOf(index), quantity), BigInt(from - first), BigInt(to - first), duration),
    }));
  }
  // What stands of each window, the last on top: what is taken back is taken from the top.
  const stack: { readonly index: number; left: bigint }[] = [];
  for (const { index, net } of netsOf(meter, windows)) {
    let left = net;
    while (left !== 0n && stack.length > 0) {
      const top = stack.at(-1)!;
      if (left > 0n === top.left > 0n) break;
      const both = left + top.left;
      const isUsedUp = both === 0n || both > 0n === left > 0n;
      left = isUsedUp ? both : 0n;
      if (isUsedUp) stack.pop();
      else top.left = both;
    }
    if (left !== 0n) stack.push({ index, left });
  }
  const windowMs = windowOfMeter(meter);
  const boundary = (time: number): number => Math.ceil(time / windowMs) * windowMs;
  const first = Math.min(boundary(start), firstAt);
  const duration = BigInt(boundary(start + length) - first);
  const quantities = terms.map((_, index) =>
    stack.reduce((sum, { index: of, left }) => (of === index ? sum + left : sum), 0n),
  );
  // Free units (T8): below the term's own, and below the parts by time of all terms so far.
  let [granted, free] = [0n, 0n];
  const billable = terms.map(({ from, to }, index) => {
    const [own, used] = [freeUnits(priceOf(index)), quantities[index]!];
    const isWhole = priceOf(index).included?.proration === 'none';
    const part = amountBetween(own * ONE, BigInt(from - first), BigInt(to - first), duration) / ONE;
    granted += isWhole ? own : part;
    const left = (granted < own ? granted : own) - free;
    // biome-ignore lint/complexity/useMathMinMax: Math takes no bigint.
    const most = left < used ? left : used;
    const here = left <= 0n || used <= 0n ? 0n : most;
    free += here;
    return used - here;
  });
  const total = billable.reduce((sum, units) => sum + units, 0n);
  let before = 0n;
  return terms.map((_, index) => {
    const quantity = quantities[index]!;
    const [from, to] = [before, before + billable[index]!];
    before = to;
    const price = priceOf(index);
    if (kind === 'carry') return { quantity, amount: chargeOf(price, to) - chargeOf(price, from) };
    if (total === 0n) return { quantity, amount: 0n };
    return { quantity, amount: amountBetween(chargeOf(price, total), from, to, total) };
  });
}
