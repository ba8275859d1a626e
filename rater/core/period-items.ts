// The line items that are missing in a billing period, of all its prices.
import { pricedText, type RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import { itemBoundBefore, itemClosesAt } from '../../domain/billing/item-span.ts';
import type { NewLineItem, WrittenPrice } from '../../domain/billing/line-item.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, type Quantity } from '../../domain/number/quantity.ts';
import { PERIOD_DUE_CAUSE } from '../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../domain/pricing/prices.ts';
import type { PeriodTarget } from './period-targets.ts';
import { type Contribution, nothingWritten, RatingInvariantError, rate } from './rate.ts';

/** Of every price, the usage before `detailFrom` is what its line items there say. Throws a `RatingInvariantError`. */
export function assertWrittenBefore(
  target: PeriodTarget,
  written: ReadonlyMap<string, WrittenPrice>,
  contributions: ReadonlyMap<string, Contribution[]>,
): void {
  const sumOf = (windows: readonly { readonly windowStart: number; readonly quantity: Quantity }[] = []): Quantity =>
    windows.reduce((sum, window) => (window.windowStart < target.detailFrom ? sum + window.quantity : sum), 0n);
  for (const { price } of target.prices) {
    const key = pricedText(target, price.slug);
    const used = sumOf(contributions.get(key));
    const billed = sumOf(written.get(key)?.windows);
    if (used === billed) continue;
    throw new RatingInvariantError(
      `price ${price.slug}, up to ${new Date(target.detailFrom).toISOString()}: the usage is ` +
        `${formatQuantity(used)}, the line items say ${formatQuantity(billed)}`,
    );
  }
}

const changedItemsFrom = ({ planChangedFrom, periodStart }: PeriodTarget, meter: Meter): number | null =>
  planChangedFrom === null ? null : itemBoundBefore(planChangedFrom, periodStart, [meter]);

/**
 * `written` and `contributions` by `pricedText`; `stored` null: the period was never rated. Throws a
 * `RatingInvariantError`.
 */
export function periodItems(
  target: PeriodTarget,
  stored: RatedPeriod | null,
  written: ReadonlyMap<string, WrittenPrice>,
  contributions: ReadonlyMap<string, Contribution[]>,
): NewLineItem[] {
  const closedUpTo = stored?.closedUpTo ?? Number.NEGATIVE_INFINITY;
  return target.prices.flatMap(({ price, meter, plan, catalogVersion, currency }) => {
    const key = pricedText(target, price.slug);
    const before = written.get(key);
    const isOfUsage = isUsagePrice(price);
    const items = rate({
      price: amountOf(price),
      contributions: contributions.get(key) ?? [],
      written: before?.windows ?? nothingWritten.written,
      writtenAmount: before?.amount ?? Decimal.zero,
      wasClosed: (windowEnd) => isOfUsage && itemClosesAt(meter!, windowEnd) <= closedUpTo,
      planChangedFrom: isOfUsage ? changedItemsFrom(target, meter!) : target.periodStart,
      onTimeCause: isOfUsage ? 'window_closed' : PERIOD_DUE_CAUSE,
    });
    return items.map((item) => ({
      tenant: target.tenant,
      subject: target.subject,
      periodStart: target.periodStart,
      periodEnd: target.periodEnd,
      plan,
      price: price.slug,
      meter: meter?.slug ?? null,
      groups: isOfUsage ? price.match : {},
      currency,
      catalogVersion,
      item,
    }));
  });
}
