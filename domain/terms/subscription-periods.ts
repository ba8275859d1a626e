// The grid of periods of a subscription: every so many days, weeks, months or years from its one anchor, or of the
// calendar, in its one time zone. The grid is the same whatever plan the subscription is on. Boundary n is always
// counted from the anchor and never from the boundary before it (as domain/time/billing-period.ts says for months), so
// an anchor on the 31st stays one, a year from 29 February ends on the 28th and the fourth on the 29th, and a local
// time that the clocks leave out or repeat moves one boundary only.
import { Temporal } from 'temporal-polyfill';
import { mapKey } from '../composite-key.ts';
import type { PeriodLength } from '../pricing/price-choices.ts';
import { type BillingPeriod, billingPeriodOf, type PeriodAnchor } from '../time/billing-period.ts';

export interface PeriodGrid {
  readonly anchor: PeriodAnchor;
  /** IANA name. */
  readonly timezone: string;
}

// Where calendar periods are counted from: months and years from January 1970, weeks from a Monday.
const FIRST_DAY = new Temporal.PlainDate(1970, 1, 1);
const FIRST_MONDAY = new Temporal.PlainDate(1970, 1, 5);

/** A length as a count of one of two units: a week is 7 days, a year 12 months. */
function stepOf(every: PeriodLength): { readonly unit: 'days' | 'months'; readonly count: number } {
  if ('days' in every) return { unit: 'days', count: every.days };
  if ('weeks' in every) return { unit: 'days', count: 7 * every.weeks };
  return { unit: 'months', count: 'months' in every ? every.months : 12 * every.years };
}

/** One text for a length: 12 months are a year. Seven days are no week: those of the calendar begin on no Monday. */
export function lengthText(every: PeriodLength): string {
  if ('weeks' in every) return `${every.weeks} weeks`;
  const { unit, count } = stepOf(every);
  return `${count} ${unit}`;
}

/** To compare lengths by: that of a month is the mean. */
export function lengthInDays(every: PeriodLength): number {
  const { unit, count } = stepOf(every);
  return unit === 'days' ? count : (count * 146_097) / 4_800;
}

// Periods found before, by grid and length, as billing-period.ts keeps months. Forgetting is harmless.
const GRIDS_MAX = 20_000;
const PERIODS_PER_GRID_MAX = 4;
const found = new Map<string, BillingPeriod[]>();

/** The period of the grid that holds an instant (milliseconds since the epoch); it may lie before the anchor. */
export function gridPeriodOf(grid: PeriodGrid, every: PeriodLength, instant: number): BillingPeriod {
  const { anchor, timezone } = grid;
  const { unit, count } = stepOf(every);
  if (unit === 'months' && count === 1) return billingPeriodOf(anchor, timezone, instant);
  const key = mapKey(anchor, timezone, Object.keys(every)[0]!, count);
  const held = found.get(key) ?? [];
  const known = held.find(({ start, end }) => start <= instant && instant < end);
  if (known !== undefined) return known;
  const period = findPeriod(grid, every, instant);
  if (found.size >= GRIDS_MAX) found.clear();
  found.set(key, [period, ...held.slice(0, PERIODS_PER_GRID_MAX - 1)]);
  return period;
}

function findPeriod({ anchor, timezone }: PeriodGrid, every: PeriodLength, instant: number): BillingPeriod {
  const { unit, count } = stepOf(every);
  const local = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);
  const from =
    anchor === 'calendar'
      ? 'weeks' in every
        ? FIRST_MONDAY
        : FIRST_DAY
      : Temporal.Instant.fromEpochMilliseconds(anchor).toZonedDateTimeISO(timezone);
  const boundary = (n: number): number => {
    const step = { [unit]: n * count };
    return from instanceof Temporal.PlainDate
      ? from.add(step).toZonedDateTime(timezone).epochMilliseconds
      : from.add(step).epochMilliseconds;
  };
  const passed =
    unit === 'months'
      ? (local.year - from.year) * 12 + (local.month - from.month)
      : dateOf(from).until(local.toPlainDate(), { largestUnit: 'days' }).days;
  // Right, or one too many where the time of the day is yet to come.
  let n = Math.floor(passed / count);
  while (boundary(n) > instant) n -= 1;
  while (boundary(n + 1) <= instant) n += 1;
  return { start: boundary(n), end: boundary(n + 1) };
}

const dateOf = (from: Temporal.PlainDate | Temporal.ZonedDateTime): Temporal.PlainDate =>
  from instanceof Temporal.PlainDate ? from : from.toPlainDate();

/** The first boundary of the grid that is not before an instant. */
export function nextBoundary(grid: PeriodGrid, every: PeriodLength, instant: number): number {
  const { start, end } = gridPeriodOf(grid, every, instant);
  return start === instant ? start : end;
}

/**
 * The local days of a period: where each begins, the first at the period's start. A day belongs to the period in which
 * its date begins to count, so that the days of all periods are all days, once.
 */
export function localDaysOf({ start, end }: BillingPeriod, timezone: string): number[] {
  const dateAt = (instant: number): Temporal.PlainDate =>
    Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone).toPlainDate();
  const last = dateAt(end);
  const starts = [start];
  let date = dateAt(start).add({ days: 1 });
  while (Temporal.PlainDate.compare(date, last) < 0) {
    starts.push(date.toZonedDateTime(timezone).epochMilliseconds);
    date = date.add({ days: 1 });
  }
  return starts;
}
