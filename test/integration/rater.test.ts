// The rater on a real Postgres and a real ClickHouse engine, fed with roll-up rows and seals as the aggregator writes
// them.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Catalog, emptyCatalog, type Meter, type Plan, type Price } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { readProgress } from '../../platform/billing-store/rater-progress.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { startRater } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { aMeter } from '../support/a-meter.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { changeSubscription, subscribe } from '../support/subscribe.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LATENESS_MS = 5 * 60_000;
const at = (text: string): number => Date.parse(`2026-${text}Z`);
const logger = pino({ level: 'silent' });

const meter = (slug: string, aggregation: Meter['aggregation'], more: Partial<Meter> = {}): Meter =>
  aMeter(slug, { eventType: 'e', aggregation, valuePath: aggregation === 'count' ? null : ['value'], ...more });
const perUnit = (slug: string, of: string, unitAmount: string, match = {}): Price => ({
  slug,
  meter: of,
  match,
  model: 'per_unit',
  unitAmount,
});
const plan = (slug: string, prices: readonly Price[], more: Partial<Plan> = {}): Plan => ({
  slug,
  calendar: true,
  timezone: 'UTC',
  prices,
  ...more,
});
const tokens = meter('tokens', 'sum', { dimensions: [{ name: 'model', path: ['model'] }] });
const catalogOf = (prices: readonly Price[], more: Partial<Catalog> = {}): Catalog => ({
  ...emptyCatalog,
  meters: [tokens],
  plans: [plan('payg', prices)],
  defaultPlan: 'payg',
  ...more,
});
const perToken = catalogOf([perUnit('input', 'tokens', '0.01')]);

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
});

interface LoopOptions {
  readonly clickhouse?: ClickHouse;
  readonly batchCustomersMax?: number;
  readonly registry?: Registry;
  readonly allowedLatenessMs?: number;
}

function raterLoop(options: LoopOptions = {}): RatingLoop {
  return new RatingLoop({
    store: storedRating(pool, options.clickhouse ?? clickhouse),
    metrics: createRaterMetrics(options.registry ?? new Registry()),
    logger,
    clock: Date.now,
    allowedLatenessMs: options.allowedLatenessMs ?? LATENESS_MS,
    batchCustomersMax: options.batchCustomersMax ?? 200,
  });
}

const row = (windowStart: number, value: string, more: Partial<UsageRow> = {}): UsageRow => ({
  meter: 'tokens',
  subject: 'cus_1',
  groupValues: ['large'],
  windowStart,
  value,
  ...more,
});

interface Item {
  readonly customer: string;
  readonly price: string;
  readonly window_start: Date;
  readonly quantity: string;
  readonly amount: string;
  readonly kind: string;
  readonly revision: number;
  readonly cause: string;
  readonly plan: string;
  readonly tenant: string;
  readonly period_start: Date;
  readonly period_end: Date;
}

const items = async (): Promise<Item[]> =>
  (await pool.query<Item>('SELECT * FROM tallyline.line_items ORDER BY sequence')).rows;
const plain = (text: string): string => Decimal.parse(text).toString();
const brief = async (): Promise<string[]> =>
  (await items()).map((item) =>
    [
      `${item.customer} ${item.price} ${item.window_start.toISOString().slice(5, 13)}`,
      `${plain(item.quantity)} = ${plain(item.amount)} ${item.kind} ${item.revision} ${item.cause}`,
    ].join(' '),
  );

/** I5 and the two entries of each item; the sums of amounts by customer. */
async function sums(): Promise<Record<string, string>> {
  const { rows: unbalanced } = await pool.query(
    `SELECT item.id FROM tallyline.line_items item
     LEFT JOIN tallyline.ledger_entries debit ON debit.line_item = item.id AND debit.account = 'receivable:' || item.customer
     LEFT JOIN tallyline.ledger_entries credit ON credit.line_item = item.id AND credit.account = 'revenue:' || item.price
     WHERE debit.amount IS DISTINCT FROM item.amount OR credit.amount IS DISTINCT FROM -item.amount`,
  );
  expect(unbalanced).toEqual([]);
  const { rows } = await pool.query<{ customer: string; amount: string }>(
    'SELECT customer, sum(amount) AS amount FROM tallyline.line_items GROUP BY customer ORDER BY customer',
  );
  return Object.fromEntries(rows.map(({ customer, amount }) => [customer, plain(amount)]));
}

describe('rating', () => {
  it('charges closed windows only, once, with ledger entries', async () => {
    await usage.apply(1, perToken);
    await usage.seal({
      watermark: at('11-10T12:04:59'),
      rows: [row(at('11-10T10:00'), '7'), row(at('11-10T11:00'), '2.5'), row(at('11-10T12:00'), '1')],
    });
    const loop = raterLoop();
    expect(await loop.step()).toBe('rated');
    expect(await brief()).toEqual(['cus_1 input 11-10T10 7 = 0.07 usage 0 window_closed']);
    expect(await loop.step()).toBe('idle');

    await usage.passTime(at('11-10T12:05:00'));
    expect(await loop.step()).toBe('rated');
    expect((await brief()).slice(1)).toEqual(['cus_1 input 11-10T11 2.5 = 0.025 usage 0 window_closed']);
    expect(await sums()).toEqual({ cus_1: '0.095' });
  });

  it('keeps a window closed when more lateness is allowed later', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T12:05'), rows: [row(at('11-10T11:00'), '7')] });
    await raterLoop().step();
    expect(await sums()).toEqual({ cus_1: '0.07' });
    await usage.seal({ watermark: at('11-10T12:06'), rows: [row(at('11-10T11:00'), '2')] });
    await raterLoop({ allowedLatenessMs: 24 * 3_600_000 }).step();
    expect(await sums()).toEqual({ cus_1: '0.09' });
  });

  it('writes late usage as adjustments, in the rated window and in one that had closed empty', async () => {
    await usage.apply(1, perToken);
    const loop = raterLoop();
    await usage.seal({ watermark: at('11-10T14:00'), rows: [row(at('11-10T10:00'), '7')] });
    await loop.step();
    await usage.seal({
      watermark: at('11-10T14:01'),
      rows: [row(at('11-10T10:00'), '3'), row(at('11-10T11:00'), '5'), row(at('11-10T14:00'), '9')],
    });
    await loop.step();
    expect((await brief()).slice(1)).toEqual([
      'cus_1 input 11-10T10 3 = 0.03 adjustment 1 late_usage',
      'cus_1 input 11-10T11 5 = 0.05 adjustment 0 late_usage',
    ]);
  });

  it('gives money back where a volume price falls', async () => {
    const volume: Price = {
      slug: 'input',
      meter: 'tokens',
      match: {},
      model: 'volume',
      tiers: [
        { upTo: '1000', unitAmount: '0.10', flatAmount: '0' },
        { upTo: null, unitAmount: '0.05', flatAmount: '0' },
      ],
    };
    await usage.apply(1, catalogOf([volume]));
    const loop = raterLoop();
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '1000')] });
    await loop.step();
    await usage.seal({ watermark: at('11-10T13:00'), rows: [row(at('11-10T11:00'), '1')] });
    await loop.step();
    expect(await brief()).toEqual([
      'cus_1 input 11-10T10 1000 = 100 usage 0 window_closed',
      'cus_1 input 11-10T11 1 = -49.95 usage 0 window_closed',
    ]);
  });

  it('prices every aggregation as the meter of the whole period says', async () => {
    const aggregations = ['sum', 'count', 'max', 'min', 'latest', 'unique'] as const;
    await usage.apply(
      1,
      catalogOf(
        aggregations.map((each) => perUnit(`p_${each}`, each, '1')),
        { meters: aggregations.map((each) => meter(each, each)) },
      ),
    );
    const values = ['4', '9', '2'];
    const seen = [['a', 'b'], ['b', 'c', 'd'], ['a']];
    for (const [i, value] of values.entries()) {
      const windowStart = at('11-10T10:00') + i * HOUR_MS;
      await usage.seal({
        watermark: windowStart + HOUR_MS,
        rows: aggregations.map((each) => ({
          meter: each,
          subject: 'cus_1',
          windowStart,
          value: each === 'unique' ? String(seen[i]!.length) : value,
          latestEventTime: windowStart,
          ...(each === 'unique' && { uniqueValues: seen[i]! }),
        })),
      });
    }
    // The values of two partitions and of a late chunk meet in one window.
    await usage.passTime(at('11-10T14:00'));
    const loop = raterLoop();
    await loop.step();
    const byPrice = async (): Promise<Record<string, string>> => {
      const { rows } = await pool.query<{ price: string; amount: string }>(
        'SELECT price, sum(amount) AS amount FROM tallyline.line_items GROUP BY price',
      );
      return Object.fromEntries(rows.map(({ price, amount }) => [price, plain(amount)]));
    };
    expect(await byPrice()).toEqual({
      p_sum: '15',
      p_count: '15',
      p_max: '9',
      p_min: '2',
      p_latest: '2',
      p_unique: '4',
    });

    await usage.seal({
      watermark: at('11-10T14:00'),
      rows: [
        { meter: 'max', subject: 'cus_1', windowStart: at('11-10T10:00'), value: '20' },
        { meter: 'latest', subject: 'cus_1', windowStart: at('11-10T11:00'), value: '50', latestEventTime: 1 },
        { meter: 'unique', subject: 'cus_1', windowStart: at('11-10T10:00'), value: '2', uniqueValues: ['c', 'x'] },
      ],
    });
    await loop.step();
    expect(await byPrice()).toEqual({
      p_sum: '15',
      p_count: '15',
      p_max: '20',
      p_min: '2',
      p_latest: '2',
      p_unique: '5',
    });
  });

  it('charges a price only for the group values it matches', async () => {
    const prices = [
      perUnit('large', 'tokens', '2', { model: 'large' }),
      perUnit('small', 'tokens', '1', { model: "it's \\ small\n" }),
      perUnit('without', 'tokens', '10', { model: '' }),
    ];
    await usage.apply(1, catalogOf(prices));
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: [
        row(at('11-10T10:00'), '3'),
        row(at('11-10T10:00'), '5', { groupValues: ["it's \\ small\n"] }),
        row(at('11-10T10:00'), '7', { groupValues: ['other'] }),
        row(at('11-10T10:00'), '4', { groupValues: [''] }),
      ],
    });
    await raterLoop().step();
    expect((await brief()).sort()).toEqual([
      'cus_1 large 11-10T10 3 = 6 usage 0 window_closed',
      'cus_1 small 11-10T10 5 = 5 usage 0 window_closed',
      'cus_1 without 11-10T10 4 = 40 usage 0 window_closed',
    ]);
  });

  it('keeps tenants with the same subject apart', async () => {
    await usage.apply(1, perToken);
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: [row(at('11-10T10:00'), '1'), row(at('11-10T10:00'), '100', { tenant: 'other' })],
    });
    await raterLoop().step();
    expect((await items()).map((item) => `${item.tenant} ${plain(item.amount)}`).sort()).toEqual([
      'acme 0.01',
      'other 1',
    ]);
  });

  it('does not see what a slow former owner or an open chunk wrote', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T11:00'), epoch: 3, rows: [row(at('11-10T10:00'), '1')] });
    // Of an epoch below the seal's, under another key, so that no newer row hides it.
    await usage.write(0, { epoch: 2, rows: [row(at('11-10T10:00'), '100', { groupValues: ['zombie'] })] });
    await usage.seal({ watermark: at('11-10T12:00'), epoch: 4, rows: [row(at('11-10T10:00'), '2')] });
    await usage.write(1, { epoch: 3, rows: [row(at('11-10T10:00'), '1000', { groupValues: ['zombie'] })] });
    await usage.write(2, { epoch: 4, rows: [row(at('11-10T10:00'), '10000')] });
    expect(await raterLoop().step()).toBe('rated');
    expect(await sums()).toEqual({ cus_1: '0.03' });
  });
});

describe('billing periods', () => {
  it('ends a month by the time zone of the plan', async () => {
    const tokyo = { plans: [plan('payg', [perUnit('input', 'tokens', '1')], { timezone: 'Asia/Tokyo' })] };
    await usage.apply(1, catalogOf([], tokyo));
    // November ends in Tokyo at 15:00 UTC.
    await usage.seal({
      watermark: at('12-01T00:00'),
      rows: [row(at('11-30T14:00'), '1'), row(at('11-30T15:00'), '10')],
    });
    await raterLoop().step();
    expect((await items()).map((item) => [plain(item.quantity), item.period_start.toISOString()])).toEqual([
      ['1', '2026-10-31T15:00:00.000Z'],
      ['10', '2026-11-30T15:00:00.000Z'],
    ]);
  });

  it('moves usage to the new plan when a subscription starts in the middle of a rated month', async () => {
    await usage.apply(1, perToken);
    const loop = raterLoop();
    await usage.seal({
      watermark: at('11-20T00:00'),
      rows: [row(at('11-05T10:00'), '10'), row(at('11-15T10:00'), '20')],
    });
    await loop.step();
    expect(await sums()).toEqual({ cus_1: '0.3' });

    const pro = plan('pro', [perUnit('pro-input', 'tokens', '1')], { calendar: false });
    await usage.apply(2, { ...perToken, plans: [...perToken.plans, pro] });
    const startsAt = at('11-10T00:00');
    await subscribe(pool, { tenant: 'acme', customer: 'cus_1', plan: 'pro', startsAt, anchor: startsAt });
    expect(await loop.step()).toBe('rated');
    expect((await brief()).slice(2)).toEqual([
      'cus_1 input 11-15T10 -20 = -0.2 adjustment 1 plan_change',
      'cus_1 pro-input 11-15T10 20 = 20 usage 0 window_closed',
    ]);
    expect(await loop.step()).toBe('idle');

    await usage.seal({
      watermark: at('11-20T01:00'),
      rows: [row(at('11-09T23:00'), '1'), row(at('11-10T00:00'), '1')],
    });
    await loop.step();
    expect(await sums()).toEqual({ cus_1: '21.11' });
    const { rows } = await pool.query(
      'SELECT subscription, period_start, period_end FROM tallyline.billing_periods ORDER BY 2',
    );
    expect(rows).toEqual([
      { subscription: '', period_start: new Date(at('11-01T00:00')), period_end: new Date(at('12-01T00:00')) },
      { subscription: 'cus_1', period_start: new Date(at('11-10T00:00')), period_end: new Date(at('12-10T00:00')) },
    ]);
  });

  it('takes a new price from its instant on, within a period that was rated before', async () => {
    await usage.apply(1, perToken);
    const loop = raterLoop();
    await usage.seal({ watermark: at('11-20T00:00'), rows: [row(at('11-15T10:00'), '20')] });
    await loop.step();
    await usage.apply(2, catalogOf([perUnit('input', 'tokens', '5')]), at('11-21T00:00'));
    await usage.seal({
      watermark: at('12-02T00:00'),
      rows: [row(at('11-20T23:00'), '1'), row(at('11-25T10:00'), '1'), row(at('12-01T10:00'), '1')],
    });
    await loop.step();
    expect((await items()).map((item) => plain(item.amount))).toEqual(['0.2', '0.01', '5', '5']);
    const terms = await pool.query('SELECT term_start, catalog_version FROM tallyline.line_items ORDER BY sequence');
    expect(terms.rows).toEqual([
      { term_start: new Date(at('11-01T00:00')), catalog_version: 1 },
      { term_start: new Date(at('11-01T00:00')), catalog_version: 1 },
      { term_start: new Date(at('11-21T00:00')), catalog_version: 2 },
      { term_start: new Date(at('12-01T00:00')), catalog_version: 2 },
    ]);
  });

  it('charges a fee for each started period of a subscription without usage, in its tenant', async () => {
    const flat: Price = { slug: 'base', model: 'flat', flatAmount: '29.90' };
    await usage.apply(1, catalogOf([flat], { defaultPlan: null }));
    const subscription = { tenant: 'acme', customer: 'cus_1', plan: 'payg', startsAt: at('10-15T00:00') };
    await subscribe(pool, subscription);
    await usage.passTime(at('10-14T00:00'));
    const loop = raterLoop();
    await loop.step();
    expect(await items()).toEqual([]);
    await usage.passTime(at('10-15T00:00'));
    await loop.step();
    await loop.step();
    // 17 of 31 days.
    const first = 'cus_1 base 10-15T00 1 = 16.396774193548 usage 0 period_started';
    expect(await brief()).toEqual([first]);
    await usage.passTime(at('11-01T00:00'));
    await loop.step();
    expect(await brief()).toEqual([first, 'cus_1 base 11-01T00 1 = 29.9 usage 0 period_started']);
    // One that was made afterwards, and a rater that starts anew.
    await subscribe(pool, { ...subscription, tenant: 'other' });
    await raterLoop().step();
    expect((await items()).map((item) => item.tenant)).toEqual(['acme', 'acme', 'other', 'other']);
    expect((await brief()).slice(2)).toEqual((await brief()).slice(0, 2));
  });

  it('bills a change of plan from its instant on, and gives back what was taken for longer', async () => {
    const flat = (flatAmount: string): Price => ({ slug: 'base', model: 'flat', flatAmount });
    await usage.apply(1, {
      ...catalogOf([], { defaultPlan: null }),
      plans: [
        plan('small', [flat('90'), perUnit('input', 'tokens', '0.10')]),
        plan('large', [flat('270'), perUnit('input', 'tokens', '0.30')]),
      ],
    });
    const small = { tenant: 'acme', customer: 'cus_1', plan: 'small', startsAt: at('10-01T00:00') };
    const subscription = await subscribe(pool, small);
    const loop = raterLoop();
    await usage.seal({ watermark: at('10-15T23:00'), rows: [row(at('10-10T10:00'), '100')] });
    await loop.step();
    expect(await sums()).toEqual({ cus_1: '100' });
    await changeSubscription(pool, subscription, at('10-16T00:00'), { plan: 'large' });
    await usage.seal({ watermark: at('10-20T00:00'), rows: [row(at('10-18T10:00'), '100')] });
    await loop.step();
    expect((await brief()).slice(2).sort()).toEqual([
      'cus_1 base 10-01T00 0 = -46.451612903226 adjustment 1 plan_change',
      'cus_1 base 10-16T00 1 = 139.354838709677 usage 0 period_started',
      'cus_1 input 10-18T10 100 = 30 usage 0 window_closed',
    ]);
    expect(await sums()).toEqual({ cus_1: '222.903225806451' });
    await usage.passTime(at('10-25T00:00'));
    await loop.step();
    expect(await loop.step()).toBe('idle');
    expect(await items()).toHaveLength(5);
  });

  it('charges the default plan its flat price only in a period with usage', async () => {
    const flat: Price = { slug: 'base', model: 'flat', flatAmount: '5' };
    await usage.apply(1, catalogOf([flat, perUnit('input', 'tokens', '1')]));
    await usage.addTenant('acme');
    await usage.seal({ watermark: at('11-10T00:00'), rows: [row(at('10-31T23:00'), '2')] });
    const loop = raterLoop();
    await loop.step();
    await usage.passTime(at('11-20T00:00'));
    await loop.step();
    expect((await brief()).sort()).toEqual([
      'cus_1 base 10-01T00 1 = 5 usage 0 period_started',
      'cus_1 input 10-31T23 2 = 2 usage 0 window_closed',
    ]);
  });
});

describe('docs/use/rating.md', () => {
  it('computes an amount again with the SQL it shows', async () => {
    const text = await readFile(projectFile('docs/use/rating.md'), 'utf8');
    const [postgresSql, clickhouseSql] = [...text.matchAll(/```sql\n(.*?)```/gs)].map((match) => match[1]!);
    const [periodsSql, writtenSql, pricesSql] = postgresSql!.split(';');

    usage = new SealedUsage(pool, clickhouse, 2);
    await usage.reset();
    const price = perUnit('input-large', 'input_tokens', '0.000003', { model: 'm-large' });
    await usage.apply(1, {
      ...emptyCatalog,
      meters: [{ ...tokens, slug: 'input_tokens' }],
      plans: [plan('pay-as-you-go', [price])],
      defaultPlan: 'pay-as-you-go',
    });
    const more = { meter: 'input_tokens', subject: 'cus_42', groupValues: ['m-large'] };
    for (let chunk = 0; chunk < 17; chunk += 1) {
      const watermark = at('11-10T12:00') + Math.min(chunk, 15) * 20_000;
      const rows = [row(at('11-10T09:00'), String(chunk + 1), more), row(at('11-10T12:00'), '1000', more)];
      await usage.seal({ partition: 0, watermark, rows });
      if (chunk < 16) await usage.seal({ partition: 1, watermark, rows });
    }
    await raterLoop().step();
    await usage.write(17, { rows: [row(at('11-10T09:00'), '1', more)] });

    const { rows: periods } = await pool.query(periodsSql!);
    expect(periods).toMatchObject([
      { closed_up_to: new Date(at('11-10T12:00')), seal_vector: { 1: { 0: 17, 1: 16 } } },
    ]);
    const { rows: prices } = await pool.query<{ price: { unitAmount: string } }>(pricesSql!);
    const [quantity] = await clickhouse.query<Record<string, string>>(clickhouseSql!);
    const total = Decimal.parse(Object.values(quantity!)[0]!);
    expect(total.toString()).toBe(String((17 * 18) / 2 + (16 * 17) / 2));
    const { rows: written } = await pool.query<{ quantity: string; amount: string }>(writtenSql!);
    expect(written.map((line) => [plain(line.quantity), plain(line.amount)])).toEqual([
      [total.toString(), total.times(Decimal.parse(prices[0]!.price.unitAmount)).toString()],
    ]);
  });
});

describe('the ledger', () => {
  it('refuses entries that do not add up to zero, and any change of what was written', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '7')] });
    await raterLoop().step();
    const insert = `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency)
      VALUES (gen_random_uuid(), 0, 'acme', 'receivable:cus_1', 1, 'USD')`;
    await expect(pool.query(insert)).rejects.toThrow('does not add up to zero');
    await expect(pool.query('UPDATE tallyline.line_items SET amount = 0')).rejects.toThrow('a correction is a new row');
    await expect(pool.query('DELETE FROM tallyline.ledger_entries')).rejects.toThrow('a correction is a new row');
  });
});

describe('the stage', () => {
  const emptyLog = { topicId: '', bounds: async () => [] };
  const stage = () => {
    const settings = {
      rater: { intervalMs: 20, leaseMs: 30_000, auditIntervalMs: 60_000 },
      allowedLatenessMs: LATENESS_MS,
    } as Settings;
    return startRater(
      { settings, logger, registry: new Registry(), clock: Date.now },
      { pool, clickhouse, eventLog: emptyLog },
    );
  };

  it('rates by itself, says whether it is ready, and stops', async () => {
    await usage.apply(1, perToken);
    const rater = await stage();
    await until(() => rater.notReady() === null, 'ready');
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '7')] });
    await until(async () => (await items()).length === 1, 'a line item');
    await rater.stop();
    expect(await sums()).toEqual({ cus_1: '0.07' });
  });

  it('ends where stored amounts are not what the usage costs', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '7')] });
    await raterLoop().step();
    await pool.query('ALTER TABLE tallyline.line_items DISABLE TRIGGER line_items_append_only');
    await pool.query('UPDATE tallyline.line_items SET amount = 1');
    await pool.query('ALTER TABLE tallyline.line_items ENABLE TRIGGER line_items_append_only');
    await usage.seal({ watermark: at('11-10T13:00'), rows: [row(at('11-10T10:00'), '0')] });
    const rater = await stage();
    await expect(rater.failed).rejects.toThrow("the line items' amounts add up to 1, but 7 units cost 0.07");
    await rater.stop();
  });
});

describe('rating when things go wrong', () => {
  it('rates nothing while ClickHouse lacks sealed rows, and goes on once they are back', async () => {
    await usage.apply(1, perToken);
    const registry = new Registry();
    const loop = raterLoop({ registry });
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: [row(at('11-10T10:00'), '7'), row(at('11-10T09:00'), '1')],
    });
    await clickhouse.command('CREATE TABLE kept ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM usage_rollups');
    await clickhouse.command('TRUNCATE TABLE usage_rollups');
    await clickhouse.command('INSERT INTO usage_rollups SELECT * FROM kept LIMIT 1');
    expect(await loop.step()).toBe('mismatch');
    expect(await items()).toEqual([]);
    const reported = (): Promise<string> => registry.getSingleMetricAsString('tallyline_invariant_discrepancy');
    expect(await reported()).toContain('{invariant="I2"} 1');

    await clickhouse.command('INSERT INTO usage_rollups SELECT * FROM kept');
    await clickhouse.command('DROP TABLE kept');
    expect(await loop.step()).toBe('rated');
    expect(await sums()).toEqual({ cus_1: '0.08' });
    expect(await reported()).toContain('{invariant="I2"} 0');
  });

  it('finishes what a crash between two batches left', async () => {
    await usage.apply(1, perToken);
    const subjects = ['a', 'b', 'c', 'd', 'e'];
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: subjects.map((subject) => row(at('11-10T10:00'), '100', { subject })),
    });
    let reads = 0;
    const failing: ClickHouse = {
      ...clickhouse,
      query: async (sql, params) => {
        if (sql.includes('r.subject IN') && ++reads > 2) throw new Error('the rater is gone');
        return clickhouse.query(sql, params);
      },
      stream: (sql, params) => clickhouse.stream(sql, params),
    };
    await expect(raterLoop({ clickhouse: failing, batchCustomersMax: 1 }).step()).rejects.toThrow('the rater is gone');
    expect(await items()).toHaveLength(2);
    await raterLoop().step();
    expect(await sums()).toEqual({ a: '1', b: '1', c: '1', d: '1', e: '1' });
    expect(await items()).toHaveLength(5);
  });

  it('takes no closed window back where another rater allows more lateness and has not seen the progress', async () => {
    await usage.apply(1, perToken);
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: [row(at('11-10T09:00'), '7'), row(at('11-10T10:00'), '1')],
    });
    const patient = storedRating(pool, clickhouse);
    const before = await readProgress(pool);
    await raterLoop().step();
    const readShards: RatingStore['readShards'] = async (rater) => {
      const { own, ...state } = await patient.readShards(rater);
      return { ...state, own: own.map((group) => ({ ...group, progress: before })) };
    };
    const store = { ...patient, readShards };
    const metrics = createRaterMetrics(new Registry());
    const loop = new RatingLoop({ store, metrics, logger, clock: Date.now, allowedLatenessMs: 2 * HOUR_MS });
    expect(await loop.step()).toBe('behind');
    expect(await sums()).toEqual({ cus_1: '0.08' });
    expect((await items()).filter((item) => item.quantity.startsWith('-'))).toEqual([]);
  });

  it('never moves the progress back, and waits while a chunk is repaired', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '7')] });
    const loop = raterLoop();
    await loop.step();
    await pool.query('DELETE FROM tallyline.chunk_seals');
    await pool.query('UPDATE tallyline.partition_progress SET next_chunk = 0');
    expect(await loop.step()).toBe('mismatch');
    await usage.seal({ watermark: at('11-10T12:00'), epoch: 2, rows: [row(at('11-10T10:00'), '7')] });
    expect(await loop.step()).toBe('idle');
    expect(await sums()).toEqual({ cus_1: '0.07' });
  });

  it('passes no usage over that was lost after it was compared with its seal and before it was looked for', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '7')] });
    await raterLoop().step();
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '3', { subject: 'cus_2' })] });
    const patient = storedRating(pool, clickhouse);
    const before = await readProgress(pool);
    let run = await patient.readServerRun();
    const store: RatingStore = {
      ...patient,
      readServerRun: async () => run,
      async *streamWindows(selection) {
        await clickhouse.command('DELETE FROM usage_rollups WHERE chunk = 1');
        run = { ...run, startedAt: run.startedAt + 60 };
        yield* patient.streamWindows(selection);
      },
    };
    const metrics = createRaterMetrics(new Registry());
    const loop = new RatingLoop({ store, metrics, logger, clock: Date.now, allowedLatenessMs: LATENESS_MS });
    expect(await loop.step()).toBe('behind');
    expect(await loop.step()).toBe('mismatch');
    expect(await readProgress(pool)).toEqual(before);
  });

  it('compares older chunks as well before it looks for usage of windows that close', async () => {
    await usage.apply(1, perToken);
    await usage.seal({ watermark: at('11-10T10:30'), rows: [row(at('11-10T10:00'), '7')] });
    await raterLoop().step();
    expect(await items()).toEqual([]);
    await clickhouse.command('DELETE FROM usage_rollups WHERE chunk = 0');
    await usage.passTime(at('11-10T12:00'));
    // A rater that was started since then has compared nothing.
    expect(await raterLoop().step()).toBe('mismatch');
  });

  it('two raters at once write each item once, and all of them', async () => {
    usage = new SealedUsage(pool, clickhouse, 3);
    await usage.reset();
    const graduated: Price = {
      slug: 'input',
      meter: 'tokens',
      match: {},
      model: 'graduated',
      tiers: [
        { upTo: '50', unitAmount: '0.03', flatAmount: '0' },
        { upTo: null, unitAmount: '0.001', flatAmount: '1' },
      ],
    };
    await usage.apply(1, catalogOf([graduated]));
    const totals = new Map<string, number>();
    const start = at('11-10T00:00');
    let round = 0;
    const sealRound = async (): Promise<void> => {
      round += 1;
      for (let partition = 0; partition < 3; partition += 1) {
        const rows = Array.from({ length: 20 }, (_, i) => {
          const subject = `cus_${i % 10}`;
          const value = (i * 7 + partition * 3 + round) % 23;
          totals.set(subject, (totals.get(subject) ?? 0) + value);
          // Some of it late by a few hours.
          const hour = Math.max(0, round - ((i * 5 + partition) % 4));
          return row(start + hour * HOUR_MS, String(value), { subject, groupValues: [`m${i}`] });
        });
        await usage.seal({ partition, watermark: start + round * HOUR_MS, rows });
      }
    };
    const loops = [raterLoop({ batchCustomersMax: 3 }), raterLoop({ batchCustomersMax: 4 })];
    let isSealing = true;
    const racing = loops.map(async (loop) => {
      const outcomes = new Set<string>();
      while (isSealing) outcomes.add(await loop.step());
      return outcomes;
    });
    for (let i = 0; i < 12; i += 1) await sealRound();
    await usage.passTime(start + DAY_MS);
    isSealing = false;
    await Promise.all(racing);
    while ((await loops[0]!.step()) !== 'idle');

    const expected = [...totals].sort().map(([subject, units]) => {
      const amount = units <= 50 ? units * 30 : 50 * 30 + (units - 50) + 1000;
      return [subject, new Decimal(BigInt(amount), 3).toString()];
    });
    expect(await sums()).toEqual(Object.fromEntries(expected));
    // Usage only grows here: a negative quantity would come from a rating with stale reads.
    expect((await items()).filter((item) => item.quantity.startsWith('-'))).toEqual([]);
  });
});
