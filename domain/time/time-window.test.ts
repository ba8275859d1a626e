import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isClosed, windowSizeMs, windowSizes, windowStartOf } from './time-window.ts';

const at = (text: string) => new Date(text).getTime();

describe('windowStartOf', () => {
  it.each([
    ['1m', '2026-11-20T10:17:59.999Z', '2026-11-20T10:17:00Z'],
    ['15m', '2026-11-20T10:17:59.999Z', '2026-11-20T10:15:00Z'],
    ['1h', '2026-11-20T10:17:59.999Z', '2026-11-20T10:00:00Z'],
    ['1d', '2026-11-20T10:17:59.999Z', '2026-11-20T00:00:00Z'],
    // The start is inside its window, the end inside the next.
    ['1h', '2026-11-20T10:00:00.000Z', '2026-11-20T10:00:00Z'],
    ['1d', '1969-12-31T23:59:59.999Z', '1969-12-31T00:00:00Z'],
  ] as const)('%s: %s is in the window from %s', (size, instant, start) => {
    expect(windowStartOf(at(instant), windowSizeMs[size])).toBe(at(start));
  });

  it('tiles time with windows that nest in each other', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 4e12 }), fc.constantFrom(...windowSizes), (instant, size) => {
        const sizeMs = windowSizeMs[size];
        const start = windowStartOf(instant, sizeMs);
        expect(start <= instant && instant < start + sizeMs).toBe(true);
        expect(start % sizeMs === 0).toBe(true);
        for (const finer of windowSizes.slice(0, windowSizes.indexOf(size))) {
          expect(windowStartOf(windowStartOf(instant, windowSizeMs[finer]), sizeMs)).toBe(start);
        }
      }),
    );
  });
});

describe('isClosed', () => {
  it.each([
    [null, false],
    [1_299, false],
    [1_300, true],
    [1_301, true],
  ])('with the watermark at %s, a window that ends at 1,000 with 300 ms of lateness: %s', (watermark, closed) => {
    expect(isClosed(1_000, watermark, 300)).toBe(closed);
  });
});
