// The parameters of GET /v1/meters/{meter}/usage, read strictly: a parameter that is unknown, given twice or out of
// range is an error that names it, never something to guess around. Names of dimensions are looked up in the
// meter's own list here, and go no further: the store is asked by their positions.
//
// Pages. With `limit` an answer is a page, and its cursor the place of the page's last row: bucket, subject and
// groups, in which rows are sorted and which no later event changes. So a row that was there at the first page is
// in exactly one page, with its value as of that page; a row that comes up meanwhile is in a page if it sorts
// behind the cursor. The cursor keeps the end of the range too, for a request without `to`. All rows as of one
// moment are what a stream has.
import type { Meter } from '../../domain/catalog/catalog.ts';
import { Problem } from '../../domain/problem.ts';
import {
  decodePlace,
  encodePlace,
  isPlaceNumber,
  isPlaceText,
  notACursor,
  type ReadCursor,
} from '../../domain/requests/cursor.ts';
import {
  anyText,
  choice,
  conflict,
  flag,
  LAST_INSTANT,
  pageCursor,
  parametersOf,
  type QueryParameters,
  readFilters,
  readParameters,
  repeated,
  time,
  wholeNumberOrNone,
} from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { isTimeZone } from '../../domain/time/time-zone.ts';
import { type BucketPlan, type BucketSize, bucketSizes, misalignedBound, planBuckets } from './buckets.ts';

/** Rows of one usage answer. More are pages or a stream; they are never cut short silently. */
export const USAGE_ROWS_MAX = 10_000;

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
  readonly rowsMax: number;
  /** True: `rowsMax` of more rows are an answer, as the client asked for so many. */
  readonly isPage: boolean;
  /** The last row of the page before. */
  readonly after: PlaceOfRow | null;
  /** Not null: the rows are those with the greatest values, and all others are merged to one where it says so. */
  readonly ranking: { readonly withOthers: boolean } | null;
  /** What a cursor is good for. */
  readonly selection: unknown;
}

/** `bucketStart` in milliseconds since the epoch; `subject` null where rows are not by subject. */
export interface PlaceOfRow {
  readonly bucketStart: number;
  readonly subject: string | null;
  readonly groups: readonly string[];
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
    limit: wholeNumberOrNone(
      USAGE_ROWS_MAX,
      'Rows of a page, or of a ranking; without it an answer of more than 10,000 rows is refused',
    ),
    cursor: pageCursor(),
    order: choice(
      ['time', 'value'],
      'Rows by window, subject and groups; or those with the greatest values first, with `window=total`',
      { type: 'string', enum: ['time', 'value'], default: 'time' },
    ).optional(),
    others: flag('With order=value: what the meter says of all other subjects or groups together'),
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
 * The row that a cursor names, after the end of its range; where the rows of the request are of another kind, a
 * `Problem`.
 */
function placeOf({ place }: ReadCursor, bySubject: boolean, groups: number): PlaceOfRow {
  const [, bucketStart, subject, ...values] = place;
  const isSubject = bySubject ? isPlaceText(subject) : subject === null;
  if (!isPlaceNumber(bucketStart) || !isSubject || values.length !== groups || !values.every(isPlaceText)) {
    throw notACursor();
  }
  return { bucketStart, subject: subject as string | null, groups: values as string[] };
}

/** The cursor of the page that ends with this row. */
export const usageCursor = ({ selection, plan }: UsageRequest, { bucketStart, subject, groups }: PlaceOfRow): string =>
  encodePlace(selection, [plan.to, bucketStart, subject, ...groups]);

/** Where `to` is left out, the range of all pages ends where that of the first does. */
function endOfCursor({ place: [end] }: ReadCursor): number {
  if (!isPlaceNumber(end) || end > LAST_INSTANT) throw notACursor();
  return end;
}

interface Form {
  readonly window: BucketSize;
  readonly emptyBuckets: boolean;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  readonly order: 'time' | 'value';
  readonly others: boolean;
  readonly isGrouped: boolean;
}

/** What can't be asked for together. Throws a `Problem`. */
function requirePossible({ window, emptyBuckets, limit, cursor, order, others, isGrouped }: Form): void {
  if (emptyBuckets && (limit !== undefined || cursor !== undefined || order === 'value')) {
    throw conflict('emptyBuckets', 'only of a whole answer in order of time; leave out limit, cursor and order');
  }
  if (order === 'time') {
    if (others) throw conflict('others', 'only with order=value');
    return;
  }
  if (window !== 'total') throw conflict('order', 'value ranks what a range comes to; ask with window=total');
  if (!isGrouped) throw conflict('order', 'value ranks subjects or groups; name them with groupBy');
  if (cursor !== undefined) throw conflict('cursor', 'a ranking has no pages; ask for a greater limit');
}

/**
 * Throws a `Problem`. `now` in milliseconds since the epoch: without `to` the range ends with the stored window
 * that holds it. The plan has whole stored windows: it may begin before `from` and end after `to`, by less than one
 * each.
 */
export function parseUsageRequest(parameters: QueryParameters, meter: Meter, now: number): UsageRequest {
  const {
    subject: subjects,
    groupBy: grouping,
    strict,
    emptyBuckets,
    limit,
    others,
    order = 'time',
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
  const bySubject = subjects.length > 0 || grouping.includes('subject');
  const isGrouped = bySubject || grouping.length > 0;
  requirePossible({ window, emptyBuckets, limit, cursor: given.cursor, order, others, isGrouped });
  const cursor = given.cursor === undefined ? null : decodePlace(given.cursor);
  const end = given.to ?? (cursor === null ? windowStartOf(now, meterWindowMs) + meterWindowMs : endOfCursor(cursor));
  if (given.from >= end) {
    throw conflict('from', `${formatRfc3339(given.from)} is not before to, ${formatRfc3339(end)}`);
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
    throw conflict('subject', `it and filter[…] name more than ${FILTER_VALUES_MAX} values; split the request`);
  }
  const dimensions = [...new Set(groupBy)].sort((a, b) => a - b);
  const selection = [meter.slug, from, to, window, timezone, subjects.toSorted(), bySubject, dimensions, filters];
  cursor?.requireOf(selection, 'meter, range, window, timezone, subject, groupBy or filter');
  return {
    window,
    plan,
    subjects,
    bySubject,
    groupBy: dimensions,
    filters,
    emptyBuckets,
    rowsMax: limit ?? USAGE_ROWS_MAX,
    isPage: limit !== undefined || cursor !== null,
    after: cursor === null ? null : placeOf(cursor, bySubject, dimensions.length),
    ranking: order === 'value' ? { withOthers: others } : null,
    selection,
  };
}
