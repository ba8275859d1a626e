import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Meter } from '../metering/meter.ts';
import { type WindowSize, windowSizeMs, windowSizes } from '../time/time-window.ts';
import { closedBefore, itemBoundBefore, itemClosesAt, itemSpan, periodClosesAt } from './item-span.ts';

type Widths = Pick<Meter, 'window' | 'itemWidth'>;
const at = (time: string): number => Date.parse(`2026-11-${time}Z`);
const hours: Widths = { window: '15m', itemWidth: '1h' };
const days: Widths = { window: '15m', itemWidth: '1d' };
const windows: Widths = { window: '1h' };

/** November in Kolkata. */
const november = { from: Date.parse('2026-10-31T18:30Z'), to: Date.parse('2026-11-30T18:30Z') };
const december = { from: november.to, to: Date.parse('2026-12-31T18:30Z') };

const spanOf = (meter: Widths, windowStart: string, period = november): string[] => {
  const span = itemSpan(meter, at(windowStart), period);
  return [span.windowStart, span.windowEnd].map((time) => new Date(time).toISOString().slice(5, 16));
};

describe('an item', () => {
  it.each<[string, Widths, string, typeof november, string[]]>([
    ['has the windows of one width', hours, '10T10:45', november, ['11-10T10:00', '11-10T11:00']],
    ['ends with its period', hours, '30T18:15', november, ['11-30T18:00', '11-30T18:30']],
    ['starts with its period', hours, '30T18:45', december, ['11-30T18:30', '11-30T19:00']],
    ['of a day ends with its period', days, '30T04:00', november, ['11-30T00:00', '11-30T18:30']],
    ['is a window, where nothing else is said', windows, '10T10:00', november, ['11-10T10:00', '11-10T11:00']],
    // A catalog that has such a period is refused; an older one may have left a period that begins so.
    ['is of whole windows', windows, '30T18:00', november, ['11-30T18:00', '11-30T19:00']],
  ])('%s', (_, meter, windowStart, period, expected) => {
    expect(spanOf(meter, windowStart, period)).toEqual(expected);
  });

  it('may lie in three periods', () => {
    const period = { from: at('10T10:15'), to: at('10T10:30') };
    expect(spanOf(hours, '10T10:15', period)).toEqual(['11-10T10:15', '11-10T10:30']);
  });

  it.each([
    ['10T10:59:59', hours, '10T10:00'],
    ['10T11:00:00', hours, '10T11:00'],
    ['30T18:59:59', hours, '30T18:00'],
    ['30T23:59:59', days, '30T00:00'],
    ['10T10:59:59', windows, '10T10:00'],
  ])('up to %s is closed with its whole width: %#', (closedUpTo, meter, before) => {
    expect(closedBefore(meter, at(closedUpTo))).toBe(at(before));
  });

  it('closes with its whole width where its period ends earlier, and so does the period', () => {
    expect(itemClosesAt(hours, at('30T18:30'))).toBe(at('30T19:00'));
    expect(itemClosesAt(hours, at('30T19:00'))).toBe(at('30T19:00'));
    expect(itemClosesAt(windows, at('30T19:00'))).toBe(at('30T19:00'));
    expect(periodClosesAt(at('30T18:30'), [windows, hours])).toBe(at('30T19:00'));
    expect(periodClosesAt(at('30T18:30'), [hours, days])).toBe(Date.parse('2026-12-01T00:00Z'));
    expect(periodClosesAt(at('30T18:30'), [windows, { window: '1d' }])).toBe(at('30T18:30'));
    expect(periodClosesAt(at('30T18:30'), [])).toBe(at('30T18:30'));
  });
});

describe('items of any widths, in any periods', () => {
  const widths = fc
    .tuple(fc.constantFrom(...windowSizes), fc.nat({ max: windowSizes.length - 1 }))
    .map(([window, i]): Widths => {
      const itemWidth: WindowSize = windowSizes[Math.max(i, windowSizes.indexOf(window))]!;
      return itemWidth === window ? { window } : { window, itemWidth };
    });
  // Bounds of periods lie on windows.
  const some = fc.tuple(widths, fc.nat({ max: 3_000 }), fc.nat({ max: 3_000 }), fc.nat({ max: 3_000 }));

  it('tile each period with whole windows, and close as their windows do', () => {
    fc.assert(
      fc.property(some, fc.nat({ max: 4e8 }), ([meter, first, count, nth], closedUpTo) => {
        const windowMs = windowSizeMs[meter.window];
        const period = { from: first * windowMs, to: (first + count + 1) * windowMs };
        const windowStart = period.from + (nth % (count + 1)) * windowMs;
        const span = itemSpan(meter, windowStart, period);
        expect(span.windowStart).toBeLessThanOrEqual(windowStart);
        expect(span.windowEnd).toBeGreaterThanOrEqual(windowStart + windowMs);
        expect(span.windowStart).toBeGreaterThanOrEqual(period.from);
        expect(span.windowEnd).toBeLessThanOrEqual(period.to);
        for (const other of [span.windowStart, span.windowEnd - windowMs]) {
          expect(itemSpan(meter, other, period)).toEqual(span);
          expect(other < closedBefore(meter, closedUpTo)).toBe(windowStart < closedBefore(meter, closedUpTo));
        }
        expect(itemClosesAt(meter, span.windowEnd) <= closedUpTo).toBe(windowStart < closedBefore(meter, closedUpTo));
        expect(periodClosesAt(period.to, [meter])).toBeGreaterThanOrEqual(itemClosesAt(meter, span.windowEnd));
        if (meter.itemWidth === undefined) {
          expect(span).toEqual({ windowStart, windowEnd: windowStart + windowMs });
          expect(windowStart < closedBefore(meter, closedUpTo)).toBe(windowStart + windowMs <= closedUpTo);
        }
      }),
    );
  });

  it('are divided by a bound with all their windows', () => {
    fc.assert(
      fc.property(some, ([meter, first, count, nth]) => {
        const windowMs = windowSizeMs[meter.window];
        const period = { from: first * windowMs, to: (first + count + 1) * windowMs };
        const time = period.from + (nth % (count + 1)) * windowMs;
        const bound = itemBoundBefore(time, period.from, [meter]);
        expect(bound).toBeLessThanOrEqual(time);
        expect(itemSpan(meter, bound, period).windowStart).toBe(bound);
        if (bound > period.from) {
          expect(itemSpan(meter, bound - windowMs, period).windowEnd).toBe(bound);
        }
        if (meter.itemWidth === undefined) expect(bound).toBe(time);
      }),
    );
  });
});
