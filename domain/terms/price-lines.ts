// Lines of succession. The subscriptions of a customer that price the same slug one after the other, each beginning to
// while the slug's period of the one before still runs, are one line: it has one grid, that of its first, and one
// quantity a period. So cancelling and coming back, under the same plan or another one with the slug, gives no
// allowance twice (T5). The default plan is no subscription: nobody succeeds it, and it succeeds nobody.
//
// Within a subscription, a definition that counts other usage (another `match`, `per`, `otherwise` or dimensions) or by
// another length of period begins with the slug's next period; until then the definition before it holds on, as a
// whole. (With the new definition and the old month, 12,000 free units a year would be given for half a month.) Fees
// have no quantity and need none of it; a minimum waits as the usage does that is counted to it.
//
// The minimum of a price has no line of its own: it runs by that of the price. A plan's has one, as if it
// were a fee.

import { dimensionsOf } from '../pricing/matrix-cells.ts';
import { isMinimum, minimumOf, slugOfMinimum } from '../pricing/parts.ts';
import { priceDefaults } from '../pricing/price-choices.ts';
import { isUsagePrice } from '../pricing/prices.ts';
import { isOtherwise } from '../pricing/taken-usage.ts';
import type { BillingPeriod } from '../time/billing-period.ts';
import { windowStartFrom } from '../time/time-window.ts';
import { sameDefinition } from './catalog-history.ts';
import type { PlanHolder } from './plan-holders.ts';
import { type CustomerSegments, joinedSegments, type KnownPrice, type PriceSegment } from './price-segments.ts';
import { gridPeriodOf, lengthText, type PeriodGrid } from './subscription-periods.ts';

export interface PriceLine extends KnownPrice {
  /** Of the first of the line. */
  readonly grid: PeriodGrid;
  /** When the first of the line began to bill. */
  readonly begin: number;
  /** The subscriptions, in the order in which they joined; null: the default plan. */
  readonly members: readonly (string | null)[];
  /** By start. Those of two members overlap only where both price the same usage at once. */
  readonly segments: readonly PriceSegment[];
}

export const lengthOf = ({ price }: Pick<PriceSegment, 'price'>) => price.every ?? priceDefaults.every;

/** The period of a line's segment that holds a window or instant of it. */
export function segmentPeriod(
  { grid, begin }: Pick<PriceLine, 'grid' | 'begin'>,
  segment: Pick<PriceSegment, 'price'>,
  instant: number,
): BillingPeriod {
  // The first window may have begun before the line did.
  return gridPeriodOf(grid, lengthOf(segment), Math.max(instant, begin));
}

type Priced = Pick<PriceSegment, 'price'>;

/** Whether one definition can take the other's place within a period. */
export const countsTheSame = (one: Priced, other: Priced): boolean =>
  lengthText(lengthOf(one)) === lengthText(lengthOf(other)) && sameDefinition(countedBy(one), countedBy(other));

const countedBy = ({ price }: Priced): unknown =>
  isUsagePrice(price) ? [price.match, price.per, isOtherwise(price), dimensionsOf(price)] : null;

/** Of one subscription: with definitions that wait for the next period. */
function heldOn(
  line: Pick<PriceLine, 'grid' | 'begin' | 'windowMs'>,
  segments: readonly PriceSegment[],
): readonly PriceSegment[] {
  if (segments.length <= 1) return segments;
  const held: PriceSegment[] = [];
  for (const segment of segments) {
    const last = held.at(-1);
    if (last === undefined || last.to !== segment.from || countsTheSame(last, segment)) {
      held.push(segment);
      continue;
    }
    const { end } = segmentPeriod(line, last, last.to - line.windowMs);
    const until = Math.min(windowStartFrom(end, line.windowMs), segment.to);
    held.push({ ...last, from: segment.from, to: until });
    if (until < segment.to) held.push({ ...segment, from: until });
  }
  return joinedSegments(held);
}

/** The segments of a line that have something of its periods which start at an instant, each with its period. */
export function segmentsIn(
  line: Pick<PriceLine, 'grid' | 'begin' | 'segments'>,
  start: number,
): { readonly segment: PriceSegment; readonly period: BillingPeriod }[] {
  return line.segments.flatMap((segment) => {
    const period = gridPeriodOf(line.grid, lengthOf(segment), start);
    return period.start === start && segment.from < period.end && segment.to > start ? [{ segment, period }] : [];
  });
}

/** Where a line stopped pricing before an instant, if its period still runs then and it does not price; else null. */
function leftRunning(line: PriceLine, instant: number): number | null {
  if (line.segments.some(({ from, to }) => from <= instant && instant < to)) return null;
  const place = ({ subscription }: PriceSegment): number => line.members.indexOf(subscription);
  const [last] = line.segments.filter(({ from }) => from < instant).sort((a, b) => b.to - a.to || place(b) - place(a));
  if (last === undefined) return null;
  const { end } = segmentPeriod(line, last, last.to - line.windowMs);
  return windowStartFrom(end, line.windowMs) > instant ? last.to : null;
}

function withMember(line: PriceLine, holder: PlanHolder, segments: readonly PriceSegment[]): PriceLine {
  const { slug, meter, windowMs, grid, begin } = line;
  const waits = meter !== null || isMinimum(slug);
  const own = waits ? heldOn({ grid, begin, windowMs }, segments) : segments;
  return {
    slug,
    meter,
    windowMs,
    grid,
    begin,
    members: [...line.members, holder.subscription],
    segments: line.segments.length === 0 ? own : [...line.segments, ...own].sort((a, b) => a.from - b.from),
  };
}

const newLine = ({ slug, meter, windowMs }: KnownPrice, { grid, begin }: PlanHolder): PriceLine => ({
  slug,
  meter,
  windowMs,
  grid,
  begin,
  members: [],
  segments: [],
});

/** The lines of every price of a customer. */
export function priceLines(holders: readonly PlanHolder[], segments: CustomerSegments): PriceLine[] {
  const claims = holders
    .flatMap((holder) =>
      segments
        .pricesOf(holder)
        .filter(({ slug }) => !isMinimum(slug) || slugOfMinimum(slug) === null)
        .map((known) => ({ holder, known, own: segments.segmentsOf(holder, known) })),
    )
    .filter(({ own }) => own.length > 0)
    .sort(
      (a, b) =>
        a.own[0]!.from - b.own[0]!.from || ((a.holder.subscription ?? '') < (b.holder.subscription ?? '') ? -1 : 1),
    );
  const lines: PriceLine[] = [];
  const isAlone = holders.filter(({ subscription }) => subscription !== null).length <= 1;
  for (const { holder, known, own } of claims) {
    // The default plan is nobody's successor, and nobody succeeds it.
    if (isAlone) {
      lines.push(withMember(newLine(known, holder), holder, own));
      continue;
    }
    const candidates =
      holder.subscription === null
        ? []
        : lines
            .filter(
              ({ slug, members }) => slug === known.slug && holder.subscription !== null && !members.includes(null),
            )
            .map((line, i) => ({ line, i, left: leftRunning(line, own[0]!.from) }))
            .filter(({ left }) => left !== null)
            .sort((a, b) => b.left! - a.left! || a.i - b.i);
    const joined = candidates[0]?.line ?? newLine(known, holder);
    const grown = withMember(joined, holder, own);
    const at = lines.indexOf(joined);
    if (at === -1) lines.push(grown);
    else lines[at] = grown;
  }
  return lines;
}

/**
 * The minimums of prices: each by the line of its price, so that it is of the same periods, whoever has it one after
 * the other.
 */
export function priceMinimumLines(
  lines: readonly PriceLine[],
  holders: readonly PlanHolder[],
  segments: CustomerSegments,
): PriceLine[] {
  const names = new Set(holders.flatMap((holder) => segments.pricesOf(holder).map(({ slug }) => slug)));
  return lines.flatMap((line): PriceLine[] => {
    const slug = minimumOf(line.slug);
    if (line.meter === null || !names.has(slug)) return [];
    const known: KnownPrice = { slug, meter: null, windowMs: 1 };
    const { grid, begin, members } = line;
    const own = holders
      .filter(({ subscription }) => members.includes(subscription))
      .flatMap((holder) => heldOn({ grid, begin, windowMs: 1 }, segments.segmentsOf(holder, known)))
      .sort((a, b) => a.from - b.from);
    return own.length === 0 ? [] : [{ ...known, grid, begin, members, segments: own }];
  });
}
