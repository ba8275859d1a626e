// Billing periods: months that tile time without a gap or an overlap. Month n is always counted from the anchor, never
// from the month before it: counted on, 31 January would become 28 February and then 28 March for ever.
import { Temporal } from 'temporal-polyfill';

/** Milliseconds since the epoch: start inclusive, end exclusive. */
export interface BillingPeriod {
  readonly start: number;
  readonly end: number;
}

/** The instant that months are counted from, in milliseconds since the epoch, or calendar months. */
export type PeriodAnchor = number | 'calendar';

const DAY_MS = 86_400_000;
const EPOCH_DAY = new Temporal.PlainDate(1970, 1, 1);

const zoned = (instant: number, timezone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone);

/**
 * Where month n begins. A calendar month begins when its first day does; an anchored one at the anchor's local time on
 * the anchor's day, or on the month's last day where it is shorter. A local time that daylight saving leaves out is
 * moved on by the gap, one that comes twice means the first: Temporal's "compatible", which is that of RFC 5545 too.
 */
function boundaryOf(anchor: Temporal.ZonedDateTime | 'calendar', timezone: string, month: number): number {
  return anchor === 'calendar'
    ? EPOCH_DAY.add({ months: month }).toZonedDateTime(timezone).epochMilliseconds
    : anchor.add({ months: month }).epochMilliseconds;
}

/** Where month n begins in UTC, where no clock is ever changed: as `boundaryOf` says, without a calendar's help. */
function boundaryInUtc(anchor: Date | 'calendar', month: number): number {
  if (anchor === 'calendar') return Date.UTC(1970, month, 1);
  const first = Date.UTC(anchor.getUTCFullYear(), anchor.getUTCMonth() + month, 1);
  const days = new Date(Date.UTC(anchor.getUTCFullYear(), anchor.getUTCMonth() + month + 1, 0)).getUTCDate();
  const sinceMidnight = ((anchor.getTime() % DAY_MS) + DAY_MS) % DAY_MS;
  return first + (Math.min(anchor.getUTCDate(), days) - 1) * DAY_MS + sinceMidnight;
}

/** `estimate`: the month that holds it, or one too many. */
function periodAround(boundary: (month: number) => number, estimate: number, instant: number): BillingPeriod {
  let n = estimate;
  let start = boundary(n);
  while (start > instant) {
    n -= 1;
    start = boundary(n);
  }
  let end = boundary(n + 1);
  while (end <= instant) {
    n += 1;
    start = end;
    end = boundary(n + 1);
  }
  return { start, end };
}

function findPeriod(anchor: PeriodAnchor, timezone: string, instant: number): BillingPeriod {
  if (timezone === 'UTC') {
    const [from, at] = [anchor === 'calendar' ? anchor : new Date(anchor), new Date(instant)];
    const [year, month] = from === 'calendar' ? [1970, 0] : [from.getUTCFullYear(), from.getUTCMonth()];
    const estimate = (at.getUTCFullYear() - year) * 12 + (at.getUTCMonth() - month);
    return periodAround((n) => boundaryInUtc(from, n), estimate, instant);
  }
  const from = anchor === 'calendar' ? anchor : zoned(anchor, timezone);
  const { year, month } = from === 'calendar' ? EPOCH_DAY : from;
  const local = zoned(instant, timezone);
  const estimate = (local.year - year) * 12 + (local.month - month);
  return periodAround((n) => boundaryOf(from, timezone, n), estimate, instant);
}

// Periods found before, by time zone and anchor. A calculation takes about 50 µs and a rater asks for the same few
// periods of an anchor again and again. Forgetting is harmless, so both bounds are simply enforced by forgetting.
const ANCHORS_MAX = 200_000;
const PERIODS_PER_ANCHOR_MAX = 8;
const found = new Map<string, Map<PeriodAnchor, BillingPeriod[]>>();
let anchorsHeld = 0;

function periodsHeld(anchor: PeriodAnchor, timezone: string): BillingPeriod[] {
  const held = found.get(timezone)?.get(anchor);
  if (held !== undefined) return held;
  if (anchorsHeld >= ANCHORS_MAX) {
    found.clear();
    anchorsHeld = 0;
  }
  const ofZone = found.get(timezone) ?? new Map<PeriodAnchor, BillingPeriod[]>();
  const fresh: BillingPeriod[] = [];
  found.set(timezone, ofZone.set(anchor, fresh));
  anchorsHeld += 1;
  return fresh;
}

/**
 * The month that holds `instant` (milliseconds since the epoch), in an IANA time zone. An anchored month may lie before
 * its anchor. Throws a RangeError for a time zone that does not exist.
 */
export function billingPeriodOf(anchor: PeriodAnchor, timezone: string, instant: number): BillingPeriod {
  const held = periodsHeld(anchor, timezone);
  const known = held.find(({ start, end }) => start <= instant && instant < end);
  if (known !== undefined) return known;
  const period = findPeriod(anchor, timezone, instant);
  held.unshift(period);
  if (held.length > PERIODS_PER_ANCHOR_MAX) held.pop();
  return period;
}
