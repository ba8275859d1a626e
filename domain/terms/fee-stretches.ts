// Which fee a stretch of a period pays (T7): fees cover what their plan prices.
//
// By the second, time is cut at the boundaries of the longest window among the plans held there, and at the ends of
// subscriptions. A window's stretch belongs to the dearest plan that prices a window starting in it; a plan without
// usage prices to where it is held. So holding a dear plan for two seconds at each full hour pays for the hours, and a
// plan that is held within an hour and prices none of it pays nothing. Where no plan prices a window that starts in a
// stretch (a subscription began within it), it belongs to the dearest that is held there: a month from 10:20 to 10:20
// is a whole month. A pause holds the plan back as another plan would, one without a price.
//
// By the day, a local day belongs to the dearest plan that was held in it; by `none`, the period does.
import { Decimal } from '../number/decimal.ts';
import { type Proration, priceDefaults } from '../pricing/price-choices.ts';
import { amountOf } from '../pricing/prices.ts';
import type { BillingPeriod } from '../time/billing-period.ts';
import { LONGEST_WINDOW_MS, windowSizeMs, windowStartFrom, windowStartOf } from '../time/time-window.ts';
import type { PlanHolder } from './plan-holders.ts';
import { lengthOf, type PriceLine, segmentPeriod } from './price-lines.ts';
import { type PriceSegment, saysTheSame } from './price-segments.ts';
import type { CustomerTerms } from './price-terms.ts';
import { lengthText, localDaysOf } from './subscription-periods.ts';

/** A stretch that pays one definition: the units `start` to `end` of the period's `whole`. */
export interface FeeStretch {
  /** Where it is known by, and due: milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly segment: PriceSegment;
}

export interface FeeStretches {
  readonly whole: bigint;
  /** By start. */
  readonly stretches: readonly FeeStretch[];
}

/** What a holder has for a while, as far as fees go. */
interface FeeState {
  readonly from: number;
  readonly to: number;
  readonly fees: readonly (readonly [line: PriceLine, segment: PriceSegment])[];
  /** Of the usage prices that hold. */
  readonly windowSizes: readonly number[];
  /** Where it takes a window that had begun. */
  readonly takesBegunWindow: boolean;
}

/** A whole fee, for as many as it is charged for. */
export const feeOf = ({ price, quantity, isTrial }: PriceSegment): Decimal =>
  isTrial ? Decimal.zero : amountOf(price)(Decimal.parse(quantity ?? '1'));

/** The coarsest of some ways to prorate: a slug is prorated in one way in a period. */
const coarsest = (ways: readonly Proration[]): Proration =>
  ways.includes('none') ? 'none' : ways.includes('day') ? 'day' : 'second';

export const prorationOf = (segments: readonly PriceSegment[]): Proration =>
  coarsest(segments.map(({ price }) => price.proration ?? priceDefaults.proration));

function feeStatesOf(customer: CustomerTerms, holder: PlanHolder): FeeState[] {
  const lines = customer.feeLines.filter(({ members }) => members.includes(holder.subscription));
  const slugs = customer.segments.pricesOf(holder).map(({ slug }) => slug);
  const instants = customer.segments.instantsOf(holder, slugs);
  return instants.flatMap((from, i) => {
    if (holder.holdingAt(from) === null) return [];
    const fees = lines.flatMap((line) =>
      line.segments
        .filter((segment) => segment.subscription === holder.subscription)
        .filter((segment) => segment.from <= from && from < segment.to)
        .map((segment) => [line, segment] as const),
    );
    return {
      from,
      to: instants[i + 1] ?? Number.POSITIVE_INFINITY,
      fees,
      windowSizes: customer.segments.windowsPricedAt(holder, from),
      takesBegunWindow: holder.takesBegunWindow && from === holder.begin,
    };
  });
}

/** numerator / denominator, positive denominator. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What a state costs a millisecond. */
function rateOf({ fees }: FeeState, instant: number): Fraction {
  return fees.reduce<Fraction>(
    (sum, [line, segment]) => {
      const { start, end } = segmentPeriod(line, segment, Math.max(instant, segment.from));
      const fee = feeOf(segment);
      const denominator = 10n ** BigInt(fee.scale) * BigInt(end - start);
      return {
        numerator: sum.numerator * denominator + fee.coefficient * sum.denominator,
        denominator: sum.denominator * denominator,
      };
    },
    { numerator: 0n, denominator: 1n },
  );
}

/** The first of the dearest; null: there is none. */
function dearest(states: readonly FeeState[], instant: number): FeeState | null {
  let found: { readonly state: FeeState; readonly rate: Fraction } | null = null;
  for (const state of states) {
    const rate = rateOf(state, instant);
    const isDearer =
      found === null || rate.numerator * found.rate.denominator > found.rate.numerator * rate.denominator;
    if (isDearer) found = { state, rate };
  }
  return found?.state ?? null;
}

const overlapping = (states: readonly FeeState[], from: number, to: number): FeeState[] =>
  states.filter((state) => state.from < to && state.to > from);

/** Whether a plan has a claim to the stretch of a window; a pause has no usage prices either. */
function pricesIn(state: FeeState, from: number, to: number): boolean {
  if (state.windowSizes.length === 0) return true;
  const smallest = Math.min(...state.windowSizes);
  const held = state.takesBegunWindow ? windowStartOf(state.from, smallest) : state.from;
  return windowStartFrom(Math.max(held, from), smallest) < Math.min(state.to, to);
}

const sizesAscending = Object.values(windowSizeMs).sort((a, b) => a - b);

/**
 * The stretch that holds an instant and belongs to one plan: of the longest window that a plan prices which is held in
 * it. It is told by what is held around the instant alone: a change later in the period moves no cut. Null: no plan
 * there prices usage.
 */
function cellOf(states: readonly FeeState[], instant: number): { readonly from: number; readonly to: number } | null {
  const cells = sizesAscending.map((size) => ({ size, from: windowStartOf(instant, size) }));
  const cell = cells.findLast(({ size, from }) =>
    overlapping(states, from, from + size).some(({ windowSizes }) => windowSizes.includes(size)),
  );
  return cell === undefined ? null : { from: cell.from, to: cell.from + cell.size };
}

/** Who owns which stretch of a holder's time between two instants. */
function ownersOf(states: readonly FeeState[], from: number, to: number) {
  const held = overlapping(states, from, to);
  const edges = held.flatMap((state) => [state.from, state.to]).filter(Number.isFinite);
  const cells = edges.map((edge) => cellOf(states, edge)).filter((cell) => cell !== null);
  const cuts = [...new Set([from, to, ...edges, ...cells.flatMap((cell) => [cell.from, cell.to])])]
    .filter((cut) => from <= cut && cut <= to)
    .sort((a, b) => a - b);
  return cuts.slice(0, -1).flatMap((start, i) => {
    const end = cuts[i + 1]!;
    // Whatever is held there, if only to be held back: elsewhere the subscription has not begun, or is over.
    if (!held.some((state) => state.from <= start && end <= state.to)) return [];
    const cell = cellOf(states, start) ?? { from: start, to: end };
    const inCell = overlapping(states, cell.from, cell.to);
    const claims = inCell.filter((state) => pricesIn(state, cell.from, cell.to));
    const owner = dearest(claims.length > 0 ? claims : inCell, start);
    return owner === null ? [] : [{ from: start, to: end, owner }];
  });
}

/**
 * Of most periods: one definition holds from before the period until after it, further than a window reaches. Whichever
 * of its plan's states has a stretch, it has that definition. Null: it has to be looked at.
 */
function wholeStretch(
  { members, segments, grid }: PriceLine,
  every: string,
  period: BillingPeriod,
  proration: Proration,
): FeeStretches | null {
  if (members.length !== 1) return null;
  const { start, end } = period;
  const segment = segments.find(({ from, to }) => from <= start - LONGEST_WINDOW_MS && to >= end + LONGEST_WINDOW_MS);
  if (segment === undefined || lengthText(lengthOf(segment)) !== every) return null;
  const units =
    proration === 'second' ? end - start : proration === 'day' ? localDaysOf(period, grid.timezone).length : 1;
  const whole = BigInt(units);
  return { whole, stretches: [{ from: start, to: end, start: 0n, end: whole, segment }] };
}

/** Of a fee's line in one of its periods; `every` is the text of the period's length. */
export function feeStretches(
  customer: CustomerTerms,
  line: PriceLine,
  every: string,
  period: BillingPeriod,
  proration: Proration,
): FeeStretches {
  const { start, end } = period;
  const whole = wholeStretch(line, every, period, proration);
  if (whole !== null) return whole;
  const holders = customer.holders.filter(({ subscription }) => line.members.includes(subscription));
  const feeIn = ({ fees }: FeeState): PriceSegment | null => {
    const [, segment] = fees.find(([{ slug }]) => slug === line.slug) ?? [];
    return segment !== undefined && lengthText(lengthOf(segment)) === every ? segment : null;
  };
  if (proration === 'second') {
    const owned = holders.flatMap((holder) => ownersOf(feeStatesOf(customer, holder), start, end));
    const stretches = owned.flatMap(({ from, to, owner }) => {
      const segment = feeIn(owner);
      return segment === null ? [] : [{ from, to, start: BigInt(from - start), end: BigInt(to - start), segment }];
    });
    return { whole: BigInt(end - start), stretches: joined(stretches) };
  }
  const cells = proration === 'day' ? localDaysOf(period, line.grid.timezone) : [start];
  const states = holders.flatMap((holder) => feeStatesOf(customer, holder));
  const stretches = cells.flatMap((from, i) => {
    const to = cells[i + 1] ?? end;
    const owner = dearest(overlapping(states, from, to), from);
    const segment = owner === null ? null : feeIn(owner);
    return segment === null
      ? []
      : [{ from: Math.max(from, segment.from), to, start: BigInt(i), end: BigInt(i + 1), segment }];
  });
  return { whole: BigInt(cells.length), stretches: joined(stretches) };
}

/** Stretches of one definition that follow each other are one. */
function joined(stretches: readonly FeeStretch[]): FeeStretch[] {
  const found: FeeStretch[] = [];
  for (const stretch of stretches.toSorted((a, b) => a.from - b.from)) {
    const i = found.findLastIndex(({ segment }) => segment.subscription === stretch.segment.subscription);
    const last = found[i];
    if (last !== undefined && last.end === stretch.start && saysTheSame(last.segment, stretch.segment))
      found[i] = { ...last, to: stretch.to, end: stretch.end };
    else found.push(stretch);
  }
  return found;
}
