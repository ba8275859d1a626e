// Points in time as RFC 3339 text, to the millisecond and no finer.

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

const FIRST_INSTANT = new Date('0000-01-01T00:00:00.000Z').getTime();
const LAST_INSTANT = new Date('9999-12-31T23:59:59.999Z').getTime();

/**
 * Milliseconds since the epoch, or null when the text is no RFC 3339 date-time with an offset, names a day or an hour
 * that does not exist (30 February, second 60), is finer than a millisecond, or lies outside the years 0 to 9999 in
 * UTC.
 */
export function parseRfc3339(text: string): number | null {
  const match = RFC_3339.exec(text);
  if (match === null) return null;
  const field = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [field(1), field(2), field(3), field(4), field(5), field(6)];
  const fraction = (match[7] ?? '').padEnd(9, '0');
  if (hour > 23 || minute > 59 || second > 59 || field(9) > 23 || field(10) > 59 || !fraction.endsWith('000000'))
    return null;
  // Date.UTC carries an overflow on (30 February becomes 2 March), so the day is read back.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offsetMs = (match[8] === '-' ? -1 : 1) * (field(9) * 60 + field(10)) * 60_000;
  const instant =
    date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Number(fraction.slice(0, 3)) - offsetMs;
  // An offset can carry the last hours of the year 9999 on; in UTC there is then no such text to write again.
  return instant >= FIRST_INSTANT && instant <= LAST_INSTANT ? instant : null;
}

/** RFC 3339 in UTC, without a fraction where there is none. */
export const formatRfc3339 = (instant: number): string => new Date(instant).toISOString().replace('.000Z', 'Z');
