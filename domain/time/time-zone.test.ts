import { describe, expect, it } from '@jest/globals';
import { isTimeZone, largestWindow, midnightsKeepWindows, zoneOffsetsMs } from './time-zone.ts';

const HOUR_MS = 3_600_000;

describe('isTimeZone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('%s', (name) => {
    expect(isTimeZone(name)).toBe(true);
  });
  it.each(['', 'Mars/Olympus', '+02:00', 'Europe/Berlin ', 'UTC; DROP', 'x'.repeat(1000)])('not %j', (name) => {
    expect(isTimeZone(name)).toBe(false);
  });
});

describe('zoneOffsetsMs', () => {
  it('has every offset of a zone, daylight saving included', () => {
    expect(zoneOffsetsMs('UTC')).toEqual([0]);
    expect([...zoneOffsetsMs('America/New_York')].sort((a, b) => a - b)).toEqual([-5 * HOUR_MS, -4 * HOUR_MS]);
    expect(zoneOffsetsMs('Asia/Kolkata')).toEqual([5.5 * HOUR_MS]);
    // Samoa moved to the other side of the date line in 2011.
    expect(zoneOffsetsMs('Pacific/Apia')).toEqual(expect.arrayContaining([-11 * HOUR_MS, 13 * HOUR_MS]));
  });
});

describe('the largest window that a zone keeps', () => {
  it.each([
    ['UTC', '1d'],
    ['America/New_York', '1h'],
    ['Asia/Kolkata', '15m'],
    ['Asia/Kathmandu', '15m'],
    ['Australia/Lord_Howe', '15m'],
  ])('%s: %s', (timezone, largest) => {
    expect(largestWindow((window) => midnightsKeepWindows(timezone, window))).toBe(largest);
  });
});
