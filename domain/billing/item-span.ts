// What a usage line item of a meter covers, and when it closes.
//
// Usage is stored by window, and billed by line items, which may be wider: an item has the windows of one item width,
// aligned to UTC, that start in one term of a price. Where a term begins or ends inside a width, the width is two
// items, one of each term, and each ends where its windows do. An item closes with its whole width, also where its term
// ends earlier: so when a window is billed is a matter of its meter and of time alone, whoever's it is.
//
// All of it is as plain windows are where a meter's item width is its window. Milliseconds since the epoch.
import { itemWidthOf, type Meter } from '../metering/meter.ts';
import { windowSizeMs, windowStartFrom, windowStartOf } from '../time/time-window.ts';
import type { RatedItem } from './line-item.ts';

type MeterWidths = Pick<Meter, 'window' | 'itemWidth'>;

export const itemWidthMs = (meter: MeterWidths): number => windowSizeMs[itemWidthOf(meter)];

/** The item that holds a window of a term, which has the windows that start from `from` on and before `to`. */
export function itemSpan(
  meter: MeterWidths,
  windowStart: number,
  { from, to }: { readonly from: number; readonly to: number },
): Pick<RatedItem, 'windowStart' | 'windowEnd'> {
  const windowMs = windowSizeMs[meter.window];
  const widthMs = itemWidthMs(meter);
  const start = windowStartOf(windowStart, widthMs);
  return {
    windowStart: Math.max(start, windowStartFrom(from, windowMs)),
    windowEnd: Math.min(start + widthMs, windowStartFrom(to, windowMs)),
  };
}

/**
 * The windows of a meter that start before it are in closed items, the others are not. `closedUpTo`: what ends by then
 * is closed.
 */
export function closedBefore(meter: MeterWidths, closedUpTo: number): number {
  return windowStartOf(closedUpTo, itemWidthMs(meter));
}

/** When an item closes that ends at `itemEnd`. */
export const itemClosesAt = (meter: MeterWidths, itemEnd: number): number =>
  windowStartFrom(itemEnd, itemWidthMs(meter));

const widerThanWindows = (meters: readonly MeterWidths[]): number[] =>
  meters.filter((meter) => itemWidthOf(meter) !== meter.window).map(itemWidthMs);

/** When all items of a period are closed that is priced by these meters, or by some of them. */
export const periodClosesAt = (periodEnd: number, meters: readonly MeterWidths[]): number =>
  Math.max(periodEnd, ...widerThanWindows(meters).map((widthMs) => windowStartFrom(periodEnd, widthMs)));

/**
 * Where time can be divided so that no item wider than its meter's windows lies on both sides: `time` itself, or
 * before it. An item that starts before has all its windows before.
 */
export const itemBoundBefore = (time: number, earliest: number, meters: readonly MeterWidths[]): number =>
  Math.max(earliest, Math.min(time, ...widerThanWindows(meters).map((widthMs) => windowStartOf(time, widthMs))));
