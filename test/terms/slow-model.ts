// The rules of prices in time a second time, to be held against domain/terms: written from their words, slot by slot
// and unit by unit, and with no thought of speed. It shares no code with what it checks (types apart). Everything in
// its histories happens at the start of a slot of half an hour, and periods are days of UTC.
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import type { SubscriptionOpening, SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import {
  plus,
  type Ratio,
  ratio,
  type SlowOwnDiscount,
  type SlowPrice,
  slowCells,
  slowDiscounted,
  slowDiscountedBy,
  slowMinimum,
  slowParts,
  zero,
} from './slow-numbers.ts';

export const SLOT = 1_800_000;
export const DAY = 86_400_000;
/** The longest period. */
export const LENGTH_MAX = 3 * DAY;
/** Windows, the longest first. */
export const WINDOW_SIZES = [DAY, DAY / 24, DAY / 96] as const;
const windowMs: Readonly<Record<string, number>> = { '1d': DAY, '1h': DAY / 24, '15m': DAY / 96 };

export const windowOfMeter = ({ window }: { readonly window: string }): number => windowMs[window]!;

export interface SlowHistory {
  readonly start: number;
  /** Nothing happens from here on. */
  readonly end: number;
  readonly versions: readonly CatalogVersion[];
  readonly subscriptions: readonly { opening: SubscriptionOpening; records: readonly SubscriptionRecord[] }[];
  /** Events of meters, each with its group and value; those of one window come in this order. */
  readonly usage: readonly SlowUsage[];
  /** Subjects of the customer that are others' at some time; absent: there are none. */
  readonly subjects?: readonly SlowSubject[];
  /** What ends by then is closed; absent: everything is. */
  readonly closedUpTo?: number;
}

export interface SlowSubject {
  readonly subject: string;
  /** Before the first it is a customer of its own name. By time. */
  readonly assignments: readonly { readonly customer: string; readonly from: number }[];
}

/** Whose a subject's window is that starts at a slot or window. */
export function slowOwner({ subject, assignments }: SlowSubject, windowStart: number, windowMs: number): string {
  let owner = subject;
  for (const [i, { from, customer }] of assignments.entries()) {
    const holdsFirst = i === 0 && windowStart <= from && from < windowStart + windowMs;
    if (holdsFirst || from <= windowStart) owner = customer;
  }
  return owner;
}

/** Whether a period is one that the model accounts for. */
export const isLookedAt = ({ start, end }: SlowHistory, periodStart: number): boolean =>
  start <= periodStart && periodStart < end;

export interface SlowUsage {
  readonly meter: string;
  readonly at: number;
  readonly model: string;
  readonly value: number;
  /** Absent: the customer itself. */
  readonly subject?: string;
}

interface Difference {
  readonly at: number;
  readonly version: number;
  readonly value: unknown;
  readonly before: unknown;
  readonly isNext: boolean;
  readonly closedUpTo: number;
}

export interface Held {
  readonly plan: string;
  readonly isPaused: boolean;
  readonly isTrial: boolean;
}

/** Null: the default plan. */
export type HolderId = string | null;

export interface SlowDefinition {
  readonly price: SlowPrice;
  readonly quantity: string;
  readonly isTrial: boolean;
}

export const lengthMs = ({ every }: SlowPrice): number => every!.days * DAY;

export interface SlowLine {
  readonly slug: string;
  readonly anchor: number | 'calendar';
  readonly begin: number;
  readonly members: HolderId[];
  /** What each member has in each slot, or window, of the line. */
  readonly entries: { readonly at: number; readonly holder: HolderId; readonly of: SlowDefinition }[];
}

export function periodStartOf(line: Pick<SlowLine, 'anchor' | 'begin'>, price: SlowPrice, at: number): number {
  const length = lengthMs(price);
  const zeroAt = line.anchor === 'calendar' ? 0 : line.anchor;
  const instant = Math.max(at, line.begin);
  return zeroAt + Math.floor((instant - zeroAt) / length) * length;
}

// The objects of a history never change, so each is written out once.
const texts = new WeakMap<object, string>();

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const text = texts.get(value) ?? JSON.stringify(value);
  texts.set(value, text);
  return text;
}

export const same = (one: unknown, other: unknown): boolean => one === other || textOf(one) === textOf(other);

export const saysSame = (one: SlowDefinition | null, other: SlowDefinition | null): boolean =>
  one === null || other === null
    ? one === other
    : one.quantity === other.quantity && one.isTrial === other.isTrial && same(one.price, other.price);

const slugOf = (name: string): string => name.split('/')[0]!;
const PLAN_MINIMUM = '*/minimum';
const isSlowMinimum = (name: string): boolean => name.endsWith('/minimum');

/** The price of a name, which may be a part's, or null. */
const partOf = (price: SlowPrice, name: string): SlowPrice | null =>
  slowParts(price).find(({ slug }) => slug === name) ?? null;

export class SlowModel {
  readonly history: SlowHistory;
  readonly holders: readonly HolderId[];
  /** What happens after it is not known. */
  readonly limit: number;
  private readonly memo = new Map<string, Map<number, unknown>>();

  constructor(history: SlowHistory, limit = Number.POSITIVE_INFINITY) {
    this.history = history;
    this.limit = limit;
    const known = history.subscriptions.filter(({ opening }) => opening.billedFrom <= limit);
    const hasDefault = this.differences('default', '', '').some(({ value }) => value !== null);
    this.holders = [...known.map(({ opening }) => opening.id), ...(hasDefault ? [null] : [])];
  }

  /** Found once, by name and time. */
  once<Value>(name: string, find: () => Value, at = 0): Value {
    let known = this.memo.get(name);
    if (known === undefined) {
      known = new Map();
      this.memo.set(name, known);
    }
    if (!known.has(at)) known.set(at, find());
    return known.get(at) as Value;
  }

  /** Where anything that is said begins or ends, ascending. */
  get instants(): readonly number[] {
    return this.once('instants', () => {
      const { versions, subscriptions } = this.history;
      const found = versions.flatMap(({ effectiveAt, closedUpTo = effectiveAt }) => [effectiveAt, closedUpTo]);
      for (const { opening, records } of subscriptions) {
        found.push(opening.billedFrom);
        for (const record of records) {
          if ('undoes' in record) found.push(record.at);
          else
            for (const { at, patch } of record.patches) {
              found.push(at, ...Object.values(patch));
              for (const { from, until } of patch.discounts ?? [])
                found.push(Date.parse(from ?? ''), Date.parse(until ?? ''));
            }
        }
      }
      for (const { effectiveAt } of versions.filter(({ appliesTo }) => appliesTo === 'next'))
        for (const holder of this.holders)
          for (const price of this.prices()) found.push(this.nextPeriod(holder, price, effectiveAt));
      for (const { discounts = [] } of this.prices())
        for (const { from, until } of discounts) found.push(Date.parse(from ?? ''), Date.parse(until ?? ''));
      return [...new Set(found.filter(Number.isFinite))].sort((a, b) => a - b);
    });
  }

  /** The earliest window that has whatever this one has: from its start to the end of this one nothing happens. */
  asIn(at: number, windowMs: number): number {
    return this.once(
      `as in ${windowMs}`,
      () => {
        const last = this.instants.findLast((instant) => instant < at + windowMs);
        if (last === undefined) return Math.min(at, this.history.start);
        return last > at ? at : Math.ceil(last / windowMs) * windowMs;
      },
      at,
    );
  }

  subscription(id: string) {
    return this.history.subscriptions.find(({ opening }) => opening.id === id)!;
  }

  /** The value of the greatest (at, sequence) not above an instant, of patches that no undo withdrew. */
  field(id: string, instant: number, read: (patch: never) => unknown): unknown {
    const { records } = this.subscription(id);
    let best: { at: number; sequence: number; value: unknown } | null = null;
    for (const record of records) {
      if ('undoes' in record) continue;
      for (const { at, patch } of record.patches) {
        const value = read(patch as never);
        const isUndone = records.some((each) => 'undoes' in each && each.undoes === record.sequence && at >= each.at);
        if (value === undefined || isUndone || at > instant || at > this.limit) continue;
        const { sequence } = record;
        if (best === null || at > best.at || (at === best.at && sequence > best.sequence))
          best = { at, sequence, value };
      }
    }
    return best?.value ?? null;
  }

  /** The first slot in which it is over, or the end of the history. */
  endOf(id: string): number {
    return this.once(`end ${id}`, () => {
      let at = this.subscription(id).opening.billedFrom;
      const { billedFrom } = this.subscription(id).opening;
      for (; at < this.history.end + LENGTH_MAX; at += SLOT) {
        if (at > billedFrom && this.asIn(at, SLOT) < at) continue;
        const endsAt = this.field(id, at, ({ endsAt: value }: { endsAt: unknown }) => value);
        if (typeof endsAt === 'number' && endsAt <= at) break;
      }
      return at;
    });
  }

  isActive(id: string, at: number): boolean {
    return at >= this.subscription(id).opening.billedFrom && at < this.endOf(id);
  }

  held(holder: HolderId, at: number): Held | null {
    return this.once(
      `held ${holder}`,
      () => (holder === null ? this.heldByDefault(at, this.defaultPlanAt(at)) : this.heldBySubscription(holder, at)),
      at,
    );
  }

  private heldBySubscription(id: string, at: number): Held | null {
    if (!this.isActive(id, at)) return null;
    const plan = this.field(id, at, (patch: { plan: unknown }) => patch.plan) as string | null;
    if (plan === null) return null;
    const trial = this.field(id, at, (patch: { trialEndsAt: unknown }) => patch.trialEndsAt);
    const pause = this.field(id, at, (patch: { pausedUntil: unknown }) => patch.pausedUntil);
    return {
      plan,
      isTrial: trial !== null && at < (trial as number),
      isPaused: pause === 'open' || (pause !== null && at < (pause as number)),
    };
  }

  private heldByDefault(at: number, plan: string | null): Held | null {
    const begun = this.begun().filter((id) => this.subscription(id).opening.billedFrom <= at);
    if (plan === null || begun.some((id) => this.isActive(id, at))) return null;
    const latest = Math.max(...begun.map((id) => this.endOf(id)));
    const last = begun.filter((id) => this.endOf(id) === latest).sort()[0];
    if (last !== undefined) {
      const ended = this.heldBySubscription(last, latest - SLOT);
      if (ended === null || this.planNamed(ended.plan)?.afterEnd !== 'default') return null;
    }
    return { plan, isPaused: false, isTrial: false };
  }

  /** The subscriptions that are not over before they begin. */
  private begun(): string[] {
    return this.holders.filter(
      (id): id is string => id !== null && this.endOf(id) > this.subscription(id).opening.billedFrom,
    );
  }

  /** What a plan says of itself, which no version changes. */
  private planNamed(plan: string) {
    return this.history.versions
      .filter(({ effectiveAt }) => effectiveAt <= this.limit)
      .flatMap(({ catalog }) => catalog.plans)
      .find(({ slug }) => slug === plan);
  }

  /** What each version says otherwise than the one before it about a price, or the default plan. */
  private differences(kind: 'price' | 'default', plan: string, slug: string): Difference[] {
    return this.once(`differences ${kind} ${plan} ${slug}`, () => {
      const said = ({ catalog }: CatalogVersion): unknown =>
        kind === 'default' ? catalog.defaultPlan : priceIn(catalog, plan, slug);
      return this.history.versions
        .map((version, i) => ({
          at: version.effectiveAt,
          version: version.version,
          value: said(version),
          before: i === 0 ? null : said(this.history.versions[i - 1]!),
          isNext: version.appliesTo === 'next' && kind === 'price',
          closedUpTo: version.closedUpTo ?? version.effectiveAt,
        }))
        .filter(({ value, before, at }) => !same(value, before) && at <= this.limit);
    });
  }

  private readonly stood = new Map<readonly Difference[], Map<HolderId, ReturnType<SlowModel['standing']>>>();

  private standingOf(holder: HolderId, differences: readonly Difference[]) {
    const known = this.stood.get(differences) ?? new Map<HolderId, ReturnType<SlowModel['standing']>>();
    this.stood.set(differences, known);
    const standing = known.get(holder) ?? this.standing(holder, differences);
    known.set(holder, standing);
    return standing;
  }

  /** Where each difference that no later one replaces takes effect for a holder. */
  private standing(holder: HolderId, differences: readonly Difference[]) {
    const found: { from: number; of: Difference; wasThere: boolean }[] = [];
    for (const of of differences) {
      // What holds just before it.
      const before = found.filter(({ from }) => from < of.at).at(-1)?.of.value ?? null;
      const price = (before ?? of.value) as SlowPrice;
      const from = of.isNext && price !== null ? this.nextPeriod(holder, price, of.at) : of.at;
      for (let each = 0; each < found.length; each++) if (found[each]!.from >= of.at) found.splice(each--, 1);
      found.push({ from, of, wasThere: before !== null });
    }
    return found;
  }

  private nextPeriod(holder: HolderId, price: SlowPrice, at: number): number {
    const opening = holder === null ? null : this.subscription(holder).opening;
    if (opening !== null && at <= opening.billedFrom) return at;
    const start = periodStartOf({ anchor: (opening?.anchor ?? 'calendar') as number, begin: -1e15 }, price, at);
    return start === at ? at : start + lengthMs(price);
  }

  /** What holds at an instant; `early`: or what begins later for windows that end after `closedUpTo`. */
  private valueAt(holder: HolderId, differences: readonly Difference[], at: number, early: number | null): unknown {
    const standing = this.standingOf(holder, differences);
    const value = standing.filter(({ from }) => from <= at).at(-1)?.of.value ?? null;
    if (value !== null || early === null) return value;
    const next = standing.find(({ from }) => from > at);
    if (next === undefined || next.of.isNext || next.wasThere || next.of.value === null) return null;
    return at + early > Math.min(next.of.closedUpTo, next.of.at) ? next.of.value : null;
  }

  private defaultPlanAt(at: number, early: number | null = null): string | null {
    return this.valueAt(null, this.differences('default', '', ''), at, early) as string | null;
  }

  /** What a holder has of a slug at an instant; the prices of plans as in the window that starts at `at`. */
  private definition(
    holder: HolderId,
    slug: string,
    at: number,
    instant: number,
    held: Held | null,
    early: number | null,
  ) {
    if (held === null || held.isPaused) return null;
    const own = (read: (patch: never) => unknown): unknown =>
      holder === null ? null : this.field(holder, instant, read);
    const override = own(({ overrides }: { overrides?: Record<string, unknown> }) => overrides?.[slugOf(slug)]);
    const planned = this.valueAt(holder, this.differences('price', held.plan, slug), at, early);
    const found = override === null || override === undefined ? planned : partOf(override as SlowPrice, slug);
    if (found === null) return null;
    const discounts = own(({ discounts }: { discounts?: unknown }) => discounts) as readonly SlowOwnDiscount[] | null;
    const price = slowDiscountedBy(slowDiscounted(found as SlowPrice, at), discounts ?? [], at);
    const isFee = price.meter === undefined;
    const name = price.quantity ?? '';
    const quantity = isFee
      ? own(({ quantities }: { quantities?: Record<string, unknown> }) => quantities?.[name])
      : null;
    const isFree = held.isTrial && (isFee || this.planNamed(held.plan)?.trialUsage === 'free');
    return { price, quantity: (quantity ?? '1') as string, isTrial: isFree };
  }

  /** A window that had begun is looked at where its subscription began to bill. */
  private instantIn(id: string, at: number, windowMs: number): number {
    const { billedFrom, takesBegunWindow } = this.subscription(id).opening;
    return takesBegunWindow && at < billedFrom && billedFrom < at + windowMs ? billedFrom : at;
  }

  /** What a window is priced by for a holder, before anything waits for a period. */
  private inWindow(holder: HolderId, slug: string, at: number, windowMs: number, isEarly: boolean) {
    return this.once(
      `window ${holder} ${slug} ${isEarly}`,
      () => {
        const early = isEarly ? windowMs : null;
        const instant = holder === null ? at : this.instantIn(holder, at, windowMs);
        if (holder !== null) return this.definition(holder, slug, at, instant, this.held(holder, instant), early);
        const isTaken = this.begun().some((id) => this.instantIn(id, at, windowMs) !== at);
        const held = isTaken ? null : this.heldByDefault(at, this.defaultPlanAt(at, early));
        return this.definition(holder, slug, at, at, held, early);
      },
      at,
    );
  }

  private windowOf(slug: string): number {
    const meter = this.meterOf(slug);
    return meter === null ? SLOT : windowOfMeter(meter);
  }

  meterOf(slug: string) {
    return this.once(`meter ${slug}`, () => this.findMeter(slug));
  }

  private findMeter(slug: string) {
    const { meter } = this.prices().find((each) => each.slug === slug)!;
    if (meter === undefined) return null;
    return this.history.versions.flatMap(({ catalog }) => catalog.meters).find((each) => each.slug === meter)!;
  }

  slugs(): string[] {
    return this.once('slugs', () => this.names().filter((name) => !isSlowMinimum(name)));
  }

  /** Of prices, then of plans. */
  minimumNames(): string[] {
    return this.once('minimum names', () => this.names().filter(isSlowMinimum));
  }

  private names(): string[] {
    return [...new Set(this.prices().map(({ slug }) => slug))];
  }

  /** Of plans, and of subscriptions alone. */
  private prices(): SlowPrice[] {
    return this.once('prices', () => {
      const planned = this.history.versions.flatMap(({ catalog }) => catalog.plans.flatMap(({ prices }) => prices));
      const patches = this.history.subscriptions.flatMap(({ records }) =>
        records.flatMap((record) => ('undoes' in record ? [] : record.patches)),
      );
      const own = patches.flatMap(({ patch }) => Object.values(patch.overrides ?? {}));
      const parts = [...planned, ...own]
        .filter((price) => price !== null)
        .flatMap((price) => slowParts(price as SlowPrice));
      const plans = this.history.versions.flatMap(({ catalog }) => catalog.plans);
      return [...parts, ...plans.flatMap(({ minimum }) => (minimum ? [minimumOfPlan(minimum)] : []))];
    });
  }

  /** With what begins early because nothing else of the customer prices the same usage. */
  private withEarly(holder: HolderId, slug: string, at: number): SlowDefinition | null {
    const windowMs = this.windowOf(slug);
    const onTime = this.inWindow(holder, slug, at, windowMs, false);
    if (onTime !== null || this.meterOf(slug) === null) return onTime;
    const early = this.inWindow(holder, slug, at, windowMs, true);
    if (early === null) return null;
    for (const other of this.holders) {
      for (const name of this.slugs()) {
        if ((other === holder && name === slug) || this.meterOf(name)?.slug !== early.price.meter) continue;
        const there = this.inWindow(other, name, at, windowMs, false)?.price;
        // What is left over was left over before: only who took what is left over took it, or stood beside it.
        if (early.price.otherwise === true && there?.otherwise !== true && there?.overlap !== true) continue;
        if (there === undefined || there.match === undefined) continue;
        for (const { match: its } of slowCells(there))
          for (const { match: mine } of slowCells(early.price))
            if (Object.keys(its).every((key) => (mine[key] ?? its[key]) === its[key])) return null;
      }
    }
    return early;
  }

  /** Whose line a holder's price belongs to, found window by window. */
  lines(slug: string): SlowLine[] {
    return this.once(`lines ${slug}`, () => {
      const { start } = this.history;
      const end = this.history.end + LENGTH_MAX;
      const windowMs = this.windowOf(slug);
      const lines: SlowLine[] = [];
      const lineOf = new Map<HolderId, SlowLine>();
      const inForce = new Map<HolderId, { at: number; of: SlowDefinition }>();
      let pricing: { readonly holder: HolderId; readonly of: SlowDefinition }[] = [];
      for (let at = start; at < end; at += windowMs) {
        if (at === start || this.asIn(at, windowMs) === at) {
          pricing = [...this.holders]
            .sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))
            .flatMap((holder) => {
              const of = this.withEarly(holder, slug, at);
              return of === null ? [] : [{ holder, of }];
            });
        }
        // Those that are in a line go on before others look for one.
        const known = pricing.filter(({ holder }) => lineOf.has(holder));
        const fresh = pricing.filter(({ holder }) => !lineOf.has(holder));
        for (const { holder, of } of [...known, ...fresh]) {
          const line = lineOf.get(holder) ?? this.joinedOrNew(slug, holder, lines, at, windowMs);
          lineOf.set(holder, line);
          const definition = this.waiting(line, inForce.get(holder), of, at, windowMs);
          inForce.set(holder, { at, of: definition });
          line.entries.push({ at, holder, of: definition });
        }
      }
      return lines;
    });
  }

  private joinedOrNew(slug: string, holder: HolderId, lines: SlowLine[], at: number, windowMs: number): SlowLine {
    const left = lines
      .filter(({ members, entries }) => !members.includes(null) && !entries.some((entry) => entry.at === at))
      .map((line) => {
        const latest = Math.max(...line.entries.map((entry) => entry.at));
        const left = line.entries.filter((entry) => entry.at === latest);
        return { line, last: line.members.flatMap((id) => left.filter((entry) => entry.holder === id)).at(-1)! };
      })
      .filter(({ line, last }) => {
        const periodEnd = periodStartOf(line, last.of.price, last.at) + lengthMs(last.of.price);
        return Math.ceil(periodEnd / windowMs) * windowMs > at;
      })
      .sort((a, b) => b.last.at - a.last.at);
    const joined = holder === null ? undefined : left[0]?.line;
    if (joined !== undefined) {
      joined.members.push(holder);
      return joined;
    }
    const opening = holder === null ? null : this.subscription(holder).opening;
    const line: SlowLine = {
      slug,
      anchor: (opening?.anchor ?? 'calendar') as number,
      begin: opening?.billedFrom ?? Number.NEGATIVE_INFINITY,
      members: [holder],
      entries: [],
    };
    lines.push(line);
    return line;
  }

  /** What counts other usage, or by another length, waits for the next period while the old one goes on. */
  waiting(
    line: Pick<SlowLine, 'anchor' | 'begin'>,
    before: { at: number; of: SlowDefinition } | undefined,
    of: SlowDefinition,
    at: number,
    windowMs: number,
  ): SlowDefinition {
    const isFee = of.price.meter === undefined && !isSlowMinimum(of.price.slug);
    if (isFee || before === undefined || before.at !== at - windowMs) return of;
    const old = before.of.price;
    const counts = ({ match, per, otherwise, dimensions }: SlowPrice) => [match, per, otherwise === true, dimensions];
    if (same(counts(old), counts(of.price)) && lengthMs(old) === lengthMs(of.price)) return of;
    const periodEnd = periodStartOf(line, old, before.at) + lengthMs(old);
    return at < periodEnd ? before.of : of;
  }

  /** What is in force in each window of a meter, whosever it is. */
  inForce(meter: string): ReadonlyMap<number, readonly SlowPrice[]> {
    return this.once(`in force of ${meter}`, () => {
      const prices = new Map<number, SlowPrice[]>();
      for (const slug of this.slugs().filter((each) => this.meterOf(each)?.slug === meter)) {
        for (const { at, of } of this.lines(slug).flatMap(({ entries }) => entries))
          prices.set(at, [...(prices.get(at) ?? []), of.price]);
      }
      return prices;
    });
  }

  /** The matches of what is no `otherwise` price and not beside others, likewise. */
  takenBesides(meter: string): ReadonlyMap<number, readonly Readonly<Record<string, string>>[]> {
    return this.once(`taken besides ${meter}`, () => {
      const ordinary = (prices: readonly SlowPrice[]) =>
        prices.filter(({ otherwise, overlap }) => otherwise !== true && overlap !== true).flatMap(slowCells);
      return new Map([...this.inForce(meter)].map(([at, prices]) => [at, ordinary(prices).map(({ match }) => match)]));
    });
  }

  /** What a holder has of each fee, and the sizes of the windows that its plan prices. */
  feeState(holder: HolderId, at: number) {
    return this.once(
      `state ${holder}`,
      () => {
        const held = this.held(holder, at);
        if (held === null) return null;
        const of = (slug: string) => this.definition(holder, slug, at, at, held, null);
        const fees = this.slugs()
          .filter((slug) => this.meterOf(slug) === null)
          .flatMap((slug) => {
            const definition = of(slug);
            return definition === null ? [] : [{ slug, definition }];
          });
        const windows = this.slugs()
          .filter((slug) => this.meterOf(slug) !== null && of(slug) !== null)
          .map((slug) => this.windowOf(slug));
        const rate = fees.reduce<Ratio>((sum, { definition }) => plus(sum, perMs(definition)), zero);
        const minimums = new Map(this.minimumNames().map((name) => [name, of(name)]));
        return { isPaused: held.isPaused, fees, windows, rate, minimums };
      },
      this.asIn(at, SLOT),
    );
  }
}

export const slowFee = ({ price, quantity, isTrial }: SlowDefinition): Ratio =>
  isTrial
    ? zero
    : ratio(
        BigInt(quantity) * BigInt(price.flatAmount!.replace('.', '')),
        10n ** BigInt(price.flatAmount!.split('.')[1]?.length ?? 0),
      );

// One object for each, as the objects of a history are.
const ofPlans = new WeakMap<object, SlowPrice>();

function minimumOfPlan(minimum: object): SlowPrice {
  const known = ofPlans.get(minimum) ?? slowMinimum(PLAN_MINIMUM, minimum as { amount: string });
  ofPlans.set(minimum, known);
  return known;
}

function priceIn({ plans }: CatalogVersion['catalog'], plan: string, name: string): SlowPrice | null {
  if (name === PLAN_MINIMUM) {
    const minimum = plans.find((each) => each.slug === plan)?.minimum;
    return minimum === undefined ? null : minimumOfPlan(minimum);
  }
  const prices = plans.find((each) => each.slug === plan)?.prices as readonly SlowPrice[] | undefined;
  const price = prices?.find((each) => each.slug === slugOf(name));
  return price === undefined ? null : partOf(price, name);
}

function perMs(definition: SlowDefinition): Ratio {
  const fee = slowFee(definition);
  return ratio(fee.n, fee.d * BigInt(lengthMs(definition.price)));
}
