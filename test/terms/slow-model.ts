// The rules of prices in time a second time, to be held against domain/terms: written from their words, slot by slot
// and unit by unit, and with no thought of speed. It shares no code with what it checks (types apart). Everything in
// its histories happens at the start of a slot of half an hour, and periods are days of UTC.
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import type { SubscriptionOpening, SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import {
  isMore,
  isZero,
  less,
  partOf,
  plus,
  type Ratio,
  ratio,
  type SlowPrice,
  slowAmount,
  zero,
} from './slow-numbers.ts';

export const SLOT = 1_800_000;
const DAY = 86_400_000;
/** The longest period. */
export const LENGTH_MAX = 2 * DAY;

export interface SlowHistory {
  readonly start: number;
  /** Nothing happens from here on. */
  readonly end: number;
  readonly versions: readonly CatalogVersion[];
  readonly subscriptions: readonly { opening: SubscriptionOpening; records: readonly SubscriptionRecord[] }[];
  /** Events of meters, each with its group and value; those of one window come in this order. */
  readonly usage: readonly SlowUsage[];
}

/** Whether a period is one that the model accounts for. */
export const isLookedAt = ({ start, end }: SlowHistory, periodStart: number): boolean =>
  start <= periodStart && periodStart < end;

export interface SlowUsage {
  readonly meter: string;
  readonly at: number;
  readonly model: string;
  readonly value: number;
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

const lengthMs = ({ every }: SlowPrice): number => every!.days * DAY;

export interface SlowLine {
  readonly slug: string;
  readonly anchor: number | 'calendar';
  readonly begin: number;
  readonly members: HolderId[];
  /** What each member has in each slot, or window, of the line. */
  readonly entries: { readonly at: number; readonly holder: HolderId; readonly of: SlowDefinition }[];
}

function periodStartOf(line: Pick<SlowLine, 'anchor' | 'begin'>, price: SlowPrice, at: number): number {
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

const same = (one: unknown, other: unknown): boolean => one === other || textOf(one) === textOf(other);

const saysSame = (one: SlowDefinition | null, other: SlowDefinition | null): boolean =>
  one === null || other === null
    ? one === other
    : one.quantity === other.quantity && one.isTrial === other.isTrial && same(one.price, other.price);

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
  private once<Value>(name: string, find: () => Value, at = 0): Value {
    let known = this.memo.get(name);
    if (known === undefined) {
      known = new Map();
      this.memo.set(name, known);
    }
    if (!known.has(at)) known.set(at, find());
    return known.get(at) as Value;
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
      for (; at < this.history.end + LENGTH_MAX; at += SLOT) {
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
        kind === 'default'
          ? catalog.defaultPlan
          : (catalog.plans.find((each) => each.slug === plan)?.prices.find((each) => each.slug === slug) ?? null);
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
    const override = own(({ overrides }: { overrides?: Record<string, unknown> }) => overrides?.[slug]);
    const planned = this.valueAt(holder, this.differences('price', held.plan, slug), at, early);
    const price = (override ?? planned) as SlowPrice | null;
    if (price === null) return null;
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
    return meter === null ? SLOT : meter.window === '1d' ? DAY : DAY / 24;
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
    return this.once('slugs', () => [...new Set(this.prices().map(({ slug }) => slug))]);
  }

  /** Of plans, and of subscriptions alone. */
  private prices(): SlowPrice[] {
    return this.once('prices', () => {
      const planned = this.history.versions.flatMap(({ catalog }) => catalog.plans.flatMap(({ prices }) => prices));
      const patches = this.history.subscriptions.flatMap(({ records }) =>
        records.flatMap((record) => ('undoes' in record ? [] : record.patches)),
      );
      const own = patches.flatMap(({ patch }) => Object.values(patch.overrides ?? {}));
      return [...planned, ...own].filter((price) => price !== null) as SlowPrice[];
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
        const its = this.inWindow(other, name, at, windowMs, false)?.price.match;
        const mine = early.price.match!;
        if (its !== undefined && Object.keys(its).every((key) => (mine[key] ?? its[key]) === its[key])) return null;
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
      for (let at = start; at < end; at += windowMs) {
        const pricing = [...this.holders]
          .sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))
          .flatMap((holder) => {
            const of = this.withEarly(holder, slug, at);
            return of === null ? [] : [{ holder, of }];
          });
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
      .map((line) => ({ line, last: line.entries.at(-1)! }))
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
  private waiting(
    line: SlowLine,
    before: { at: number; of: SlowDefinition } | undefined,
    of: SlowDefinition,
    at: number,
    windowMs: number,
  ): SlowDefinition {
    if (of.price.meter === undefined || before === undefined || before.at !== at - windowMs) return of;
    const old = before.of.price;
    if (same(old.match, of.price.match) && lengthMs(old) === lengthMs(of.price)) return of;
    const periodEnd = periodStartOf(line, old, before.at) + lengthMs(old);
    return at < periodEnd ? before.of : of;
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
        return { isPaused: held.isPaused, fees, windows, rate };
      },
      at,
    );
  }
}

const slowFee = ({ price, quantity, isTrial }: SlowDefinition): Ratio =>
  isTrial
    ? zero
    : ratio(
        BigInt(quantity) * BigInt(price.flatAmount!.replace('.', '')),
        10n ** BigInt(price.flatAmount!.split('.')[1]?.length ?? 0),
      );

function perMs(definition: SlowDefinition): Ratio {
  const fee = slowFee(definition);
  return ratio(fee.n, fee.d * BigInt(lengthMs(definition.price)));
}

/** Amounts by (line, period, term), of everything that usage costs. */
export function slowUsageAmounts(model: SlowModel): Map<string, Ratio> {
  const amounts = new Map<string, Ratio>();
  for (const slug of model.slugs()) {
    if (model.meterOf(slug) === null) continue;
    for (const line of model.lines(slug)) {
      const periods = new Map<string, SlowLine['entries']>();
      for (const entry of line.entries) {
        const start = periodStartOf(line, entry.of.price, entry.at);
        if (entry.of.isTrial || !isLookedAt(model.history, start)) continue;
        const key = `${lengthMs(entry.of.price)} ${start}`;
        periods.set(key, [...(periods.get(key) ?? []), entry]);
      }
      for (const [key, entries] of periods) {
        for (const { term, amount } of slowPeriod(model, line, entries))
          amounts.set(`${slug} ${line.members[0]} ${key} ${term.holder} ${term.from}`, amount);
      }
    }
  }
  return amounts;
}

interface SlowTerm {
  readonly holder: HolderId;
  readonly from: number;
  to: number;
  readonly price: SlowPrice;
}

function termsOfEntries({ members }: SlowLine, entries: SlowLine['entries'], windowMs: number): SlowTerm[] {
  const terms: SlowTerm[] = [];
  for (const { at, holder, of } of entries) {
    const going = terms.find((term) => term.holder === holder && term.to === at && same(term.price, of.price));
    if (going === undefined) terms.push({ holder, from: at, to: at + windowMs, price: of.price });
    else going.to = at + windowMs;
  }
  return terms.sort((a, b) => a.from - b.from || members.indexOf(a.holder) - members.indexOf(b.holder));
}

function slowPeriod(model: SlowModel, line: SlowLine, entries: SlowLine['entries']) {
  const meter = model.meterOf(line.slug)!;
  const windowMs = meter.window === '1d' ? DAY : DAY / 24;
  const terms = termsOfEntries(line, entries, windowMs);
  const isLevel = ['max', 'min', 'latest'].includes(meter.aggregation);
  const kinds = new Set(
    terms.map(({ price }) => {
      if (price.onChange !== undefined) return price.onChange;
      if (isLevel) return 'prorate';
      const hasFlat = price.tiers?.some(({ flatAmount }) => flatAmount !== '0') ?? false;
      return price.model === 'per_unit' || (price.model === 'graduated' && !hasFlat) ? 'carry' : 'share';
    }),
  );
  const kind = kinds.size === 1 ? [...kinds][0]! : isLevel ? 'prorate' : 'share';

  // The values of each window of each term, by time.
  const readings = entries
    .map(({ at, holder }) => {
      const index = terms.findIndex((term) => term.holder === holder && term.from <= at && at < term.to);
      const { match = {} } = terms[index]!.price;
      const values = model.history.usage.filter(
        (usage) =>
          usage.meter === meter.slug &&
          usage.at >= at &&
          usage.at < at + windowMs &&
          (match.model === undefined || match.model === usage.model),
      );
      return { at, index, values: values.map(({ value }) => value) };
    })
    .filter(({ values }) => values.length > 0)
    .sort((a, b) => a.at - b.at || a.index - b.index);
  const whole = (of: typeof readings): bigint => {
    const values = of.flatMap(({ values: each }) => each);
    if (values.length === 0) return 0n;
    switch (meter.aggregation) {
      case 'count':
        return BigInt(values.length);
      case 'max':
        return BigInt(Math.max(...values));
      case 'min':
        return BigInt(Math.min(...values));
      case 'latest':
        return BigInt(values.at(-1)!);
      case 'unique':
        return BigInt(new Set(values).size);
      default:
        return BigInt(values.reduce((sum, value) => sum + value, 0));
    }
  };
  if (kind === 'restart') {
    return terms.map((term, index) => ({
      term,
      amount: slowAmount(term.price, whole(readings.filter((reading) => reading.index === index))),
    }));
  }
  const periodStart = periodStartOf(line, terms[0]!.price, terms[0]!.from);
  const [bounds, length] = [(instant: number) => Math.ceil(instant / windowMs) * windowMs, lengthMs(terms[0]!.price)];
  if (kind === 'prorate') {
    const first = Math.min(bounds(periodStart), terms[0]!.from);
    const duration = BigInt(bounds(periodStart + length) - first);
    const part = (instant: number): Ratio => ratio(BigInt(instant - first), duration);
    return terms.map((term) => {
      const amount = slowAmount(term.price, whole(readings));
      return { term, amount: less(partOf(amount, part(term.to)), partOf(amount, part(term.from))) };
    });
  }
  // A stack of single units, each with its term: what is taken back is taken from the top.
  const stack: { readonly index: number; readonly sign: number }[] = [];
  const seen = new Set<number>();
  let level = 0n;
  for (const [place, { index, values }] of readings.entries()) {
    let net = 0;
    // Of a level, a window adds what it changes.
    if (isLevel) {
      const after = whole(readings.slice(0, place + 1));
      net = Number(after - level);
      level = after;
    }
    for (const value of isLevel ? [] : values) {
      if (meter.aggregation === 'count') net += 1;
      else if (meter.aggregation !== 'unique') net += value;
      else if (!seen.has(value)) {
        seen.add(value);
        net += 1;
      }
    }
    const sign = Math.sign(net);
    for (let unit = 0; unit < Math.abs(net); unit++) {
      if ((stack.at(-1)?.sign ?? sign) === sign) stack.push({ index, sign });
      else stack.pop();
    }
  }
  const unitsOf = (index: number): bigint =>
    stack.reduce((sum, unit) => (unit.index === index ? sum + BigInt(unit.sign) : sum), 0n);
  const total = BigInt(stack.reduce((sum, { sign }) => sum + sign, 0));
  let before = 0n;
  return terms.map((term, index) => {
    const after = before + unitsOf(index);
    const [from, to] = [before, after];
    before = after;
    if (kind === 'carry') return { term, amount: less(slowAmount(term.price, to), slowAmount(term.price, from)) };
    if (total === 0n) return { term, amount: zero };
    const amount = slowAmount(term.price, total);
    return { term, amount: less(partOf(amount, ratio(to, total)), partOf(amount, ratio(from, total))) };
  });
}

/** Amounts of fees by (line, period, term) as they are due at an instant. */
export function slowFeeAmounts(history: SlowHistory, asOf: number): Map<string, Ratio> {
  const amounts = new Map<string, Ratio>();
  const last = new SlowModel(history, asOf);
  for (const slug of last.slugs()) {
    if (last.meterOf(slug) !== null) continue;
    for (const line of last.lines(slug)) {
      const periods = new Map<string, { start: number; length: number }>();
      for (const { at, of } of line.entries) {
        const [start, length] = [periodStartOf(line, of.price, at), lengthMs(of.price)];
        if (isLookedAt(history, start)) periods.set(`${length} ${start}`, { start, length });
      }
      for (const [key, period] of periods) {
        for (const [term, amount] of slowFeePeriod(history, last, line, period, asOf))
          amounts.set(`${slug} ${line.members[0]} ${key} ${term}`, amount);
      }
    }
  }
  return amounts;
}

interface FeePart {
  readonly unit: number;
  readonly holder: HolderId;
  readonly of: SlowDefinition;
  /** Where the term begins that the unit is of. */
  from: number;
}

function slowFeePeriod(
  history: SlowHistory,
  last: SlowModel,
  line: SlowLine,
  { start, length }: { readonly start: number; readonly length: number },
  asOf: number,
): Map<string, Ratio> {
  const end = start + length;
  const ways = line.entries.filter(({ at }) => at >= start && at < end).map(({ of }) => of.price.proration ?? 'second');
  const way = ways.includes('none') ? 'none' : ways.includes('day') ? 'day' : 'second';
  const cells = cellsOf(start, end, way);
  const whole = BigInt(cells.length);
  const partsAt = (instant: number): FeePart[] => {
    const model = instant === asOf ? last : new SlowModel(history, instant);
    const known = model.lines(line.slug).find(({ members }) => members[0] === line.members[0]);
    return known === undefined ? [] : feeParts(model, known, length, cells, way, end);
  };
  const paid = cells.map(() => zero);
  const amounts = new Map<string, Ratio>();
  const share = (fee: Ratio, unit: number): Ratio =>
    less(partOf(fee, ratio(BigInt(unit + 1), whole)), partOf(fee, ratio(BigInt(unit), whole)));
  const charge = ({ unit, holder, of, from }: FeePart, keeps: boolean): void => {
    const fee = slowFee(of);
    const before = paid[unit]!;
    const isPaid = !isZero(before) && !isMore(fee, before);
    const key = `${holder} ${from}`;
    const amount = isPaid ? zero : less(share(fee, unit), share(before, unit));
    amounts.set(key, plus(amounts.get(key) ?? zero, amount));
    if (keeps && isMore(fee, before)) paid[unit] = fee;
  };
  const isKept = ({ of }: FeePart): boolean => of.price.giveBack === false;
  const final = partsAt(asOf);
  if (line.entries.some(({ of }) => of.price.giveBack === false)) {
    for (let instant = start; instant < Math.min(end, asOf + 1); instant += SLOT) {
      if (!isEventful(history, instant) && instant !== start && !final.some(({ from }) => from === instant)) continue;
      const next = nextEvent(history, final, instant, asOf);
      for (const part of partsAt(instant)) if (isKept(part) && part.from < next) charge(part, true);
    }
  }
  for (const part of final) if (part.from <= asOf) charge(part, isKept(part));
  return amounts;
}

const written = new WeakMap<SlowHistory, string>();

/** Whether anything in the records happens at an instant. */
function isEventful(history: SlowHistory, instant: number): boolean {
  const { versions, subscriptions } = history;
  const text = written.get(history) ?? JSON.stringify([versions.map(({ effectiveAt }) => effectiveAt), subscriptions]);
  written.set(history, text);
  return text.includes(String(instant));
}

function nextEvent(history: SlowHistory, final: readonly FeePart[], instant: number, asOf: number): number {
  for (let next = instant + SLOT; next <= asOf; next += SLOT)
    if (isEventful(history, next) || final.some(({ from }) => from === next)) return next;
  return asOf + 1;
}

function cellsOf(start: number, end: number, way: string): number[] {
  if (way === 'none') return [start];
  const cells: number[] = [];
  for (let at = start; at < end; at += SLOT) {
    const isLastDay = way === 'day' && Math.floor(at / DAY) === Math.floor(end / DAY);
    if (way === 'second' || (!isLastDay && (at === start || at % DAY === 0))) cells.push(at);
  }
  return cells;
}

function feeParts(
  model: SlowModel,
  line: SlowLine,
  length: number,
  cells: readonly number[],
  way: string,
  end: number,
): FeePart[] {
  const feeIn = (holder: HolderId, at: number): SlowDefinition | null => {
    const fee = model.feeState(holder, at)?.fees.find(({ slug }) => slug === line.slug);
    return fee !== undefined && lengthMs(fee.definition.price) === length ? fee.definition : null;
  };
  const parts: FeePart[] = [];
  const add = (unit: number, from: number, owner: { holder: HolderId; at: number } | null): void => {
    const of = owner === null ? null : feeIn(owner.holder, owner.at);
    if (owner === null || of === null) return;
    // Since when the same was held, without a gap.
    let since = owner.at;
    while (saysSame(feeIn(owner.holder, since - SLOT), of) && since > model.history.start) since -= SLOT;
    parts.push({ unit, holder: owner.holder, of, from: way === 'second' ? from : Math.max(from, since) });
  };
  const members = model.holders.filter((holder) => line.members.includes(holder));
  if (way === 'second') {
    for (const holder of members) {
      const sizes = cells.flatMap((at) => model.feeState(holder, at)?.windows ?? []);
      const longest = Math.max(SLOT, ...sizes);
      for (const [unit, at] of cells.entries()) {
        if (model.feeState(holder, at) === null) continue;
        const cell = Math.floor(at / longest) * longest;
        add(unit, at, ownerOf(model, holder, cell, cell + longest));
      }
    }
  } else {
    for (const [unit, from] of cells.entries()) {
      const held = members.flatMap((holder) => slotsOf(model, holder, from, cells[unit + 1] ?? end));
      add(unit, from, dearestOf(model, held));
    }
  }
  return asTerms(parts);
}

/** Units that follow each other and pay the same are one term, which begins where the first does. */
function asTerms(parts: readonly FeePart[]): FeePart[] {
  const name = ({ holder }: FeePart): string => holder ?? '';
  const sorted = parts.toSorted((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a.unit - b.unit));
  for (const [i, part] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || before.unit + 1 !== part.unit || before.holder !== part.holder) continue;
    if (saysSame(before.of, part.of)) part.from = before.from;
  }
  return sorted;
}

interface HeldSlot {
  readonly holder: HolderId;
  readonly at: number;
}

function slotsOf(model: SlowModel, holder: HolderId, from: number, to: number): HeldSlot[] {
  const slots: HeldSlot[] = [];
  for (let at = from; at < to; at += SLOT) if (model.feeState(holder, at) !== null) slots.push({ holder, at });
  return slots;
}

function dearestOf(model: SlowModel, slots: readonly HeldSlot[]): HeldSlot | null {
  let best: HeldSlot | null = null;
  for (const slot of slots) {
    const rate = model.feeState(slot.holder, slot.at)!.rate;
    if (best === null || isMore(rate, model.feeState(best.holder, best.at)!.rate)) best = slot;
  }
  return best;
}

/** The dearest that prices a window starting in the stretch; where none does, the dearest that is held in it. */
function ownerOf(model: SlowModel, holder: HolderId, from: number, to: number): HeldSlot | null {
  const held = slotsOf(model, holder, from, to);
  const opening = holder === null ? null : model.subscription(holder).opening;
  const claims = held.filter(({ at }) => {
    const { isPaused, windows } = model.feeState(holder, at)!;
    if (isPaused || windows.length === 0) return true;
    const takes = opening?.takesBegunWindow === true && at === opening.billedFrom;
    return takes || windows.some((size) => at % size === 0);
  });
  return dearestOf(model, claims.length > 0 ? claims : held);
}
