// What a time zone does to the boundaries of billing periods. Usage is stored per window of UTC, so a period of the
// calendar has just its own usage only where midnights are window boundaries.
import { Temporal } from 'temporal-polyfill';
import { type WindowSize, windowSizeMs, windowSizes } from './time-window.ts';

// Offsets outside these years are history or conjecture; a subscription that starts inside them is checked exactly.
const FIRST_YEAR = 2000;
const LAST_YEAR = 2060;

// Asking Intl costs a tenth of a millisecond. Names are accepted in any case, so there are more of them than zones.
const zoneNames = new Set<string>();
const ZONE_NAMES_MAX = 1000;

/** True for an IANA name ("Europe/Berlin", "UTC"); a bare offset ("+02:00") is none. */
export function isTimeZone(name: string): boolean {
  if (zoneNames.has(name)) return true;
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    if (zoneNames.size < ZONE_NAMES_MAX) zoneNames.add(name);
    return true;
  } catch {
    return false;
  }
}

// At most one entry for each IANA name, so it cannot grow without bound.
const offsetsByZone = new Map<string, readonly number[]>();

/** Every offset from UTC that the zone has had or is to have between 2000 and 2060, in milliseconds. */
export function zoneOffsetsMs(timezone: string): readonly number[] {
  const known = offsetsByZone.get(timezone);
  if (known !== undefined) return known;
  const offsets = new Set<number>();
  let at: Temporal.ZonedDateTime | null = Temporal.ZonedDateTime.from({
    timeZone: timezone,
    year: FIRST_YEAR,
    month: 1,
    day: 1,
  });
  while (at !== null && at.year < LAST_YEAR) {
    offsets.add(at.offsetNanoseconds / 1_000_000);
    at = at.getTimeZoneTransition('next');
  }
  const found = [...offsets];
  offsetsByZone.set(timezone, found);
  return found;
}

/** Do all local midnights of the zone fall on window boundaries? */
export const midnightsKeepWindows = (timezone: string, window: WindowSize): boolean =>
  zoneOffsetsMs(timezone).every((offset) => offset % windowSizeMs[window] === 0);

/** The largest window that passes a check; a minute always does. */
export const largestWindow = (passes: (window: WindowSize) => boolean): WindowSize =>
  windowSizes.findLast(passes) ?? '1m';

/** The same local time so many days later; a local time that the clocks leave out is moved on by the gap. */
export const localDaysAfter = (instant: number, days: number, timezone: string): number =>
  Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timezone).add({ days }).epochMilliseconds;
