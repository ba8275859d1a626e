// Line items that are wider than the windows of their meter, on a real Postgres and a real ClickHouse engine: what they
// cover where a period cuts them, when they close, what corrects them, and what it costs to read them. Meters are those
// of a file that says no window.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Decimal } from '../../domain/number/decimal.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop, type StepOutcome } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { changeSubscription, subscribe } from '../support/subscribe.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LATENESS_MS = 5 * MINUTE_MS;
const at = (text: string): number => Date.parse(`2026-${text}Z`);
const logger = pino({ level: 'silent' });

const aggregations = ['sum', 'max', 'min', 'latest', 'unique'] as const;
const pricesAt = (unitAmount: string): string =>
  aggregations
    .map((each) => `      - { slug: p-${each}, meter: ${each}, model: per_unit, unitAmount: "${unitAmount}" }`)
    .join('\n');
const catalog = soundCatalog(
  `currency: INR
meters:
${aggregations.map((each) => `  - { slug: ${each}, eventType: call, aggregation: ${each}, value: data.n }`).join('\n')}
plans:
  - slug: payg
    calendar: true
    timezone: Asia/Kolkata
    prices:
${pricesAt('2')}
  - slug: pro
    afterEnd: none
    prices:
${pricesAt('4')}
defaultPlan: payg
`,
  'the catalog of the test',
);

const row = (meter: string, time: string, value: string, subject = 'cus_1'): UsageRow => ({
  ...{ meter, subject, windowStart: at(time), value, latestEventTime: at(time) },
  ...(meter === 'unique' && { value: '1', uniqueValues: [value] }),
});
const ofAll = (time: string, value: string, subject?: string): UsageRow[] =>
  aggregations.map((each) => row(each, time, value, subject));

const plain = (text: string): string => Decimal.parse(text).toString();

/** By price and term, in the order of the keys. */
async function amounts(pool: pg.Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; amount: string }>(
    `SELECT price || ' ' || to_char(term_start AT TIME ZONE 'UTC', 'MM-DD HH24:MI') AS name, sum(amount) AS amount
     FROM tallyline.line_items GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, amount }) => [name, plain(amount)]));
}

describe('line items of an hour, over windows of a quarter', () => {
  let stores: MigratedStores;
  let pool: pg.Pool;
  let clickhouse: ClickHouse;
  let usage: SealedUsage;

  beforeAll(async () => {
    stores = await startMigratedStores();
    ({ pool, clickhouse } = stores);
  }, 300_000);

  afterAll(() => stores?.stop());

  beforeEach(async () => {
    usage = new SealedUsage(pool, clickhouse);
    await usage.reset();
    await usage.addTenant('acme');
    await usage.apply(1, catalog);
  });

  const step = (store: RatingStore = storedRating(pool, clickhouse)): Promise<StepOutcome> => {
    const metrics = createRaterMetrics(new Registry());
    return new RatingLoop({ store, metrics, logger, clock: Date.now, allowedLatenessMs: LATENESS_MS }).step();
  };
  const closeUpTo = (time: string, rows: readonly UsageRow[] = []): Promise<void> =>
    usage.seal({ watermark: at(time) + LATENESS_MS, rows });

  /** The items of a price, as they were written. */
  async function items(price: string): Promise<string[]> {
    const text = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'MM-DD HH24:MI')`;
    const { rows } = await pool.query<Record<'term' | 'start' | 'until' | 'quantity' | 'revision' | 'cause', string>>(
      `SELECT ${text('term_start')} AS term, ${text('window_start')} AS start,
         to_char(window_end AT TIME ZONE 'UTC', 'HH24:MI') AS until, quantity, revision, cause
       FROM tallyline.line_items WHERE price = $1 ORDER BY sequence`,
      [price],
    );
    return rows.map(
      (each) => `${each.term}: ${each.start} to ${each.until}, ${plain(each.quantity)} ${each.cause} ${each.revision}`,
    );
  }

  it('are cut by a month of Kolkata, close with their hour, and are corrected each in its month', async () => {
    await closeUpTo('10-31T18:45', [
      ...['18:00', '18:15', '18:30', '18:45'].flatMap((time, i) => ofAll(`10-31T${time}`, `${i + 1}`)),
      ...ofAll('10-31T17:45', '9'),
    ]);
    expect(await step()).toBe('rated');
    const october = '09-30 18:30';
    const november = '10-31 18:30';
    const first = `${october}: 10-31 17:00 to 18:00, 9 window_closed 0`;
    expect(await items('p-sum')).toEqual([first]);

    await closeUpTo('10-31T19:00');
    expect(await step()).toBe('rated');
    const halves = [
      `${october}: 10-31 18:00 to 18:30, 3 window_closed 0`,
      `${november}: 10-31 18:30 to 19:00, 7 window_closed 0`,
    ];
    expect((await items('p-sum')).toSorted()).toEqual([first, ...halves].toSorted());
    expect(await items('p-max')).not.toContain(expect.stringContaining('10-31 18:15'));

    await closeUpTo('10-31T19:10', [...ofAll('10-31T18:15', '20'), ...ofAll('10-31T18:45', '30')]);
    expect(await step()).toBe('rated');
    expect((await items('p-sum')).slice(3).toSorted()).toEqual(
      [
        `${october}: 10-31 18:00 to 18:30, 20 late_usage 1`,
        `${november}: 10-31 18:30 to 19:00, 30 late_usage 1`,
      ].toSorted(),
    );
    expect(await step()).toBe('idle');
    expect(await amounts(pool)).toEqual({
      [`p-latest ${october}`]: '40',
      [`p-latest ${november}`]: '60',
      [`p-max ${october}`]: '40',
      [`p-max ${november}`]: '60',
      [`p-min ${october}`]: '2',
      [`p-min ${november}`]: '6',
      [`p-sum ${october}`]: '64',
      [`p-sum ${november}`]: '74',
      [`p-unique ${october}`]: '8',
      [`p-unique ${november}`]: '6',
    });
  });

  it('are corrected in the old term and written in the new one where a change of plan cuts an hour', async () => {
    const kolkata = { anchor: 'calendar', timezone: 'Asia/Kolkata' } as const;
    const since = { plan: 'payg', startsAt: at('10-31T18:30'), ...kolkata };
    const subscription = await subscribe(pool, { tenant: 'acme', customer: 'cus_1', ...since });
    await closeUpTo('11-10T12:00', [
      ...ofAll('11-10T10:00', '1'),
      ...ofAll('11-10T10:15', '2'),
      ...ofAll('11-10T10:30', '4'),
      ...ofAll('11-10T10:45', '8'),
      ...ofAll('11-10T11:15', '16'),
    ]);
    await step();
    const before = await items('p-sum');
    const [month, pro] = ['10-31 18:30', '11-10 10:30'];
    expect(before).toEqual([
      `${month}: 11-10 10:00 to 11:00, 15 window_closed 0`,
      `${month}: 11-10 11:00 to 12:00, 16 window_closed 0`,
    ]);
    const whole = await amounts(pool);

    const changed = await changeSubscription(pool, subscription, at('11-10T10:30'), { plan: 'pro' });
    expect(await step()).toBe('rated');
    expect((await items('p-sum')).slice(2)).toEqual([
      `${month}: 11-10 10:00 to 11:00, -12 plan_change 1`,
      `${month}: 11-10 11:00 to 12:00, -16 plan_change 1`,
      `${pro}: 11-10 10:30 to 11:00, 12 plan_change 0`,
      `${pro}: 11-10 11:00 to 12:00, 16 plan_change 0`,
    ]);
    // T6: levels are shared by time, of which 232 of 720 hours are before.
    expect(await amounts(pool)).toEqual({
      [`p-sum ${month}`]: '6',
      [`p-sum ${pro}`]: '112',
      [`p-max ${month}`]: '10.311111111111',
      [`p-max ${pro}`]: '43.377777777778',
      [`p-min ${month}`]: '0.644444444444',
      [`p-min ${pro}`]: '2.711111111111',
      [`p-latest ${month}`]: '10.311111111111',
      [`p-latest ${pro}`]: '43.377777777778',
      [`p-unique ${month}`]: '4',
      [`p-unique ${pro}`]: '12',
    });

    // The change was a mistake: the term before takes its time back.
    await changeSubscription(pool, changed, at('11-10T10:30'), { plan: 'payg' });
    expect(await step()).toBe('rated');
    expect((await items('p-sum')).slice(6).toSorted()).toEqual(
      [
        `${month}: 11-10 10:00 to 11:00, 12 plan_change 2`,
        `${month}: 11-10 11:00 to 12:00, 16 plan_change 2`,
        `${pro}: 11-10 10:30 to 11:00, -12 plan_change 1`,
        `${pro}: 11-10 11:00 to 12:00, -16 plan_change 1`,
      ].toSorted(),
    );
    const cancelled = aggregations.map((each) => [`p-${each} ${pro}`, '0']);
    expect(await amounts(pool)).toEqual({ ...whole, ...Object.fromEntries(cancelled) });
    expect(await step()).toBe('idle');
  });

  it('are read as whole items, from the one on that was touched', async () => {
    const read: number[] = [];
    const stored = storedRating(pool, clickhouse);
    const store: RatingStore = {
      ...stored,
      async readUsage(selection) {
        const rows = await stored.readUsage(selection);
        read.push(rows.length);
        return rows;
      },
    };
    const subjects = ['cus_1', 'cus_2', 'cus_3'];
    const quarters = (hour: string, minutes: readonly string[]) =>
      subjects.flatMap((subject) => minutes.flatMap((minute) => ofAll(`11-10T${hour}:${minute}`, '1', subject)));
    await closeUpTo('11-10T09:00', quarters('08', ['00', '15', '30', '45']));
    expect(await step(store)).toBe('rated');
    // A read of each meter but the unique one, with one item of each subject.
    expect(read).toEqual([3, 3, 3, 3]);
    read.length = 0;
    // The first usage of the hour is not in its first window.
    await closeUpTo('11-10T10:00', quarters('09', ['15', '30', '45']));
    expect(await step(store)).toBe('rated');
    // What was before, and the hour.
    expect(read).toEqual([6, 6, 6, 6]);
    read.length = 0;
    await closeUpTo('11-10T10:10', quarters('09', ['30']));
    expect(await step(store)).toBe('rated');
    expect(read).toEqual([6, 6, 6, 6]);
    expect((await items('p-sum')).length).toBe(9);
  });
});

describe('verify', () => {
  const now = Date.now();
  /** When the last month of Kolkata began that did so a day ago or earlier. */
  const [year, month] = new Date(now - 24 * HOUR_MS + 5.5 * HOUR_MS).toISOString().split('-').map(Number);
  const monthStart = Date.UTC(year!, month! - 1, 1) - 5.5 * HOUR_MS;
  let installation: Installation;

  beforeAll(async () => {
    installation = await Installation.start();
    await installation.apply(catalog);
    await installation.startAggregator();
  }, 300_000);

  afterAll(() => installation?.stop());

  it('finds nothing about quarters that are billed by the hour, around the first of a month of Kolkata', async () => {
    // From four hours before to four hours after, in steps of 7 minutes.
    const call = (i: number, run: number): EventToSend => ({
      id: `call-${run}-${i}`,
      subject: `cus_${i % 2}`,
      time: monthStart + (i - 34) * 7 * MINUTE_MS,
      data: { n: `${((i * 5 + run) % 13) + run}.5` },
    });
    const calls = (run: number) => Array.from({ length: 68 }, (_, i) => call(i, run));
    await installation.send(calls(0));
    await installation.untilSealed();
    await installation.rate();
    // Late by now.
    await installation.send(calls(1).filter((_, i) => i % 3 === 0));
    await installation.untilSealed();
    await installation.rate();
    await installation.stopAggregator();
    const { pool } = installation.stores;
    const { rows } = await pool.query<Record<string, number>>(
      `SELECT count(*)::int AS cut, count(DISTINCT period_start)::int AS periods, max(revision) AS revision
       FROM tallyline.line_items WHERE window_end - window_start = interval '30 minutes'`,
    );
    expect(rows).toEqual([{ cut: expect.any(Number), periods: 2, revision: 1 }]);
    const wide = await pool.query(
      `SELECT 1 FROM tallyline.line_items WHERE window_start < $1 AND window_end > $1
         OR window_end - window_start NOT IN (interval '1 hour', interval '30 minutes')`,
      [new Date(monthStart)],
    );
    expect(wide.rows).toEqual([]);
    const scope = { from: null, to: null, tenant: null };
    const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
    expect(log.discrepancies).toEqual([]);
    expect(log.compared.I4).toBeGreaterThan(aggregations.length * 8 - 1);

    // It says so where an item is of a window that is not closed with its hour.
    await pool.query("UPDATE tallyline.rater_shards SET closed_up_to = closed_up_to - interval '100 years'");
    await pool.query(
      `WITH rating AS (
         INSERT INTO tallyline.ratings (catalog_version, seal_vector, rated_watermark, closed_up_to)
         SELECT catalog_version, seal_vector, rated_watermark, $1 FROM tallyline.ratings ORDER BY id DESC LIMIT 1 RETURNING id)
       UPDATE tallyline.billing_periods SET rating = (SELECT id FROM rating) WHERE period_end = $1`,
      [new Date(monthStart)],
    );
    const open = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
    expect(open.failed.I4).toBeGreaterThan(0);
  }, 300_000);
});
