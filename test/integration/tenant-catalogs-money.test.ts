// Money where tenants have catalogs of their own, on a real Postgres and a real ClickHouse engine: two tenants give one
// slug another window, aggregation, price and currency. Windows close by each tenant's meter, a version makes its own
// customers due and nobody else, and reads tell each tenant what it has.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import { tenantVersions } from '../../platform/catalog-store.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import type { Stage } from '../../platform/process/stage.ts';
import { startQuery } from '../../query/main.ts';
import { Findings } from '../../rater/audit/watch/findings.ts';
import { PeriodWatch } from '../../rater/audit/watch/period-watch.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { ask, readContext } from '../support/processes/read-api.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';
import { insertKey } from '../support/usage-rows.ts';

const LATENESS_MS = 5 * 60_000;
const at = (text: string): number => Date.parse(`2026-11-${text}Z`);
const LONG_AGO = at('01T00:00') - 31 * 86_400_000;
const logger = pino({ level: 'silent' });

interface Said {
  readonly currency?: string;
  readonly window?: string;
  readonly aggregation?: string;
  readonly unitAmount?: string;
  /** Of the plan `pro`, whose price takes the model `s` alone. */
  readonly small?: string;
  readonly fee?: string;
}

const catalogOf = ({ currency = 'USD', window = '1h', aggregation = 'sum', ...said }: Said): Catalog =>
  soundCatalog(
    `currency: ${currency}
meters:
  - { slug: calls, eventType: e, aggregation: ${aggregation}, value: data.n, window: ${window}, groupBy: { model: data.model } }
plans:
  - slug: payg
    calendar: true
    timezone: UTC
    prices:
      - { slug: calls, meter: calls, model: per_unit, unitAmount: "${said.unitAmount ?? '1'}" }
      - { slug: base, model: flat, flatAmount: "${said.fee ?? '0'}" }
  - slug: pro
    afterEnd: none
    calendar: true
    timezone: UTC
    prices:
      - { slug: small, meter: calls, match: { model: s }, model: per_unit, unitAmount: "${said.small ?? '1'}" }
defaultPlan: payg
`,
    'the catalog of the test',
  );

const ofAcme: Said = { currency: 'EUR', window: '1d', aggregation: 'max', unitAmount: '2', small: '3' };

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouse;
let usage: SealedUsage;
let registry: Registry;
let loop: RatingLoop;
let app: FastifyInstance;
let query: Stage;
/** Statements that read usage, by the window of their meter. */
let reads: string[];

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
}, 300_000);
afterAll(() => stores?.stop());

beforeEach(async () => {
  usage = new SealedUsage(pool, clickhouse);
  await usage.reset();
  for (const tenant of ['acme', 'beta', 'gamma']) await insertKey(pool, tenant, `key-${tenant}`);
  // Before there is a default with the slug, so that it means something else.
  await usage.applyOf('acme', 1, catalogOf(ofAcme), LONG_AGO);
  await usage.apply(2, catalogOf({}), LONG_AGO);
  registry = new Registry();
  reads = [];
  const stored = storedRating(pool, clickhouse);
  const store: RatingStore = {
    ...stored,
    readUsage: (selection) => {
      const tenants = new Set(selection.subjects.map(({ tenant }) => tenant));
      reads.push(`${selection.meter.window} ${[...tenants].sort()}`);
      return stored.readUsage(selection);
    },
  };
  const parts = { store, logger, clock: Date.now, allowedLatenessMs: LATENESS_MS };
  loop = new RatingLoop({ ...parts, metrics: createRaterMetrics(registry) });
  const eventLog = { topicId: 'topic-1', partitions: 1, bounds: async () => [] };
  app = createHttpApp(logger);
  const keyring = createKeyring(pool, () => at('30T00:00'));
  query = await startQuery(
    { ...readContext(), clock: () => at('30T00:00') },
    { app, pool, clickhouse, eventLog, keyring, stores: { fault: () => null }, isFenced: false },
  );
});

afterEach(async () => {
  await app?.close();
  await query?.stop();
});

const tenants = ['acme', 'beta', 'gamma'] as const;

/** The same of each tenant, in the windows that its own meter has. */
const used = (subject: string, time: string, value: string, model = 's'): UsageRow[] =>
  tenants.map((tenant) => ({
    ...{ tenant, meter: 'calls', subject, value, groupValues: [model] },
    windowStart: tenant === 'acme' ? at(`${time.slice(0, 2)}T00:00`) : at(time),
  }));

/** Each in a chunk of its own: what one says of a day, the other may as well. */
async function sealedUpTo(time: string, ...chunks: readonly (readonly UsageRow[])[]): Promise<void> {
  for (const rows of chunks) await usage.seal({ watermark: at(time) + LATENESS_MS, rows });
}
const rate = async (): Promise<void> => {
  for (let steps = 0; (await loop.step()) !== 'idle'; steps++) if (steps === 10) throw new Error('it never ends');
};

/** By tenant, customer and price; what comes to 0 is left out. */
async function billed(): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; amount: string; currency: string }>(
    `SELECT concat_ws(' ', tenant, customer, price) AS name, sum(amount) AS amount, max(currency) AS currency
     FROM tallyline.line_items GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1`,
  );
  return Object.fromEntries(
    rows.map(({ name, amount, currency }) => [name, `${Decimal.parse(amount).toString()} ${currency}`]),
  );
}

/** What the auditor finds wrong. */
async function discrepancies(): Promise<number> {
  const counts = new Map<string, number>();
  const findings = new Findings(logger, (invariant, count) => counts.set(invariant, count));
  const store = storedRating(pool, clickhouse);
  const watch = new PeriodWatch({ pool, store, findings, pause: async () => {} });
  await watch.round(await tenantVersions(pool));
  findings.exportCounts();
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

describe('windows that close', () => {
  it('are billed by each tenant’s own meter: an hour for one, a day for another', async () => {
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5'), used('cus_1', '10T11:00', '4'));
    await rate();
    expect(await billed()).toEqual({ 'beta cus_1 calls': '9 USD', 'gamma cus_1 calls': '9 USD' });
    await sealedUpTo('11T00:00', used('cus_1', '10T20:00', '7'));
    await rate();
    // The greatest of the day, at 2.
    expect(await billed()).toEqual({
      ...{ 'acme cus_1 calls': '14 EUR', 'beta cus_1 calls': '16 USD', 'gamma cus_1 calls': '16 USD' },
    });
    expect(await discrepancies()).toBe(0);
    expect(await loop.step()).toBe('idle');
  });

  it('are looked at once: where a day of one tenant closes, no hour of another is read again', async () => {
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5'));
    await rate();
    reads.length = 0;
    await usage.passTime(at('11T00:00') + LATENESS_MS);
    await rate();
    expect(reads).toEqual(['1d acme']);
  });

  it('are read together for all tenants that read them alike, whosever catalog it is', async () => {
    await usage.applyOf('gamma', 3, catalogOf({ currency: 'EUR', unitAmount: '4' }), LONG_AGO);
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5'));
    await rate();
    expect(reads).toEqual(['1h beta,gamma']);
    expect(await billed()).toEqual({ 'beta cus_1 calls': '5 USD', 'gamma cus_1 calls': '20 EUR' });
  });

  it('are counted as unpriced by each tenant’s own prices', async () => {
    for (const tenant of tenants)
      await subscribe(pool, { tenant, customer: 'cus_1', plan: 'pro', startsAt: at('01T00:00') });
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5', 'l'), used('cus_1', '10T11:00', '5'));
    await rate();
    const counted = async () =>
      (await registry.getSingleMetric('tallyline_unpriced_usage_total')!.get()).values.map(({ value }) => value);
    expect(await counted()).toEqual([2]);
    await usage.passTime(at('11T00:00') + LATENESS_MS);
    await rate();
    expect(await counted()).toEqual([3]);
    const told = async (tenant: string) =>
      (await ask(app, '/v1/unpriced?from=2026-11-01T00:00:00Z', tenant)).body.data.map(
        ({ firstSeen, quantity }: { firstSeen: string; quantity: string }) => `${quantity} ${firstSeen}`,
      );
    expect(await told('acme')).toEqual(['5 2026-11-10T00:00:00Z']);
    expect(await told('beta')).toEqual(['5 2026-11-10T10:00:00Z']);
  });
});

describe('a version', () => {
  const startsAt = at('01T00:00');

  it('of one tenant changes what its own customers pay, and makes nobody else due', async () => {
    for (const tenant of tenants) await subscribe(pool, { tenant, customer: 'cus_pro', plan: 'pro', startsAt });
    await sealedUpTo('11T00:00', used('cus_pro', '10T10:00', '5'), used('cus_1', '10T10:00', '5'));
    await rate();
    const before = await billed();
    expect(before).toMatchObject({ 'acme cus_pro small': '15 EUR', 'beta cus_pro small': '5 USD' });
    const ratings = 'SELECT customer, tenant, max(rating) AS rating FROM tallyline.billing_periods GROUP BY 1, 2';
    const ratedBefore = (await pool.query(`${ratings} HAVING tenant <> 'acme' ORDER BY 1, 2`)).rows;
    await usage.applyOf('acme', 3, catalogOf({ ...ofAcme, small: '30', unitAmount: '20' }), at('01T00:00'));
    await rate();
    expect(await billed()).toEqual({ ...before, 'acme cus_pro small': '150 EUR', 'acme cus_1 calls': '100 EUR' });
    expect((await pool.query(`${ratings} HAVING tenant <> 'acme' ORDER BY 1, 2`)).rows).toEqual(ratedBefore);
    expect(await discrepancies()).toBe(0);
  });

  it('of the default leaves alone who has a catalog of its own', async () => {
    for (const tenant of tenants) await subscribe(pool, { tenant, customer: 'cus_pro', plan: 'pro', startsAt });
    await sealedUpTo('11T00:00', used('cus_pro', '10T10:00', '5'), used('cus_1', '10T10:00', '5'));
    await rate();
    const before = await billed();
    await usage.apply(3, catalogOf({ small: '10', unitAmount: '10', currency: 'GBP' }), at('10T00:00'));
    await rate();
    expect(await billed()).toEqual({
      ...before,
      ...Object.fromEntries(
        ['beta', 'gamma'].flatMap((tenant) => [
          [`${tenant} cus_pro small`, '50 USD'],
          [`${tenant} cus_1 calls`, '50 USD'],
        ]),
      ),
    });
    expect(await discrepancies()).toBe(0);
  });

  it('that is a tenant’s first follows the default that it had', async () => {
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5'));
    await rate();
    await usage.applyOf('gamma', 3, catalogOf({ unitAmount: '3' }), at('10T13:00'));
    // What comes to the default later is not gamma's.
    await usage.apply(4, catalogOf({ unitAmount: '100' }), at('10T13:00'));
    await sealedUpTo('10T14:00', used('cus_1', '10T13:00', '1'));
    await rate();
    expect(await billed()).toEqual({ 'beta cus_1 calls': '105 USD', 'gamma cus_1 calls': '8 USD' });
    expect(await discrepancies()).toBe(0);
  });

  it('of another tenant is no cause of what is late', async () => {
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5'));
    await rate();
    await usage.applyOf('acme', 3, catalogOf({ ...ofAcme, small: '30' }), at('10T00:00'));
    await sealedUpTo('10T12:01', [{ ...used('cus_1', '10T09:00', '1')[1]! }]);
    await rate();
    const { rows } = await pool.query(
      "SELECT cause FROM tallyline.line_items WHERE tenant = 'beta' AND price = 'calls' ORDER BY window_start, revision",
    );
    expect(rows).toEqual([{ cause: 'late_usage' }, { cause: 'window_closed' }]);
  });

  it('is met between two steps: what nothing priced is priced from the windows that were open for that tenant', async () => {
    for (const tenant of tenants) await subscribe(pool, { tenant, customer: 'cus_1', plan: 'pro', startsAt });
    await sealedUpTo('10T12:00', used('cus_1', '10T10:00', '5', 'l'));
    await rate();
    const withLarge: Catalog = catalogOf({});
    const [payg, pro] = withLarge.plans;
    const large = { slug: 'large', meter: 'calls', match: { model: 'l' }, model: 'per_unit', unitAmount: '7' } as const;
    await usage.applyOf(
      'gamma',
      3,
      { ...withLarge, plans: [payg!, { ...pro!, prices: [...pro!.prices, large] }] },
      at('10T13:30'),
    );
    await sealedUpTo('10T15:00', used('cus_1', '10T13:00', '1', 'l'), used('cus_1', '10T14:00', '2', 'l'));
    await rate();
    expect(await billed()).toEqual({ 'gamma cus_1 large': '21 USD' });
    expect(await discrepancies()).toBe(0);
  });
});

describe('reads', () => {
  it('tell each tenant its own meters, usage, prices and currency', async () => {
    await sealedUpTo('11T00:00', used('cus_1', '10T10:00', '5'), used('cus_1', '10T11:00', '0'));
    await rate();
    const get = async (tenant: string, path: string) => (await ask(app, path, tenant)).body;
    const meterOf = async (tenant: string) => {
      const [meter] = (await get(tenant, '/v1/meters')).data;
      return `${meter.meter} ${meter.aggregation} ${meter.window}`;
    };
    expect([await meterOf('acme'), await meterOf('beta')]).toEqual(['calls max 1d', 'calls sum 1h']);
    const usageOf = (tenant: string, bucket: string) =>
      get(tenant, `/v1/meters/calls/usage?from=2026-11-10T00:00:00Z&to=2026-11-11T00:00:00Z&window=${bucket}`);
    expect((await usageOf('acme', '1d')).data).toEqual([expect.objectContaining({ value: '5' })]);
    expect((await usageOf('acme', '1h')).code).toBe('window_too_small');
    expect((await usageOf('beta', '1h')).data).toHaveLength(2);
    const items = async (tenant: string) =>
      (await get(tenant, '/v1/line-items?customer=cus_1')).data
        .filter(({ price }: { price: string }) => price === 'calls')
        .map((item: Record<string, unknown>) => [
          item.currency,
          item.amount,
          item.catalogVersion,
          item.zeroAmount ?? null,
        ]);
    expect(await items('acme')).toEqual([['EUR', '10', 1, null]]);
    expect(await items('beta')).toEqual([['USD', '5', 2, null]]);
    expect((await get('gamma', '/v1/subjects')).data).toHaveLength(1);
  });
});
