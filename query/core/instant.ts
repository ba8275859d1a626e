// Instants as text: RFC 3339 in and out, milliseconds since the epoch inside.

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Milliseconds since the epoch. Null for anything but a whole RFC 3339 date-time with an offset, for a date that does not
 * exist, and for a fraction finer than a millisecond, which could only be read by changing it.
 */
export function parseInstant(text: string): number | null {
  const match = RFC_3339.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const fraction = (match[7] ?? '').padEnd(3, '0');
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  if (/[1-9]/.test(fraction.slice(3))) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const local = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Number(fraction.slice(0, 3));
  const offsetMs = (offsetHour * 60 + offsetMinute) * 60_000;
  return match[8] === '-' ? local + offsetMs : local - offsetMs;
}

/** RFC 3339 in UTC, with a fraction only where there is one: 2026-11-20T10:00:00Z. */
export const formatInstant = (instant: number): string => new Date(instant).toISOString().replace('.000Z', 'Z');
