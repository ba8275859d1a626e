// The buckets a usage read answers in: they tile [from, to) without gap or overlap. The first and the last are cut off
// where the range begins and ends inside one, and say so by their own start and end.
//
// Buckets are handed to the store as segments of equal steps (a year of days in a zone with summer time is about seven
// of them), so the store needs neither a table of zones nor a list of thousands of bounds, and both sides agree by
// construction.
import { Temporal } from 'temporal-polyfill';
import { Problem } from '../../domain/problem.ts';
import { type WindowSize, windowSizeMs, windowStartFrom } from '../../domain/time/time-window.ts';

export type BucketSize = WindowSize | '1mo' | 'total';

export const bucketSizes: readonly BucketSize[] = ['1m', '15m', '1h', '1d', '1mo', 'total'];

/** Calendar buckets are found one by one, so their number is bounded: eleven years of days. */
const CALENDAR_BUCKETS_MAX = 4_018;

/**
 * Buckets of `stepMs` one after the other from `start` (milliseconds since the epoch) up to the next segment, or to the
 * end.
 */
interface BucketSegment {
  readonly start: number;
  readonly stepMs: number;
}

export interface BucketPlan {
  readonly from: number;
  readonly to: number;
  /** Sorted by start; the first starts at `from`, and every one before `to`. */
  readonly segments: readonly BucketSegment[];
}

const DAY_MS = windowSizeMs['1d'];

/** The starts of the days or months of a zone: the one that holds `from`, and all after it until one reaches `to`. */
function calendarStarts(from: number, to: number, size: '1d' | '1mo', timezone: string): number[] {
  const holding = Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(timezone).toPlainDate();
  const first = size === '1d' ? holding : holding.with({ day: 1 });
  const starts: number[] = [];
  for (let n = 0; ; n += 1) {
    if (n > CALENDAR_BUCKETS_MAX) {
      throw new Problem(
        'result_too_large',
        `from and to span more than ${CALENDAR_BUCKETS_MAX} buckets of ${size}; ask for a shorter range or a larger window`,
      );
    }
    const date = first.add(size === '1d' ? { days: n } : { months: n });
    const start = date.toZonedDateTime(timezone).epochMilliseconds;
    // A zone that left out a whole day (Samoa, 30 December 2011) gives two dates one start.
    if (start !== starts.at(-1)) starts.push(start);
    if (start >= to) return starts;
  }
}

/** Joins equal steps: `starts` reach at least to `to`, and the first may lie before `from`. */
function segmentsOf(starts: readonly number[], from: number, to: number): BucketSegment[] {
  const segments: BucketSegment[] = [];
  for (let i = 0; i + 1 < starts.length; i += 1) {
    const start = Math.max(starts[i]!, from);
    const stepMs = starts[i + 1]! - start;
    if (start < to && segments.at(-1)?.stepMs !== stepMs) segments.push({ start, stepMs });
  }
  return segments;
}

/** `from` < `to` in milliseconds since the epoch. `timezone` moves the bounds of 1d and 1mo only. */
export function planBuckets(from: number, to: number, size: BucketSize, timezone: string): BucketPlan {
  if (size === 'total') return { from, to, segments: [{ start: from, stepMs: to - from }] };
  if (size === '1mo' || (size === '1d' && timezone !== 'UTC')) {
    return { from, to, segments: segmentsOf(calendarStarts(from, to, size, timezone), from, to) };
  }
  const stepMs = size === '1d' ? DAY_MS : windowSizeMs[size];
  const firstWhole = windowStartFrom(from, stepMs);
  const segments = [
    { start: from, stepMs: firstWhole - from },
    { start: firstWhole, stepMs },
  ];
  return { from, to, segments: segments.filter((segment) => segment.stepMs > 0 && segment.start < to) };
}

/** The inclusive start and exclusive end of the bucket that holds an instant of [from, to). */
export function bucketOf(plan: BucketPlan, instant: number): { start: number; end: number } {
  const next = plan.segments.findIndex((segment) => segment.start > instant);
  const segment = plan.segments.at(next === -1 ? -1 : next - 1);
  if (segment === undefined || instant < plan.from || instant >= plan.to) {
    throw new RangeError(`instant ${instant} is outside ${plan.from}..${plan.to}`);
  }
  const start = segment.start + Math.floor((instant - segment.start) / segment.stepMs) * segment.stepMs;
  return { start, end: Math.min(start + segment.stepMs, plan.to) };
}

/**
 * The first bucket bound strictly inside the range that is no multiple of `windowMs`, or null: it would cut a stored
 * window in two.
 */
export function misalignedBound(plan: BucketPlan, windowMs: number): number | null {
  for (const [i, { start, stepMs }] of plan.segments.entries()) {
    const end = plan.segments[i + 1]?.start ?? plan.to;
    if (start > plan.from && start % windowMs !== 0) return start;
    if (start + stepMs < end && (start + stepMs) % windowMs !== 0) return start + stepMs;
  }
  return null;
}
