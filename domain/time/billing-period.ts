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

function findPeriod(anchor: PeriodAnchor, timezone: string, instant: number): BillingPeriod {
  const from = anchor === 'calendar' ? anchor : zoned(anchor, timezone);
  const { year, month } = from === 'calendar' ? EPOCH_DAY : from;
  const local = zoned(instant, timezone);
  // Right, or one too many where the day in the month is yet to come.
  let n = (local.year - year) * 12 + (local.month - month);
  let start = boundaryOf(from, timezone, n);
  while (start > instant) {
    n -= 1;
    start = boundaryOf(from, timezone, n);
  }
  let end = boundaryOf(from, timezone, n + 1);
  while (end <= instant) {
    n += 1;
    start = end;
    end = boundaryOf(from, timezone, n + 1);
  }
  return { start, end };
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
