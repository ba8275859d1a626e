// One batch of the rater on a real Postgres and a real ClickHouse engine: what it reads of a period, and when it steps
// back.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { PostgresSealTables } from '../../aggregator/postgres-seal-tables.ts';
import { SealStore } from '../../aggregator/seal-store.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { Seals } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { readSeals } from '../../platform/usage-store/seals.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { ChunkVerifier } from '../../rater/rating/chunk-verifier.ts';
import { type BatchOutcome, rateBatch } from '../../rater/rating/rating-batch.ts';
import { RatingLoop, type StepOutcome } from '../../rater/rating/rating-loop.ts';
import type { StepBasis } from '../../rater/rating/unpriced-count.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { ownWork } from '../support/own-work.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';

const HOUR_MS = 3_600_000;
const LATENESS_MS = 5 * 60_000;
const at = (text: string): number => Date.parse(`2026-${text}Z`);
const logger = pino({ level: 'silent' });

const aggregations = ['sum', 'max', 'min', 'latest', 'unique'] as const;
const meters = aggregations
  .map((each) => `  - { slug: ${each}, eventType: e, aggregation: ${each}, value: data.value, window: 1h }`)
  .join('\n');
const prices = aggregations
  .map((each) => `      - { slug: p-${each}, meter: ${each}, model: per_unit, unitAmount: "1" }`)
  .join('\n');
const catalog = soundCatalog(
  `currency: USD
meters:
${meters}
plans:
  - slug: payg
    calendar: true
    timezone: UTC
    prices:
${prices}
  - slug: pro
    afterEnd: none
    calendar: false
    timezone: UTC
    prices:
${prices}
defaultPlan: payg
`,
  'the catalog of the test',
);

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
  const startsAt = at('11-09T12:00');
  await subscribe(pool, { tenant: 'acme', customer: 'cus_pro', plan: 'pro', startsAt, anchor: startsAt });
});

const row = (meter: string, subject: string, windowStart: number, value: string): UsageRow => ({
  ...{ meter, subject, windowStart, value },
  latestEventTime: windowStart,
  ...(meter === 'unique' && { value: '1', uniqueValues: [value] }),
});

const step = (store: RatingStore, bounds: { batchWindowsMax?: number } = {}): Promise<StepOutcome> => {
  const metrics = createRaterMetrics(new Registry());
  const parts = { store, metrics, logger, clock: Date.now, allowedLatenessMs: LATENESS_MS, ...bounds };
  return new RatingLoop(parts).step();
};

async function batch(seals: Seals, subject: string, times: readonly number[]): Promise<BatchOutcome> {
  const store = storedRating(pool, clickhouse);
  const verifier = new ChunkVerifier(store);
  await verifier.verifyNew({}, seals.vector);
  const catalogs = new RatingCatalogs(new TenantVersions([{ version: 1, effectiveAt: 0, catalog }]));
  const watermark = seals.watermark!;
  const basis: StepBasis = {
    ...{ seals, watermark, catalogs, closedUpTo: watermark - LATENESS_MS, closing: null, shards: new Map() },
  };
  return rateBatch({ store, verifier }, basis, [ownWork('acme', subject, times)]);
}

/** By customer and price. */
async function amounts(): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; amount: string }>(
    `SELECT customer || ' ' || price AS name, sum(amount) AS amount FROM tallyline.line_items GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, amount }) => [name, Decimal.parse(amount).toString()]));
}

const countItems = async (): Promise<number> =>
  (await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM tallyline.line_items')).rows[0]!.count;

describe('a batch', () => {
  it('reads the usage that was rated before as one sum of each price and period', async () => {
    const subjects = ['cus_1', 'cus_2', 'cus_pro'];
    const start = at('11-10T00:00');
    const values = ['4', '9', '2', '7', '9', '3'];
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
    for (const [hour, value] of values.entries()) {
      const windowStart = start + hour * HOUR_MS;
      await usage.seal({
        watermark: windowStart + HOUR_MS + LATENESS_MS,
        rows: subjects.flatMap((subject) => aggregations.map((each) => row(each, subject, windowStart, value))),
      });
      read.length = 0;
      expect(await step(store)).toBe('rated');
      // One read of each meter but the unique one, with two rows of each subject: what was before, and the hour.
      const rows = subjects.length * Math.min(hour + 1, 2);
      expect(read).toEqual([rows, rows, rows, rows]);
    }
    const due = { 'p-latest': '3', 'p-max': '9', 'p-min': '2', 'p-sum': '34', 'p-unique': '5' };
    expect(await amounts()).toEqual(
      Object.fromEntries(
        subjects.flatMap((subject) => Object.entries(due).map(([price, amount]) => [`${subject} ${price}`, amount])),
      ),
    );
    expect(await countItems()).toBe(63);
  });

  it('reads every window where one that nothing touched has other usage than its line items', async () => {
    await usage.seal({
      watermark: at('11-10T11:00'),
      rows: [row('sum', 'cus_1', at('11-10T08:00'), '7'), row('sum', 'cus_1', at('11-10T09:00'), '1')],
    });
    await step(storedRating(pool, clickhouse));
    await usage.seal({
      watermark: at('11-10T13:00'),
      rows: [row('sum', 'cus_1', at('11-10T08:00'), '3'), row('sum', 'cus_1', at('11-10T10:00'), '5')],
    });
    const outcome = await batch(await readSeals(pool), 'cus_1', [at('11-10T10:00')]);
    expect(outcome.outcome === 'rated' && outcome.lineItems.map(({ item }) => [item.cause, item.quantity])).toEqual([
      ['late_usage', 3n * 10n ** 12n],
      ['window_closed', 5n * 10n ** 12n],
    ]);
    expect(await amounts()).toEqual({ 'cus_1 p-sum': '16' });
  });

  it('ends with the customer that brings it to the most windows', async () => {
    const hours = { cus_1: 3, cus_2: 1, cus_3: 1, cus_4: 2, cus_pro: 1 };
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: Object.entries(hours).flatMap(([subject, count]) =>
        Array.from({ length: count }, (_, hour) => row('sum', subject, at('11-10T00:00') + hour * HOUR_MS, '1')),
      ),
    });
    const stored = storedRating(pool, clickhouse);
    const batches: string[][] = [];
    const store: RatingStore = {
      ...stored,
      async readBillingPeriods(customers) {
        batches.push(customers.map(({ customer }) => customer));
        return stored.readBillingPeriods(customers);
      },
    };
    await step(store, { batchWindowsMax: 3 });
    const windows = batches.map((subjects) => subjects.map((subject) => hours[subject as keyof typeof hours]));
    for (const counts of windows) {
      expect(counts.slice(0, -1).reduce((sum, count) => sum + count, 0)).toBeLessThan(3);
    }
    expect(batches.flat().sort()).toEqual(Object.keys(hours));
    expect(batches.length).toBeGreaterThan(1);
    expect(await countItems()).toBe(8);
  });

  it('writes more line items than go into one statement', async () => {
    // 30 days of 14 subjects are the first batch, and one statement has room for 10,000.
    const start = at('11-01T00:00');
    const rows = Array.from({ length: 15 * 720 }, (_, i) =>
      row('sum', `cus_${i % 15}`, start + Math.floor(i / 15) * HOUR_MS, '1'),
    );
    await usage.seal({ watermark: at('12-02T00:00'), rows });
    expect(await step(storedRating(pool, clickhouse))).toBe('rated');
    expect(await countItems()).toBe(10_800);
    expect(Object.values(await amounts())).toEqual(Array.from({ length: 15 }, () => '720'));
  }, 300_000);

  it('steps back where another rater has rated a period with later seals', async () => {
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row('sum', 'cus_1', at('11-10T10:00'), '7')] });
    const stale = await readSeals(pool);
    await usage.seal({ watermark: at('11-10T12:01'), rows: [row('sum', 'cus_1', at('11-10T10:00'), '1')] });
    await step(storedRating(pool, clickhouse));
    expect(await batch(stale, 'cus_1', [at('11-10T10:00')])).toEqual({ outcome: 'behind' });
    expect(await amounts()).toEqual({ 'cus_1 p-sum': '8' });
  });

  it('bills nothing that it read by a seal that was taken back for a repair', async () => {
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row('sum', 'cus_1', at('11-10T10:00'), '7')] });
    await usage.seal({ watermark: at('11-10T12:01'), rows: [row('sum', 'cus_1', at('11-10T10:00'), '1')] });
    const seals = await readSeals(pool);
    await clickhouse.command('ALTER TABLE usage_rollups DELETE WHERE chunk = 1 SETTINGS mutations_sync = 2');
    const sealStore = new SealStore(new PostgresSealTables(pool, 1), NEWEST_RULE_SET);
    expect(await sealStore.reopen(0, 1, { reason: 'asked', logStartOffset: 0 })).toBe(true);
    // The seal that the rows of the chunk would differ from is not there to be compared.
    expect(await batch(seals, 'cus_1', [at('11-10T10:00')])).toEqual({ outcome: 'behind' });
    expect(await countItems()).toBe(0);
  });
});
