// The parameters of GET /v1/meters/{meter}/usage, read strictly: a parameter that is unknown, given twice or out of
// range is an error that names it, never something to guess around. Names of dimensions are looked up in the meter's
// own list here, and go no further: the store is asked by their positions.
import type { Meter } from '../../domain/catalog/catalog.ts';
import { Problem } from '../../domain/problem.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { isTimeZone } from '../../domain/time/time-zone.ts';
import { type BucketPlan, type BucketSize, bucketSizes, misalignedBound, planBuckets } from './buckets.ts';
import {
  anyText,
  choice,
  flag,
  parametersOf,
  type QueryParameters,
  readFilters,
  readParameters,
  repeated,
  time,
} from './parameters.ts';

/** Values in one request over all of `subject` and `filter[…]`. */
export const FILTER_VALUES_MAX = 200;

/** Any of these values of one of the meter's dimensions. */
interface DimensionFilter {
  /** Counted from 0 in `meter.dimensions`. */
  readonly dimension: number;
  readonly values: readonly string[];
}

export interface UsageRequest {
  readonly window: BucketSize;
  readonly plan: BucketPlan;
  /** Any of these; empty: all. */
  readonly subjects: readonly string[];
  /** True when a row is for one subject. */
  readonly bySubject: boolean;
  /** Positions in `meter.dimensions`, ascending. */
  readonly groupBy: readonly number[];
  readonly filters: readonly DimensionFilter[];
  /** True: buckets without usage have a row too. */
  readonly emptyBuckets: boolean;
}

export const usageParameters = parametersOf(
  {
    from: time('the inclusive start of the range', "Inclusive; the start of the meter's stored window that holds it"),
    to: time(
      'the exclusive end of the range',
      'Exclusive; the end of the stored window that it lies in. Without it, the end of the one that holds now',
    ).optional(),
    strict: flag('Refuse a from or to inside a stored window, `range_misaligned`, instead of taking the whole window'),
    window: choice(bucketSizes, "The size of the buckets, not below the meter's own window, which is the default", {
      $ref: '#/components/schemas/BucketSize',
    }).optional(),
    timezone: anyText('The IANA zone in which 1d and 1mo buckets begin').default('UTC'),
    subject: repeated('Only these subjects; the rows are then by subject'),
    groupBy: repeated("A row for each value; `subject` or one of the meter's dimensions"),
    emptyBuckets: flag('A row with value 0 for each bucket without usage, of every subject and groups in the answer'),
  },
  { filters: true },
);

/** The position of a dimension the client named. */
function dimensionOf(meter: Meter, name: string, parameter: string): number {
  const position = meter.dimensions.findIndex((dimension) => dimension.name === name);
  if (position !== -1) return position;
  const names = meter.dimensions.map((dimension) => dimension.name).join(', ');
  const choice = names === '' ? `meter ${meter.slug} has no dimensions` : `meter ${meter.slug} has: ${names}`;
  throw new Problem('unknown_dimension', `${parameter}: no dimension ${JSON.stringify(name.slice(0, 64))}; ${choice}`);
}

function timezoneOf(name: string): string {
  if (isTimeZone(name)) return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  throw new Problem(
    'invalid_parameter',
    `timezone: ${JSON.stringify(name.slice(0, 64))} is no IANA time zone, such as UTC or Europe/Berlin`,
  );
}

function requireAligned(parameter: 'from' | 'to', instant: number, meter: Meter): void {
  const windowMs = windowSizeMs[meter.window];
  if (instant % windowMs === 0) return;
  const below = windowStartOf(instant, windowMs);
  throw new Problem(
    'range_misaligned',
    `${parameter}: ${formatRfc3339(instant)} lies inside a stored window; meter ${meter.slug} is kept in windows of ` +
      `${meter.window}, so use ${formatRfc3339(below)} or ${formatRfc3339(below + windowMs)}`,
  );
}

/**
 * Throws a `Problem`. `now` in milliseconds since the epoch: without `to` the range ends with the stored window that
 * holds it. The plan has whole stored windows: it may begin before `from` and end after `to`, by less than one each.
 */
export function parseUsageRequest(parameters: QueryParameters, meter: Meter, now: number): UsageRequest {
  const {
    subject: subjects,
    groupBy: grouping,
    strict,
    emptyBuckets,
    ...given
  } = readParameters(usageParameters, parameters);
  const meterWindowMs = windowSizeMs[meter.window];
  const window = given.window ?? meter.window;
  if (window !== '1mo' && window !== 'total' && windowSizeMs[window] < meterWindowMs) {
    throw new Problem(
      'window_too_small',
      `window: meter ${meter.slug} is kept in windows of ${meter.window}; ${window} is smaller`,
    );
  }
  const end = given.to ?? windowStartOf(now, meterWindowMs) + meterWindowMs;
  if (given.from >= end) {
    throw new Problem(
      'invalid_parameter',
      `from: ${formatRfc3339(given.from)} is not before to, ${formatRfc3339(end)}`,
    );
  }
  if (strict) {
    requireAligned('from', given.from, meter);
    requireAligned('to', end, meter);
  }
  const from = windowStartOf(given.from, meterWindowMs);
  const to = windowStartOf(end + meterWindowMs - 1, meterWindowMs);

  const timezone = timezoneOf(given.timezone);
  const plan = planBuckets(from, to, window, timezone);
  const cut = misalignedBound(plan, meterWindowMs);
  if (cut !== null) {
    throw new Problem(
      'timezone_misaligned',
      `timezone: in ${timezone} a bucket of ${window} ends at ${formatRfc3339(cut)}, inside a stored window of meter ` +
        `${meter.slug}, which is kept in windows of ${meter.window} aligned to UTC`,
    );
  }

  const groupBy = grouping.filter((name) => name !== 'subject').map((name) => dimensionOf(meter, name, 'groupBy'));
  const filters = readFilters(parameters).map(
    ({ name, parameter, values }): DimensionFilter => ({ dimension: dimensionOf(meter, name, parameter), values }),
  );
  if (subjects.length + filters.reduce((count, filter) => count + filter.values.length, 0) > FILTER_VALUES_MAX) {
    throw new Problem(
      'invalid_parameter',
      `subject and filter[…] name more than ${FILTER_VALUES_MAX} values; split the request`,
    );
  }
  return {
    window,
    plan,
    subjects,
    bySubject: subjects.length > 0 || grouping.includes('subject'),
    groupBy: [...new Set(groupBy)].sort((a, b) => a - b),
    filters,
    emptyBuckets,
  };
}
