// An installation whose tenants have different catalogs, from events in the log to what is audited: `verify` recounts
// each event by what its tenant had at its place, the auditor agrees, and reads explain it.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { startManage } from '../../accounts/main.ts';
import { type Catalog, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import type { Stage, StageContext } from '../../platform/process/stage.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { startQuery } from '../../query/main.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { Auditor } from '../../rater/audit/watch/auditor.ts';
import type { Invariant } from '../../rater/core/invariant.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { ACCOUNTS_KEY } from '../support/processes/accounts-api.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { ask } from '../support/processes/read-api.ts';
import { insertKey } from '../support/usage-rows.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;

const catalogOf = (
  currency: string,
  meter: Partial<Meter>,
  unitAmount: string,
  extra: string | null = null,
): Catalog => ({
  ...{ ...emptyCatalog, currency, defaultPlan: 'payg' },
  meters: [
    {
      ...{ slug: 'calls', eventType: 'call', aggregation: 'sum', valuePath: ['n'], required: false, window: '1h' },
      dimensions: [],
      ...meter,
    },
  ],
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: [{ slug: 'calls', meter: 'calls', match: {}, model: 'per_unit', unitAmount }],
    },
    ...(extra === null
      ? []
      : [{ ...{ slug: extra, calendar: true, timezone: 'UTC', afterEnd: 'none' as const }, prices: [] }]),
  ],
});

let installation: Installation;
let app: FastifyInstance;
let stages: Stage[];

beforeAll(async () => {
  installation = await Installation.start();
  const { pool, clickhouse, eventLog } = installation.stores;
  const acme = (unitAmount: string): Catalog =>
    catalogOf('EUR', { aggregation: 'max', window: '1d' }, unitAmount, 'special');
  await installation.apply(acme('2'), 'acme');
  await installation.apply(catalogOf('USD', {}, '1'));
  await installation.startAggregator();
  const call = (i: number): EventToSend => ({
    ...{ tenant: i % 2 === 0 ? 'acme' : 'beta', id: `call-${i}`, subject: `cus_${i % 3}` },
    ...{ time: FIRST_DAY + (i % 40) * HOUR, data: { n: i % 7 } },
  });
  const calls = Array.from({ length: 80 }, (_, i) => call(i));
  await installation.send(calls);
  await installation.untilSealed();
  await installation.rate();
  await installation.apply(acme('3'), 'acme');
  await installation.apply(catalogOf('USD', {}, '5'));
  // Late by now, and counted by other versions.
  await installation.send(Array.from({ length: 40 }, (_, i) => ({ ...call(i), id: `late-${i}`, data: { n: 9 } })));
  await installation.untilSealed();
  await installation.rate();
  await installation.stopAggregator();
  for (const tenant of ['acme', 'beta']) await insertKey(pool, tenant, `key-${tenant}`);
  const logger = pino({ level: 'silent' });
  app = createHttpApp(logger);
  const settings = parseSettings({ TALLYLINE_ACCOUNTS_KEY: ACCOUNTS_KEY });
  const context = (): StageContext => ({ settings, logger, registry: new Registry(), clock: Date.now });
  const keyring = createKeyring(pool, Date.now);
  const shared = { app, pool, clickhouse, eventLog, keyring };
  stages = [
    await startQuery(context(), { ...shared, stores: { fault: () => null }, isFenced: false }),
    await startManage(context(), { ...shared, log: async () => eventLog }),
  ];
}, 300_000);

afterAll(async () => {
  await app?.close();
  for (const stage of stages ?? []) await stage.stop();
  await installation?.stop();
});

it('agrees with a recount of every tenant by its own catalog', async () => {
  const everything = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: 'verify-tenants' }, everything);
  expect(log.discrepancies).toEqual([]);
  // Windows of a day of three customers, and those of hours.
  expect(log.compared.I2).toBeGreaterThan(40);
  expect(log.compared.I4).toBeGreaterThan(10);
  const { rows } = await installation.stores.pool.query(
    'SELECT tenant, currency, min(window_end - window_start)::text AS width FROM tallyline.line_items GROUP BY 1, 2 ORDER BY 1',
  );
  expect(rows).toEqual([
    { tenant: 'acme', currency: 'EUR', width: '1 day' },
    { tenant: 'beta', currency: 'USD', width: '01:00:00' },
  ]);
});

it('is well for the auditor', async () => {
  const counts = new Map<Invariant, number>();
  const { pool, clickhouse, eventLog } = installation.stores;
  const auditor = new Auditor({
    ...{ pool, clickhouse, eventLog, store: storedRating(pool, clickhouse), logger: pino({ level: 'silent' }) },
    ...{ timers: realTimers, clock: Date.now, intervalMs: 10 },
    audited: (invariant, count) => counts.set(invariant, count),
  });
  for (let round = 0; round < 8; round++) await auditor.round();
  expect(Object.fromEntries(counts)).toEqual({ I1: 0, I2: 0, I3: 0, I4: 0, I5: 0 });
});

it('explains an event by the meter that its tenant had', async () => {
  const explained = async (tenant: string, id: string) => (await ask(app, `/v1/events/${id}`, tenant)).body;
  const dayOf = (time: number): string => new Date(time).toISOString().replace('.000', '');
  const ofAcme = await explained('acme', 'call-2');
  expect(ofAcme.countedIn).toEqual([{ meter: 'calls', windowStart: dayOf(FIRST_DAY), quantity: '2' }]);
  expect(ofAcme.lineItems).toHaveLength(2);
  const ofBeta = await explained('beta', 'call-3');
  expect(ofBeta.countedIn).toEqual([{ meter: 'calls', windowStart: dayOf(FIRST_DAY + 3 * HOUR), quantity: '3' }]);
  expect((await explained('beta', 'call-2')).state).toBe('unknown');
});

it('lets customers subscribe to the plans of their tenant', async () => {
  const put = async (tenant: string, plan: string) => {
    const headers = { authorization: `Bearer key-${tenant}`, 'content-type': 'application/json' };
    const customer = { method: 'PUT', url: '/v1/customers/org', headers, payload: '{}' } as const;
    expect((await app.inject(customer)).statusCode).toBeLessThan(300);
    const payload = JSON.stringify({ customer: 'org', plan, startsAt: new Date(Date.now() + DAY).toISOString() });
    const answer = await app.inject({ method: 'PUT', url: `/v1/subscriptions/${plan}`, headers, payload });
    return answer.statusCode < 300 ? 'made' : answer.json().code;
  };
  expect(await put('acme', 'special')).toBe('made');
  expect(await put('beta', 'special')).toBe('invalid_field');
});
