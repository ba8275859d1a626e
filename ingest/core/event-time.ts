// Reads an event's time: RFC 3339, cut to the millisecond. Written by hand because it runs once an event, and strict
// because a time that is guessed at moves money into another window.

const ZERO = 48;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const TEXT_LENGTH_MAX = 64;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The number in two digits, or NaN. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

const daysInMonth = (year: number, month: number): number =>
  month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : DAYS_IN_MONTH[month - 1]!;

/**
 * Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms").
 */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

/**
 * Milliseconds since the epoch of an RFC 3339 date-time; null when the text is none. Digits of a second below the
 * millisecond are cut off, however many. A leap second (23:59:60 UTC) is read as the last millisecond before midnight.
 * A space in place of the "T" is refused, as is a time without an offset.
 */
export function parseEventTime(text: string): number | null {
  const length = text.length;
  if (length < 20 || length > TEXT_LENGTH_MAX) return null;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  const t = text.charCodeAt(10);
  if (
    text.charCodeAt(4) !== 45 ||
    text.charCodeAt(7) !== 45 ||
    (t !== 84 && t !== 116) ||
    text.charCodeAt(13) !== 58 ||
    text.charCodeAt(16) !== 58
  ) {
    return null;
  }
  // Written so that a NaN fails each of them.
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return null;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return null;

  let position = 19;
  let milliseconds = 0;
  if (text.charCodeAt(position) === 46) {
    let weight = 100;
    let digit = text.charCodeAt(++position) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return null;
    while (digit >= 0 && digit <= 9) {
      milliseconds += digit * weight;
      weight = weight === 100 ? 10 : weight === 10 ? 1 : 0;
      digit = text.charCodeAt(++position) - ZERO;
    }
  }

  let offsetMinutes = 0;
  const sign = text.charCodeAt(position);
  if (sign === 90 || sign === 122) {
    if (position + 1 !== length) return null;
  } else {
    const offsetHour = twoDigits(text, position + 1);
    const offsetMinute = twoDigits(text, position + 4);
    if ((sign !== 43 && sign !== 45) || text.charCodeAt(position + 3) !== 58 || position + 6 !== length) return null;
    if (!(offsetHour <= 23 && offsetMinute <= 59)) return null;
    offsetMinutes = (sign === 45 ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  }

  const minuteStart = daysSinceEpoch(year, month, day) * DAY_MS + (hour * 60 + minute - offsetMinutes) * MINUTE_MS;
  if (second < 60) return minuteStart + second * 1000 + milliseconds;
  const lastMinuteOfDay = ((minuteStart % DAY_MS) + DAY_MS) % DAY_MS === DAY_MS - MINUTE_MS;
  return lastMinuteOfDay ? minuteStart + MINUTE_MS - 1 : null;
}
