// What the fees of a period come to, and when (T7, T8, T11).
//
// A fee in advance is due where its stretch begins, a fee in arrears at the end of the period or of the subscription.
// What is due at an instant is what holds then, held on to the end of the period: a change that was recorded weeks
// before is charged like one that was made on its day, so equal histories owe the same at every instant, and not only
// in the end. Ends, trials and pauses that are known count as known.
//
// With `giveBack` (the default) a period's fee is that of its stretches, whatever was taken before: the difference goes
// back. Without it nothing comes back, and a stretch pays only what exceeds what was paid for it.
import { mapKey } from '../composite-key.ts';
import { Decimal } from '../number/decimal.ts';
import { type PeriodLength, priceDefaults } from '../pricing/price-choices.ts';
import type { Part } from '../pricing/prices.ts';
import type { BillingPeriod } from '../time/billing-period.ts';
import { amountBetween } from './exact-share.ts';
import { type FeeStretch, type FeeStretches, feeOf, feeStretches, prorationOf } from './fee-stretches.ts';
import { lengthOf, type PriceLine, segmentPeriod, segmentsIn } from './price-lines.ts';
import { type CustomerRecords, CustomerTerms } from './price-terms.ts';
import { lengthText } from './subscription-periods.ts';

/** A fee in one of its periods. */
export interface FeePeriod {
  readonly slug: string;
  /** The first subscription of the line; null: the default plan, which is charged only where there is usage. */
  readonly first: string | null;
  readonly every: PeriodLength;
  readonly period: BillingPeriod;
}

/** What a definition of a fee costs in a stretch of a period. */
export interface FeeTerm {
  readonly from: number;
  readonly to: number;
  readonly subscription: string | null;
  readonly plan: string;
  readonly catalogVersion: number | null;
  readonly price: Part;
  readonly quantity: string;
  /** May be 0; never negative where the fee is not. */
  readonly amount: Decimal;
  readonly dueAt: number;
}

/** What was paid for the units from `start` to `end` and stays paid, as a whole fee. */
interface Paid {
  readonly start: bigint;
  readonly end: bigint;
  readonly fee: Decimal;
}

const isInAdvance = ({ segment }: FeeStretch): boolean =>
  (segment.price.charge ?? priceDefaults.charge) === 'in_advance';
const isKept = (stretch: FeeStretch): boolean =>
  isInAdvance(stretch) && !(stretch.segment.price.giveBack ?? priceDefaults.giveBack);

export class CustomerFees {
  private readonly records: CustomerRecords;
  private readonly all: CustomerTerms;
  /** Where what is known changes, ascending: in between a view is the same. */
  private readonly knownAt: readonly number[];
  private readonly views = new Map<number, CustomerTerms>();
  private told: { readonly asOf: number; readonly terms: Map<string, readonly FeeTerm[]> } = {
    asOf: Number.NaN,
    terms: new Map(),
  };

  /** `all`: of the same records. */
  constructor(records: CustomerRecords, all = new CustomerTerms(records)) {
    this.records = records;
    this.all = all;
    const { catalog, subscriptions } = records;
    const instants = [...catalog.instants, ...subscriptions.flatMap((subscription) => subscription.knownAt)];
    this.knownAt = [...new Set(instants)].sort((a, b) => a - b);
  }

  /**
   * Where something comes to be known of what the customer has; in no order. From there on a fee may be another one,
   * also where nothing changes until later: the stretch that a change cuts may have begun before it.
   */
  get knownInstants(): number[] {
    const { catalog, subscriptions } = this.records;
    const plans = this.all.holders.flatMap((holder) => holder.plans);
    return [...catalog.instantsOf(plans), ...subscriptions.flatMap((subscription) => subscription.knownAt)];
  }

  /**
   * The lines of fees as they stand at an instant. Nothing may be left of one by all records: a plan that is changed
   * while it is held back by a pause was never charged, as it turns out, but it is charged until the change is known.
   */
  linesAt(asOf: number): readonly PriceLine[] {
    return this.viewAt(asOf).feeLines;
  }

  /** The periods with a fee that begin before `to` and end after `from`, as it stands at `asOf`. */
  periodsIn(from: number, to: number, asOf: number): FeePeriod[] {
    const found = new Map<string, FeePeriod>();
    for (const line of this.linesAt(asOf)) {
      for (const segment of line.segments) {
        // What is over in a period that goes on, or begins later in it, is of it: a day may belong to its evening's
        // plan.
        let instant = Math.max(segment.from, Math.min(from, segment.to - 1));
        while (instant < segment.to) {
          const [every, period] = [lengthOf(segment), segmentPeriod(line, segment, instant)];
          if (period.start >= to) break;
          const first = line.members[0]!;
          const key = mapKey(line.slug, first ?? '', first === null ? 0 : 1, lengthText(every), period.start);
          if (period.end > from) found.set(key, { slug: line.slug, first, every, period });
          instant = period.end;
        }
      }
    }
    return [...found.values()].sort((a, b) => a.period.start - b.period.start);
  }

  /** The periods with a fee that start at an instant, as it stands at `asOf`. */
  periodsFrom(start: number, asOf: number): FeePeriod[] {
    const found = new Map<string, FeePeriod>();
    for (const line of this.linesAt(asOf)) {
      for (const { segment, period } of segmentsIn(line, start)) {
        const [every, first] = [lengthOf(segment), line.members[0]!];
        found.set(mapKey(line.slug, first ?? '', first === null ? 0 : 1, lengthText(every)), {
          slug: line.slug,
          first,
          every,
          period,
        });
      }
    }
    return [...found.values()];
  }

  /** The terms of a fee's period as they stand at an instant, by start. What has a later `dueAt` is still to come. */
  termsAt(of: FeePeriod, asOf: number): readonly FeeTerm[] {
    // Whoever rates a period asks at once what is due next: of the same periods, at the same instant.
    if (this.told.asOf !== asOf) this.told = { asOf, terms: new Map() };
    const { slug, first, every, period } = of;
    const key = mapKey(slug, first ?? '', first === null ? 0 : 1, lengthText(every), period.start);
    const known = this.told.terms.get(key) ?? this.findTerms(of, asOf);
    this.told.terms.set(key, known);
    return known;
  }

  private findTerms(of: FeePeriod, asOf: number): FeeTerm[] {
    const line = this.lineAt(of, asOf);
    if (line === null) return [];
    const isIn = (instant: number): boolean => of.period.start <= instant && instant < of.period.end;
    const inPeriod = line.segments.filter(({ from, to }) => from < of.period.end && to > of.period.start);
    const proration = prorationOf(inPeriod);
    const every = lengthText(of.every);
    const stretchesAt = (instant: number): FeeStretches => {
      const known = this.lineAt(of, instant);
      return known === null
        ? { whole: 1n, stretches: [] }
        : feeStretches(this.viewAt(instant), known, every, of.period, proration);
    };
    const last = stretchesAt(asOf);
    const terms = new TermSum(last.whole, this.viewAt(asOf));
    if (inPeriod.some(({ price }) => price.giveBack === false)) {
      const starts = [of.period.start, ...last.stretches.map(({ from }) => from)];
      const changes = this.all.instants.filter((instant) => isIn(instant) && instant <= asOf);
      const instants = [...new Set([...starts, ...changes])].filter((at) => at <= asOf).sort((a, b) => a - b);
      for (const [i, instant] of instants.entries()) {
        const until = instants[i + 1] ?? asOf + 1;
        const kept = stretchesAt(instant).stretches.filter((stretch) => isKept(stretch) && stretch.from < until);
        for (const stretch of kept) terms.charge(stretch, of.period, true);
      }
    }
    for (const stretch of last.stretches) terms.charge(stretch, of.period, isKept(stretch));
    return terms.all;
  }

  private lineAt({ slug, first }: FeePeriod, instant: number): PriceLine | null {
    return this.linesAt(instant).find((line) => line.slug === slug && line.members[0] === first) ?? null;
  }

  private viewAt(instant: number): CustomerTerms {
    const last = this.knownAt.findLastIndex((at) => at <= instant);
    const isAll = last === this.knownAt.length - 1;
    const known = this.views.get(last) ?? (isAll ? this.all : CustomerTerms.until(this.records, instant));
    this.views.set(last, known);
    return known;
  }
}

/** Adds up what terms are charged, each for what exceeds what was paid and stays paid. */
class TermSum {
  private readonly whole: bigint;
  private readonly customer: CustomerTerms;
  private readonly terms = new Map<string, FeeTerm>();
  private paid: Paid[] = [];

  constructor(whole: bigint, customer: CustomerTerms) {
    this.whole = whole;
    this.customer = customer;
  }

  get all(): FeeTerm[] {
    return [...this.terms.values()].sort((a, b) => a.from - b.from);
  }

  charge(stretch: FeeStretch, period: BillingPeriod, keeps: boolean): void {
    const fee = feeOf(stretch.segment);
    let amount = Decimal.zero;
    const cuts = [stretch.start, stretch.end, ...this.paid.flatMap(({ start, end }) => [start, end])]
      .filter((cut) => stretch.start <= cut && cut <= stretch.end)
      .sort((a, b) => (a < b ? -1 : 1));
    for (const [i, start] of cuts.slice(0, -1).entries()) {
      const end = cuts[i + 1]!;
      const before = this.paid.find((paid) => paid.start <= start && end <= paid.end)?.fee;
      if (start === end || (before !== undefined && fee.compare(before) <= 0)) continue;
      const paid = amountBetween(before ?? Decimal.zero, start, end, this.whole);
      amount = amount.plus(amountBetween(fee, start, end, this.whole).minus(paid));
      if (keeps) this.paid = [...withoutPart(this.paid, start, end), { start, end, fee }];
    }
    this.add(stretch, period, amount);
  }

  private add({ from, to, segment }: FeeStretch, period: BillingPeriod, amount: Decimal): void {
    const { subscription, plan, catalogVersion, price, quantity } = segment;
    const key = mapKey(subscription ?? '', subscription === null ? 0 : 1, from);
    const known = this.terms.get(key);
    const end = this.customer.holders.find((holder) => holder.subscription === subscription)?.end ?? period.end;
    const dueAt = isInAdvance({ segment } as FeeStretch) ? from : Math.min(period.end, end);
    this.terms.set(key, {
      from,
      to,
      subscription,
      plan,
      catalogVersion,
      price,
      quantity: quantity ?? '1',
      amount: amount.plus(known?.amount ?? Decimal.zero),
      dueAt,
    });
  }
}

/** What is left of the paid stretches outside of `start` to `end`. */
const withoutPart = (paid: readonly Paid[], start: bigint, end: bigint): Paid[] =>
  paid.flatMap((each) =>
    [
      { ...each, end: each.end < start ? each.end : start },
      { ...each, start: each.start > end ? each.start : end },
    ].filter((part) => part.start < part.end),
  );
