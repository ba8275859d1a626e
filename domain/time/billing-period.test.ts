import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type BillingPeriod, billingPeriodOf, type PeriodAnchor } from './billing-period.ts';

const at = (text: string) => new Date(text).getTime();
const shown = ({ start, end }: BillingPeriod) => [new Date(start).toISOString(), new Date(end).toISOString()];

/** The first `count` periods from an instant on, each found at the end of the one before it. */
function following(anchor: PeriodAnchor, timezone: string, from: string, count: number): string[] {
  let period = billingPeriodOf(anchor, timezone, at(from));
  const starts: string[] = [];
  for (let i = 0; i < count; i += 1) {
    starts.push(new Date(period.start).toISOString());
    period = billingPeriodOf(anchor, timezone, period.end);
  }
  return starts;
}

describe('calendar months', () => {
  it('run from local midnight to local midnight, over daylight saving', () => {
    // New York puts its clocks back on 1 November 2026 at 02:00, after the month has begun.
    expect(shown(billingPeriodOf('calendar', 'America/New_York', at('2026-11-20T00:00:00Z')))).toEqual([
      '2026-11-01T04:00:00.000Z',
      '2026-12-01T05:00:00.000Z',
    ]);
    expect(shown(billingPeriodOf('calendar', 'UTC', at('2026-02-01T00:00:00Z')))).toEqual([
      '2026-02-01T00:00:00.000Z',
      '2026-03-01T00:00:00.000Z',
    ]);
  });

  it('begin when the day does, where daylight saving leaves midnight out', () => {
    // In Amman the clocks went from 00:00 to 01:00 on 1 April 2011.
    expect(shown(billingPeriodOf('calendar', 'Asia/Amman', at('2011-04-10T00:00:00Z')))[0]).toBe(
      '2011-03-31T22:00:00.000Z',
    );
  });
});

describe('anchored months', () => {
  it('keep the 31st: shorter months end on their last day and nothing drifts', () => {
    expect(following(at('2026-01-31T00:00:00Z'), 'UTC', '2026-01-31T00:00:00Z', 5)).toEqual([
      '2026-01-31T00:00:00.000Z',
      '2026-02-28T00:00:00.000Z',
      '2026-03-31T00:00:00.000Z',
      '2026-04-30T00:00:00.000Z',
      '2026-05-31T00:00:00.000Z',
    ]);
  });

  it('keep their local time over daylight saving', () => {
    expect(following(at('2026-02-15T14:00:00Z'), 'America/New_York', '2026-02-20T00:00:00Z', 3)).toEqual([
      '2026-02-15T14:00:00.000Z',
      '2026-03-15T13:00:00.000Z',
      '2026-04-15T13:00:00.000Z',
    ]);
  });

  it('move a local time that does not exist on by the gap, for that month only', () => {
    // 02:30 on 8 March 2026 does not exist in New York.
    expect(following(at('2026-02-08T07:30:00Z'), 'America/New_York', '2026-02-08T07:30:00Z', 3)).toEqual([
      '2026-02-08T07:30:00.000Z',
      '2026-03-08T07:30:00.000Z',
      '2026-04-08T06:30:00.000Z',
    ]);
  });

  it('also lie before their anchor', () => {
    expect(shown(billingPeriodOf(at('2026-03-31T00:00:00Z'), 'UTC', at('2026-03-01T00:00:00Z')))).toEqual([
      '2026-02-28T00:00:00.000Z',
      '2026-03-31T00:00:00.000Z',
    ]);
  });
});

describe('all periods', () => {
  const instants = fc.integer({ min: at('1990-01-01T00:00:00Z'), max: at('2050-01-01T00:00:00Z') });
  const zones = fc.constantFrom(
    'UTC',
    'America/New_York',
    'Europe/Berlin',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Cairo',
  );
  const anchors: fc.Arbitrary<PeriodAnchor> = fc.oneof(fc.constant<PeriodAnchor>('calendar'), instants);

  it('tile time: a period holds its instant, ends where the next starts, and is the same found from any of its instants', () => {
    fc.assert(
      fc.property(
        anchors,
        zones,
        instants,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (anchor, timezone, instant, share) => {
          const period = billingPeriodOf(anchor, timezone, instant);
          expect(period.start).toBeLessThanOrEqual(instant);
          expect(period.end).toBeGreaterThan(instant);
          const days = (period.end - period.start) / 86_400_000;
          expect(days).toBeGreaterThan(27.9);
          expect(days).toBeLessThan(31.1);
          expect(billingPeriodOf(anchor, timezone, period.end).start).toBe(period.end);
          expect(billingPeriodOf(anchor, timezone, period.start - 1).end).toBe(period.start);
          const inside = Math.min(period.end - 1, Math.floor(period.start + share * (period.end - period.start)));
          expect(billingPeriodOf(anchor, timezone, inside)).toEqual(period);
        },
      ),
    );
  });

  it('start at the anchor, and counting periods one by one is counting months from it', () => {
    fc.assert(
      fc.property(instants, zones, fc.integer({ min: 1, max: 30 }), (anchor, timezone, count) => {
        let period = billingPeriodOf(anchor, timezone, anchor);
        expect(period.start).toBe(anchor);
        for (let i = 0; i < count; i += 1) period = billingPeriodOf(anchor, timezone, period.end);
        const wallClock = (instant: number) =>
          new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: 'numeric' }).formatToParts(
            instant,
          );
        const monthNumber = (instant: number) => {
          const part = (type: string) => Number(wallClock(instant).find((each) => each.type === type)!.value);
          return part('year') * 12 + part('month');
        };
        expect(monthNumber(period.start) - monthNumber(anchor)).toBe(count);
      }),
    );
  });

  it('are the very same ones when asked for again, for many anchors', () => {
    const now = at('2026-11-20T00:00:00Z');
    const anchorOf = (subject: number) => at('2024-01-01T00:00:00Z') + subject * 60_000;
    const first = Array.from({ length: 20_000 }, (_, subject) =>
      billingPeriodOf(anchorOf(subject), 'Europe/Berlin', now),
    );
    for (const [subject, period] of first.entries()) {
      expect(billingPeriodOf(anchorOf(subject), 'Europe/Berlin', now)).toBe(period);
    }
  });
});

describe('months in UTC', () => {
  it('are those that a calendar tells of a zone that never changes its clocks', () => {
    const instants = fc.integer({ min: Date.UTC(1968, 0), max: Date.UTC(2100, 0) });
    const anchors = fc.oneof(fc.constant('calendar' as const), instants);
    fc.assert(
      fc.property(anchors, instants, (anchor, instant) => {
        expect(billingPeriodOf(anchor, 'UTC', instant)).toEqual(billingPeriodOf(anchor, 'Etc/UTC', instant));
      }),
    );
  });
});
