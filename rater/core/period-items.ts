// The line items that are missing in a billing period, of all its prices.
import { POOLED, pricedText, type RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import { itemBoundBefore, itemClosesAt } from '../../domain/billing/item-span.ts';
import type { NewLineItem, RatedItem, WrittenPrices } from '../../domain/billing/line-item.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, type Quantity } from '../../domain/number/quantity.ts';
import { PERIOD_DUE_CAUSE } from '../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../domain/pricing/prices.ts';
import type { PeriodTarget } from './period-targets.ts';
import { type Contribution, nothingWritten, RatingInvariantError, rate } from './rate.ts';

/** By `pricedText`, then by subject (`POOLED` for those of all together). */
export type Contributions = ReadonlyMap<string, ReadonlyMap<string, readonly Contribution[]>>;

/** Those that have usage or items of a price; each once. */
function subjectsIn(key: string, written: WrittenPrices, contributions: Contributions): Iterable<string> {
  const [used, billed] = [contributions.get(key), written.get(key)];
  if (used === undefined) return billed?.keys() ?? [];
  return billed === undefined ? used.keys() : new Set([...used.keys(), ...billed.keys()]);
}

/** Of every price, the usage before `detailFrom` is what its line items there say. Throws a `RatingInvariantError`. */
export function assertWrittenBefore(target: PeriodTarget, written: WrittenPrices, contributions: Contributions): void {
  const sumOf = (windows: readonly { readonly windowStart: number; readonly quantity: Quantity }[] = []): Quantity =>
    windows.reduce((sum, window) => (window.windowStart < target.detailFrom ? sum + window.quantity : sum), 0n);
  for (const { price } of target.prices) {
    const key = pricedText(target, price.slug);
    for (const subject of subjectsIn(key, written, contributions)) {
      const used = sumOf(contributions.get(key)?.get(subject));
      const billed = sumOf(written.get(key)?.get(subject)?.windows);
      if (used === billed) continue;
      throw new RatingInvariantError(
        `price ${price.slug}${subject === POOLED ? '' : ` of ${subject}`}, up to ` +
          `${new Date(target.detailFrom).toISOString()}: the usage is ${formatQuantity(used)}, ` +
          `the line items say ${formatQuantity(billed)}`,
      );
    }
  }
}

const changedItemsFrom = ({ planChangedFrom, periodStart }: PeriodTarget, meter: Meter): number | null =>
  planChangedFrom === null ? null : itemBoundBefore(planChangedFrom, periodStart, [meter]);

/**
 * `stored` null: the period was never rated. Throws a
 * `RatingInvariantError`.
 */
export function periodItems(
  target: PeriodTarget,
  stored: RatedPeriod | null,
  written: WrittenPrices,
  contributions: Contributions,
): NewLineItem[] {
  const closedUpTo = stored?.closedUpTo ?? Number.NEGATIVE_INFINITY;
  return target.prices.flatMap(({ price, meter, plan, catalogVersion, currency }) => {
    const key = pricedText(target, price.slug);
    const isOfUsage = isUsagePrice(price);
    const itemsOf = (subject: string): RatedItem[] => {
      const before = written.get(key)?.get(subject);
      return rate({
        price: amountOf(price),
        contributions: contributions.get(key)?.get(subject) ?? [],
        written: before?.windows ?? nothingWritten.written,
        writtenAmount: before?.amount ?? Decimal.zero,
        wasClosed: (windowEnd) => isOfUsage && itemClosesAt(meter!, windowEnd) <= closedUpTo,
        planChangedFrom: isOfUsage ? changedItemsFrom(target, meter!) : target.periodStart,
        onTimeCause: isOfUsage ? 'window_closed' : PERIOD_DUE_CAUSE,
      });
    };
    // A price that was for each subject and is no more, or the other way, has items of both kinds: the old cancel out.
    return [...subjectsIn(key, written, contributions)].flatMap((subject) =>
      itemsOf(subject).map((item) => ({
        tenant: target.tenant,
        customer: target.customer,
        subscription: target.subscription,
        subject,
        periodStart: target.periodStart,
        periodEnd: target.periodEnd,
        plan,
        price: price.slug,
        meter: meter?.slug ?? null,
        groups: isOfUsage ? price.match : {},
        currency,
        catalogVersion,
        item,
      })),
    );
  });
}
