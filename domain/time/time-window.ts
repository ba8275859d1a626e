// Windows: half-open spans of event time, aligned to UTC.

export type WindowSize = '1m' | '15m' | '1h' | '1d';

export const windowSizes: readonly WindowSize[] = ['1m', '15m', '1h', '1d'];

const MINUTE_MS = 60_000;

export const windowSizeMs: Readonly<Record<WindowSize, number>> = {
  '1m': MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': 60 * MINUTE_MS,
  '1d': 24 * 60 * MINUTE_MS,
};

export const LONGEST_WINDOW_MS = windowSizeMs['1d'];

/** The inclusive start of the window that holds `eventTime`, both in milliseconds since the epoch. */
export function windowStartOf(eventTime: number, sizeMs: number): number {
  return Math.floor(eventTime / sizeMs) * sizeMs;
}

/** The first start of a window that is not before `time`. */
export const windowStartFrom = (time: number, sizeMs: number): number => Math.ceil(time / sizeMs) * sizeMs;

/** A window is closed once the watermark has passed its end by the allowed lateness. Null: no watermark yet. */
export function isClosed(windowEnd: number, watermark: number | null, allowedLatenessMs: number): boolean {
  return watermark !== null && watermark >= windowEnd + allowedLatenessMs;
}
