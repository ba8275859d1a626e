// Usage that nothing prices, on a real Postgres and a real ClickHouse engine: the rater counts the windows that close
// with it, the read API tells how much it is, and a price that is `otherwise` bills it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Decimal } from '../../domain/number/decimal.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { startQuery } from '../../query/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { ask, readContext } from '../support/processes/read-api.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { changeSubscription, subscribe } from '../support/subscribe.ts';
import { insertKey } from '../support/usage-rows.ts';

const LATENESS_MS = 5 * 60_000;
const at = (text: string): number => Date.parse(`2026-11-${text}Z`);
const logger = pino({ level: 'silent' });

const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: tokens, eventType: e, aggregation: sum, value: data.value, window: 1h, groupBy: { model: data.model } }
  - { slug: users, eventType: e, aggregation: unique, value: data.user, window: 1h, groupBy: { model: data.model } }
  - { slug: internal, eventType: e, aggregation: count, window: 1h }
plans:
  - slug: pro
    calendar: true
    prices:
      - { slug: small, meter: tokens, match: { model: s }, model: per_unit, unitAmount: "1" }
      - { slug: users, meter: users, match: { model: s }, model: per_unit, unitAmount: "1" }
  - slug: whole
    calendar: true
    prices:
      - { slug: small, meter: tokens, match: { model: s }, model: per_unit, unitAmount: "1" }
      - { slug: rest, meter: tokens, otherwise: true, model: per_unit, unitAmount: "9" }
      - { slug: users, meter: users, match: { model: s }, model: per_unit, unitAmount: "1" }
      - { slug: users-rest, meter: users, otherwise: true, model: per_unit, unitAmount: "5" }
`,
  'the catalog of the test',
);

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouse;
let usage: SealedUsage;
let registry: Registry;
let loop: RatingLoop;
/** Reads of usage by what they leave out. */
let reads: string[];

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
}, 300_000);
afterAll(() => stores?.stop());

beforeEach(async () => {
  usage = new SealedUsage(pool, clickhouse);
  await usage.reset();
  await usage.addTenant('acme');
  await insertKey(pool, 'acme', 'key-acme');
  await usage.apply(1, catalog);
  registry = new Registry();
  reads = [];
  const stored = storedRating(pool, clickhouse);
  const store: RatingStore = {
    ...stored,
    readUsage: (selection) => {
      reads.push(
        `${selection.meter.slug} ${JSON.stringify(selection.taken[0]!.leftOut.map((each) => each[0]?.value))}`,
      );
      return stored.readUsage(selection);
    },
  };
  const parts = { store, logger, clock: Date.now, allowedLatenessMs: LATENESS_MS };
  loop = new RatingLoop({ ...parts, metrics: createRaterMetrics(registry) });
});

const used = (subject: string, time: string, value: string, model: string, meter = 'tokens'): UsageRow => ({
  ...{ meter, subject, windowStart: at(time), groupValues: meter === 'internal' ? [] : [model] },
  ...(meter === 'users' ? { value: '1', uniqueValues: value.split(' ') } : { value }),
});

const subscribed = (customer: string, plan: string, more: Partial<Parameters<typeof subscribe>[1]> = {}) =>
  subscribe(pool, { tenant: 'acme', customer, plan, startsAt: at('01T00:00'), ...more });

async function counted(): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('tallyline_unpriced_usage_total')!.get();
  return Object.fromEntries(metric.values.map(({ labels, value }) => [String(labels.meter), value]));
}

const amounts = async (): Promise<Record<string, string>> => {
  const { rows } = await pool.query<{ name: string; amount: string }>(
    `SELECT customer || ' ' || price AS name, sum(amount) AS amount FROM tallyline.line_items GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, amount }) => [name, Decimal.parse(amount).toString()]));
};

const step = () => loop.step();
const sealedUpTo = (time: string, rows: readonly UsageRow[]) => usage.seal({ watermark: at(time) + LATENESS_MS, rows });

/** By the read API, on the same stores. */
async function unpriced(query = 'from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z') {
  const app = createHttpApp(logger);
  const eventLog = { topicId: 'topic-1', partitions: 1, bounds: async () => [] };
  const keyring = createKeyring(pool, () => at('30T00:00'));
  const context = { ...readContext(), clock: () => at('30T00:00') };
  const of = { app, pool, clickhouse, eventLog, keyring, stores: { fault: () => null }, isFenced: false };
  const stage = await startQuery(context, of);
  const answer = await ask(app, `/v1/unpriced?${query}`, 'acme');
  await app.close();
  await stage.stop();
  return answer;
}

it('counts each window that closes with usage that no price matches once, and says how much it is', async () => {
  await subscribed('cus_1', 'pro');
  await sealedUpTo('10T12:00', [
    used('cus_1', '10T10:00', '5', 's'),
    used('cus_1', '10T10:00', '7', 'l'),
    used('cus_1', '10T11:00', '2', 'l'),
    used('cus_1', '10T11:00', '1', 'x'),
    used('cus_1', '10T11:00', 'ada', 'l', 'users'),
    used('cus_1', '10T11:00', '1', '', 'internal'),
    // Nobody: it has no plan at all.
    used('cus_2', '10T11:00', '3', 's'),
  ]);
  expect(await step()).toBe('rated');
  expect(await counted()).toEqual({ tokens: 3, users: 1, internal: 0 });
  expect(await amounts()).toEqual({ 'cus_1 small': '5' });
  // Late usage of a window that is closed, another window, and usage of one that is still open.
  await sealedUpTo('10T14:00', [
    used('cus_1', '10T10:00', '1', 'l'),
    used('cus_1', '10T12:00', '4', 'l'),
    used('cus_1', '10T14:00', '9', 'l'),
  ]);
  expect(await step()).toBe('rated');
  expect(await step()).toBe('idle');
  expect(await counted()).toEqual({ tokens: 4, users: 1, internal: 0 });
  const { body } = await unpriced();
  const seen = (groups: object, quantity: string, subjects: number, first: string, last: string, meter = 'tokens') => ({
    ...{ meter, groups, quantity, subjects },
    ...{ firstSeen: `2026-11-${first}:00Z`, lastSeen: `2026-11-${last}:00Z` },
  });
  expect(body.data).toEqual([
    seen({}, '1', 1, '10T11:00', '10T11:00', 'internal'),
    seen({ model: 'l' }, '14', 1, '10T10:00', '10T12:00'),
    seen({ model: 's' }, '3', 1, '10T11:00', '10T11:00'),
    seen({ model: 'x' }, '1', 1, '10T11:00', '10T11:00'),
    seen({ model: 'l' }, '1', 1, '10T11:00', '10T11:00', 'users'),
  ]);
  expect((await unpriced('from=2026-11-10T11:00:00Z&meter=tokens')).body.data[0]).toMatchObject({ quantity: '6' });
  const pages: unknown[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const from = `from=2026-11-01T00:00:00Z&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const page = await unpriced(from);
    pages.push(...page.body.data);
    cursor = page.body.nextCursor;
  }
  expect(pages).toEqual(body.data);
  expect((await unpriced('from=2026-11-01T00:00:00Z&meter=none')).body.code).toBe('unknown_meter');
  expect((await unpriced('from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00Z')).body.code).toBe(
    'conflicting_parameters',
  );
});

it('counts usage in a pause and after the end, and none of a trial', async () => {
  await subscribed('paused', 'pro', { phases: [{ at: at('10T09:30'), patch: { pausedUntil: at('10T11:00') } }] });
  await subscribed('ended', 'pro', { phases: [{ at: at('10T09:00'), patch: { endsAt: at('10T10:00') } }] });
  await subscribed('trial', 'pro', { patch: { trialEndsAt: at('20T00:00') } });
  await sealedUpTo('10T12:00', [
    ...['paused', 'ended', 'trial'].flatMap((subject) => [
      used(subject, '10T09:00', '1', 's'),
      used(subject, '10T10:00', '1', 's'),
      used(subject, '10T11:00', '1', 's'),
    ]),
  ]);
  await step();
  expect(await counted()).toMatchObject({ tokens: 3 });
  expect((await unpriced()).body.data).toEqual([
    expect.objectContaining({ groups: { model: 's' }, quantity: '3', subjects: 2 }),
  ]);
});

it('reads nothing of what is priced whole, and bills by otherwise what no other price matches', async () => {
  const first = await subscribed('cus_1', 'whole');
  await subscribed('cus_2', 'whole');
  await sealedUpTo('10T11:00', [
    used('cus_1', '10T10:00', '5', 's'),
    used('cus_1', '10T10:00', '7', 'l'),
    used('cus_1', '10T10:00', 'ada', 's', 'users'),
    used('cus_1', '10T10:00', 'ada bob', 'l', 'users'),
    used('cus_2', '10T10:00', '2', ''),
  ]);
  await step();
  expect(await counted()).toEqual({ tokens: 0, users: 0, internal: 0 });
  expect(await amounts()).toEqual({
    ...{ 'cus_1 rest': '63', 'cus_1 small': '5', 'cus_1 users': '1', 'cus_1 users-rest': '10', 'cus_2 rest': '18' },
  });
  // Both customers in one read a price.
  expect(reads).toEqual(['tokens []', 'tokens ["s"]']);
  // A price of its own matches from an hour on what was left until then, in the middle of the term.
  const own = { slug: 'large', meter: 'tokens', match: { model: 'l' }, model: 'per_unit', unitAmount: '2' } as const;
  await changeSubscription(pool, first, at('10T12:00'), { overrides: { large: own } });
  await sealedUpTo('10T14:00', [
    used('cus_1', '10T11:00', '10', 'l'),
    used('cus_1', '10T12:00', '10', 'l'),
    used('cus_1', '10T13:00', '1', 'x'),
    used('cus_1', '10T12:00', 'cid', 'l', 'users'),
  ]);
  await step();
  expect(await counted()).toEqual({ tokens: 0, users: 0, internal: 0 });
  expect(await amounts()).toMatchObject({ 'cus_1 rest': '162', 'cus_1 large': '20', 'cus_1 users-rest': '15' });
  expect((await unpriced()).body.data).toEqual([]);
});

describe('a restart', () => {
  it('counts anew what a step did not come to the end of', async () => {
    await subscribed('cus_1', 'pro');
    await sealedUpTo('10T11:00', [used('cus_1', '10T10:00', '7', 'l')]);
    registry = new Registry();
    const broken = new RatingLoop({
      ...{ logger, clock: Date.now, allowedLatenessMs: LATENESS_MS, metrics: createRaterMetrics(registry) },
      store: { ...storedRating(pool, clickhouse), advanceProgress: () => Promise.reject(new Error('away')) },
    });
    await expect(broken.step()).rejects.toThrow('away');
    expect((await counted()).tokens).toBe(0);
    registry = new Registry();
    loop = new RatingLoop({
      ...{ logger, clock: Date.now, allowedLatenessMs: LATENESS_MS, metrics: createRaterMetrics(registry) },
      store: storedRating(pool, clickhouse),
    });
    await step();
    expect((await counted()).tokens).toBe(1);
  });
});
