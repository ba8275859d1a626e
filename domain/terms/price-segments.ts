// Which definition of a price a plan holder has, stretch by stretch.
//
// Stretches of usage prices begin and end at window boundaries, and the definition of each window is the one in force
// at its start (T1). What was there and changed or went does so at the next boundary. What was not there before begins,
// by a catalog version, with the windows that were still open and in which nothing else of the customer prices the same
// usage (T3). Stretches of fees begin and end to the millisecond.
import type { Meter } from '../catalog/catalog.ts';
import { boundsOf, discountedAt } from '../pricing/around/charge.ts';
import { partNamed, partsOf, slugOfPart } from '../pricing/parts.ts';
import { priceDefaults } from '../pricing/price-choices.ts';
import { isUsagePrice, type Part, type Price, type UsagePrice } from '../pricing/prices.ts';
import { discountedBy } from '../pricing/subscription-discounts.ts';
import { isOtherwise, mayMatchSame, mayOverlap } from '../pricing/taken-usage.ts';
import { windowSizeMs, windowStartOf } from '../time/time-window.ts';
import { type CatalogHistory, type Dated, sameDefinition } from './catalog-history.ts';
import { earlyIn, type PlanHolder } from './plan-holders.ts';
import type { SubscriptionState } from './subscription-history.ts';
import { nextBoundary } from './subscription-periods.ts';

/** What is charged. Two stretches with the same are one. */
interface PriceDefinition {
  readonly price: Part;
  /** Of a fee: for how many it is charged, as decimal text; null: for usage. */
  readonly quantity: string | null;
  /** A trial's: it is held, and costs nothing. */
  readonly isTrial: boolean;
}

/** Milliseconds since the epoch, end exclusive, infinite where it is open. */
export interface PriceSegment extends PriceDefinition {
  readonly from: number;
  readonly to: number;
  readonly subscription: string | null;
  readonly plan: string;
  /** Null: the subscription's own price. */
  readonly catalogVersion: number | null;
}

/** A price as it is known by its slug: for ever of one meter, or a fee (null). */
export interface KnownPrice {
  readonly slug: string;
  readonly meter: Meter | null;
  /** 1 for a fee. */
  readonly windowMs: number;
}

/** Whether a price is charged for the period, or for a quantity of the subscription, and not for usage. */
const isFee = (price: Part): boolean => !isUsagePrice(price) || price.quantity !== undefined;

/** Whether two stretches charge one subscription the same. */
export const saysTheSame = (one: PriceSegment, other: PriceSegment): boolean =>
  one.subscription === other.subscription &&
  one.isTrial === other.isTrial &&
  one.quantity === other.quantity &&
  sameDefinition(one.price, other.price);

/** In order of time; those that follow each other and say the same become one, which is told as the first of them. */
export function joinedSegments(segments: readonly PriceSegment[]): PriceSegment[] {
  const joined: PriceSegment[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if (last !== undefined && last.to === segment.from && saysTheSame(last, segment))
      joined[joined.length - 1] = { ...last, to: segment.to };
    else joined.push(segment);
  }
  return joined;
}

/** Where a discount of a price begins or ends. */
const discountBounds = (price: Price | null): number[] =>
  price === null
    ? []
    : partsOf(price).flatMap((part) => (isUsagePrice(part) && part.discounts !== undefined ? boundsOf(part) : []));

/** The same of what a subscription has of its own. */
const ownBounds = (holding: SubscriptionState | null): number[] =>
  holding === null ? [] : [...boundsOf(holding), ...[...holding.overrides.values()].flatMap(discountBounds)];

function nextStartOf(holder: PlanHolder): (instant: number, price: Part) => number {
  return (instant, { every = priceDefaults.every }) =>
    instant <= holder.begin ? instant : nextBoundary(holder.grid, every, instant);
}

function inMap<Outer, Key, Value>(map: Map<Outer, Map<Key, Value>>, key: Outer): Map<Key, Value> {
  const known = map.get(key) ?? new Map<Key, Value>();
  map.set(key, known);
  return known;
}

/** For how many a fee is charged: once, where it names no quantity, and where nobody stated the one it names. */
const feeQuantity = ({ quantity }: Part, stated: ReadonlyMap<string, string>): string =>
  quantity === undefined ? '1' : (stated.get(quantity) ?? '1');

/**
 * Whether a price of the meter may have priced what a new one would take: what an ordinary price takes, an `otherwise`
 * one took before; and what an `otherwise` price takes, no ordinary one did, but one beside it may have.
 */
const hasPriced = (there: UsagePrice, fresh: UsagePrice): boolean =>
  (isOtherwise(there) || mayOverlap(there) || !isOtherwise(fresh)) && mayMatchSame(there, fresh);

/** The segments of all holders of one customer. */
export class CustomerSegments {
  private readonly catalog: CatalogHistory;
  private readonly holders: readonly PlanHolder[];
  private readonly onTime = new Map<PlanHolder, Map<string, PriceSegment[]>>();
  private readonly prices = new Map<PlanHolder, KnownPrice[]>();
  /** By holder, plan and slug. */
  private readonly dated = new Map<PlanHolder, Map<string, Map<string, Dated<Part>[]>>>();

  constructor(catalog: CatalogHistory, holders: readonly PlanHolder[]) {
    this.catalog = catalog;
    this.holders = holders;
  }

  /** Every price that a holder has at any time. */
  pricesOf(holder: PlanHolder): KnownPrice[] {
    const found = this.prices.get(holder);
    if (found !== undefined) return found;
    const hasOverrides = holder.instants.some((instant) => (holder.holdingAt(instant)?.overrides.size ?? 0) > 0);
    const [plan, ...others] = holder.plans;
    const newest = hasOverrides || plan === undefined || others.length > 0 ? null : this.catalog.newestPrices(plan);
    const prices = [...(newest ?? this.everyPrice(holder))].map(([slug, price]): KnownPrice => {
      const meter = isFee(price) || !isUsagePrice(price) ? null : this.catalog.meter(price.meter);
      return { slug, meter, windowMs: meter === null ? 1 : windowSizeMs[meter.window] };
    });
    this.prices.set(holder, prices);
    return prices;
  }

  /** By slug, as it is said last. */
  private everyPrice(holder: PlanHolder): ReadonlyMap<string, Part> {
    const slugs = new Map<string, Part>();
    for (const plan of holder.plans) {
      for (const slug of this.catalog.slugsOf(plan)) {
        for (const { value } of this.datedPrice(holder, plan, slug)) if (value !== null) slugs.set(slug, value);
      }
    }
    for (const instant of holder.instants) {
      for (const price of holder.holdingAt(instant)?.overrides.values() ?? [])
        for (const part of partsOf(price)) slugs.set(part.slug, part);
    }
    return slugs;
  }

  segmentsOf(holder: PlanHolder, known: KnownPrice): PriceSegment[] {
    const onTime = this.onTimeSegments(holder, known);
    if (known.meter === null) return onTime;
    const early = this.earlySegments(holder, known);
    return early.length === 0 ? onTime : joinedSegments([...onTime, ...early].sort((a, b) => a.from - b.from));
  }

  /** The window sizes of the usage prices that hold at an instant. */
  windowsPricedAt(holder: PlanHolder, instant: number): number[] {
    const holding = holder.holdingAt(instant);
    if (holding === null) return [];
    return this.pricesOf(holder)
      .filter((known) => known.meter !== null)
      .filter((known) => this.segmentAt(holder, known, holding, instant, instant, false) !== null)
      .map(({ windowMs }) => windowMs);
  }

  /** Where what a holder has of some prices may change, ascending. */
  instantsOf(holder: PlanHolder, slugs: readonly string[]): number[] {
    const changes = holder.plans.flatMap((plan) =>
      slugs.flatMap((slug) =>
        this.datedPrice(holder, plan, slug).flatMap(({ from, value }) => [from, ...discountBounds(value)]),
      ),
    );
    const own = holder.instants.flatMap((instant) => ownBounds(holder.holdingAt(instant)));
    return [...new Set([...holder.instants, ...changes, ...own])].sort((a, b) => a - b);
  }

  private datedPrice(holder: PlanHolder, plan: string, slug: string): readonly Dated<Part>[] {
    const running = this.catalog.runningPrice(plan, slug);
    if (running !== null) return running;
    const byPlan = inMap(this.dated, holder);
    const bySlug = inMap(byPlan, plan);
    const known = bySlug.get(slug) ?? this.catalog.priceOf(plan, slug, nextStartOf(holder));
    bySlug.set(slug, known);
    return known;
  }

  private onTimeSegments(holder: PlanHolder, known: KnownPrice): PriceSegment[] {
    const bySlug = inMap(this.onTime, holder);
    const found = bySlug.get(known.slug);
    if (found !== undefined) return found;
    const segments = this.onlySegment(holder, known) ?? this.segmentsInTime(holder, known);
    bySlug.set(known.slug, segments);
    return segments;
  }

  /**
   * Of most holders: what they began with they hold for ever, and their plan's price is what it was then. Null: it has
   * to be looked at.
   */
  private onlySegment(holder: PlanHolder, known: KnownPrice): PriceSegment[] | null {
    const { begin, plans, takesBegunWindow } = holder;
    if (holder.instants.length !== 1 || holder.instants[0] !== begin || plans.length !== 1) return null;
    const begun = windowStartOf(begin, known.windowMs);
    const dated = this.datedPrice(holder, plans[0]!, known.slug);
    if (dated.some(({ from, value }) => from > begun || discountBounds(value).length > 0)) return null;
    const holding = holder.holdingAt(begin);
    if (holding === null || ownBounds(holding).length > 0) return null;
    const from = takesBegunWindow || begun === begin ? begun : begun + known.windowMs;
    const segment = this.segmentAt(holder, known, holding, from, Number.POSITIVE_INFINITY, false);
    return segment === null ? [] : [segment];
  }

  private segmentsInTime(holder: PlanHolder, known: KnownPrice): PriceSegment[] {
    const { slug, windowMs } = known;
    const boundaries = windowBoundaries(this.instantsOf(holder, [slug]), windowMs);
    return this.segmentsBetween(boundaries, Number.POSITIVE_INFINITY, (from, to) => {
      const holding = holder.holdingInWindow(from, windowMs);
      return holding === null ? null : this.segmentAt(holder, known, holding, from, to, false);
    });
  }

  private earlySegments(holder: PlanHolder, known: KnownPrice): PriceSegment[] {
    const { slug, windowMs } = known;
    const isEarly = ({ from, openAfter }: Dated<unknown>): boolean =>
      openAfter !== null && from > holder.begin - windowMs;
    const early: Dated<unknown>[] = this.catalog.defaultPlan.filter(isEarly);
    for (const plan of holder.plans) early.push(...this.datedPrice(holder, plan, slug).filter(isEarly));
    if (early.length === 0) return [];
    // Only windows that were open before something took effect may have begun early.
    const first = windowStartOf(Math.min(...early.map(({ openAfter }) => openAfter!)), windowMs);
    const last = Math.max(...early.map(({ from }) => from));
    const isNear = ({ from, to }: PriceSegment): boolean => from < last && to > first;
    const others = this.holders.flatMap((other) =>
      this.pricesOf(other)
        .filter((price) => price.meter?.slug === known.meter?.slug && (other !== holder || price.slug !== slug))
        .flatMap((price) => this.onTimeSegments(other, price).filter(isNear)),
    );
    const own = this.onTimeSegments(holder, known).filter(isNear);
    const instants = [
      ...this.instantsOf(holder, [slug]),
      ...early.map(({ openAfter }) => openAfter!),
      ...[...others, ...own].flatMap(({ from, to }) => [from, to]),
    ].filter((instant) => first <= instant && instant <= last);
    return this.segmentsBetween(windowBoundaries(instants, windowMs), last, (from, to) => {
      if (own.some((segment) => segment.from <= from && from < segment.to)) return null;
      const holding = holder.earlyHoldingInWindow(from, windowMs);
      const segment = holding === null ? null : this.segmentAt(holder, known, holding, from, to, true);
      if (segment === null) return null;
      const isPriced = others
        .filter((other) => other.from <= from && from < other.to)
        .some(({ price }) => hasPriced(price as UsagePrice, segment.price as UsagePrice));
      return isPriced ? null : segment;
    });
  }

  /** One for each two boundaries that follow each other, the last open, of those that start before `last`. */
  private segmentsBetween(
    boundaries: readonly number[],
    last: number,
    segmentAt: (from: number, to: number) => PriceSegment | null,
  ): PriceSegment[] {
    const segments = boundaries
      .filter((from) => from < last)
      .map((from, i) => segmentAt(from, boundaries[i + 1] ?? Number.POSITIVE_INFINITY));
    return joinedSegments(segments.filter((segment) => segment !== null));
  }

  private segmentAt(
    holder: PlanHolder,
    known: KnownPrice,
    holding: SubscriptionState,
    from: number,
    to: number,
    early: boolean,
  ): PriceSegment | null {
    const { plan, quantities, overrides, discounts, isTrial, isPaused } = holding;
    if (isPaused) return null;
    const dated = this.datedPrice(holder, plan, known.slug);
    const held = dated.findLast((each) => each.from <= from);
    const begun = early ? earlyIn(dated, from, known.windowMs) : null;
    const { value, version } = begun ?? held ?? { value: null, version: 0 };
    const slug = slugOfPart(known.slug);
    const own = overrides.size === 0 ? undefined : overrides.get(slug);
    const defined = own === undefined ? value : partNamed(own, known.slug);
    if (defined === null) return null;
    const said = isUsagePrice(defined) ? discountedAt(defined, from) : defined;
    const price = discounts.length === 0 ? said : discountedBy(said, discounts, from);
    if (isFee(price) !== (known.meter === null))
      throw new RangeError(`price ${known.slug} is of usage in one definition and a fee in another`);
    const quantity = isFee(price) ? feeQuantity(price, quantities) : null;
    const isFreeTrial = isTrial && (isFee(price) || this.catalog.planFields(plan, from).trialUsage === 'free');
    // With a discount of the subscription it is no catalog's.
    const catalogVersion = own === undefined && price === said ? version : null;
    const { subscription } = holder;
    return { from, to, subscription, plan, catalogVersion, price, quantity, isTrial: isFreeTrial };
  }
}

/** The boundaries around each instant, ascending. */
function windowBoundaries(instants: readonly number[], windowMs: number): number[] {
  const boundaries = new Set<number>();
  for (const instant of instants) {
    const start = windowStartOf(instant, windowMs);
    boundaries.add(start);
    if (start !== instant) boundaries.add(start + windowMs);
  }
  return [...boundaries].sort((a, b) => a - b);
}
