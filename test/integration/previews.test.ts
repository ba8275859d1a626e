// Previews over HTTP, on a real Postgres and a real ClickHouse engine: what a preview says is what the act that carries
// its hash then costs, and what has moved since is refused (P2).
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Decimal } from '../../domain/number/decimal.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop } from '../../rater/rating/rating-loop.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import {
  type AccountsApi,
  type HttpAnswer,
  type HttpRequest,
  startAccountsApi,
} from '../support/processes/accounts-api.ts';
import { SealedUsage } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

const HOUR_MS = 3_600_000;
const CATALOG = `
currency: EUR
defaultPlan: payg
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: 1h }
plans:
  - slug: payg
    calendar: true
    timezone: UTC
    prices: [{ slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.05" }]
  - slug: solo
    afterEnd: default
    calendar: true
    timezone: UTC
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.02" }
      - { slug: fee, model: flat, flatAmount: "31" }
  - slug: team
    afterEnd: default
    calendar: true
    timezone: UTC
    prices:
      - slug: tokens
        meter: tokens
        model: volume
        tiers: [{ upTo: "1000", unitAmount: "0.02" }, { upTo: null, unitAmount: "0.01" }]
      - { slug: fee, model: flat, flatAmount: "310", quantity: seats }
      - { slug: audit, model: flat, flatAmount: "12", charge: in_arrears }
`;

let api: AccountsApi;
let usage: SealedUsage;
beforeAll(async () => {
  api = await startAccountsApi({ withUsage: true });
  usage = new SealedUsage(api.pool, api.clickhouse);
  await usage.reset();
  for (const tenant of ['acme', 'umbrella']) await usage.addTenant(tenant);
  await api.pool.query(
    `UPDATE tallyline.api_keys SET key_hash = sha256(convert_to('key-' || tenant, 'UTF8')), scopes = '{admin}'`,
  );
  await usage.apply(1, soundCatalog(CATALOG, 'c.yaml'));
}, 300_000);
afterAll(() => api?.stop());

const hourOf = (instant: number): number => Math.floor(instant / HOUR_MS) * HOUR_MS;
const text = (instant: number): string => new Date(instant).toISOString();

async function rate(): Promise<void> {
  const store = storedRating(api.pool, api.clickhouse);
  const parts = {
    store,
    metrics: createRaterMetrics(new Registry()),
    logger: pino({ level: 'silent' }),
    clock: Date.now,
  };
  for (let steps = 0; steps < 10; steps++) {
    if ((await new RatingLoop({ ...parts, allowedLatenessMs: 0 }).step()) !== 'behind') return;
  }
  throw new Error('the rater is behind again and again');
}

async function charged(customer: string): Promise<Decimal> {
  const { rows } = await api.pool.query<{ amount: string }>(
    'SELECT coalesce(sum(amount), 0)::text AS amount FROM tallyline.line_items WHERE customer = $1',
    [customer],
  );
  return Decimal.parse(rows[0]!.amount);
}

let customers = 0;
/** With 600 tokens in an hour that has ended, and some in the one that runs. */
async function newCustomer(): Promise<string> {
  const id = `c${++customers}`;
  await api.send('PUT', `/v1/customers/${id}`, { body: {} });
  const now = hourOf(Date.now());
  const row = { meter: 'tokens', subject: id };
  await usage.seal({
    watermark: now,
    rows: [
      { ...row, windowStart: now - HOUR_MS, value: '600' },
      { ...row, windowStart: now, value: '7000' },
    ],
  });
  return id;
}

const subscribed = (id: string, body: object): Promise<HttpAnswer> =>
  api.send('PUT', `/v1/subscriptions/${id}`, { body });
const preview = (body: object, query = '', request: HttpRequest = {}): Promise<HttpAnswer> =>
  api.send('POST', `/v1/subscriptions/preview${query}`, { ...request, body });
let keys = 0;
const act = (id: string, name: string, body: object): Promise<HttpAnswer> =>
  api.send('POST', `/v1/subscriptions/${id}/${name}`, { body, headers: { 'idempotency-key': `k${++keys}` } });

/** On solo since yesterday, by months that begin at that hour, of which none ends while these tests run. */
async function onSolo(isCalendar = false): Promise<{ customer: string; id: string }> {
  const customer = await newCustomer();
  const id = `s-${customer}`;
  const startsAt = text(hourOf(Date.now()) - 24 * HOUR_MS);
  const { status } = await subscribed(id, {
    customer,
    plan: 'solo',
    startsAt,
    billedFrom: startsAt,
    anchor: isCalendar ? 'calendar' : startsAt,
  });
  expect(status).toBe(201);
  return { customer, id };
}

interface ChargedAt {
  readonly at: string;
  readonly difference: string;
}

describe('a preview', () => {
  // Before anything is rated: what was rated can't be subscribed to.
  const made: { customer: string; id: string }[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 7; i++) made.push(await onSolo(i === 4));
    await rate();
  });

  it('of a change says what the change then costs', async () => {
    const { customer, id } = made[0]!;
    const change = { at: 'now', plan: 'team', quantities: { seats: '2' } };
    const said = await preview({ subscription: id, change });
    expect([said.status, said.body.isChange, said.body.becomes.plan]).toEqual([200, true, 'team']);
    const [now] = said.body.charged as ChargedAt[];
    expect(now!.at).toBe(said.body.now);
    const before = await charged(customer);
    const done = await act(id, 'change', { ...change, previewHash: said.body.previewHash });
    expect(done.status).toBe(200);
    await usage.passTime(Date.now());
    await rate();
    expect((await charged(customer)).minus(before).toString()).toBe(now!.difference);
    // The dearer fee begins with the next window, as usage does; the next month's is due at its start, with what this
    // month owes in arrears.
    const later = (said.body.charged as ChargedAt[]).slice(1);
    expect(later.map(({ at }) => Date.parse(at))).toEqual([
      ...new Set([hourOf(Date.parse(said.body.now)) + HOUR_MS, Date.parse(said.body.until)]),
    ]);
  });

  it('of an end says what is given back', async () => {
    const { customer, id } = made[1]!;
    const said = await preview({ subscription: id, cancel: { at: 'now' } });
    expect(said.status).toBe(200);
    const before = await charged(customer);
    await act(id, 'cancel', { at: 'now', previewHash: said.body.previewHash });
    await usage.passTime(Date.now());
    await rate();
    const [now] = said.body.charged as ChargedAt[];
    expect((await charged(customer)).minus(before).toString()).toBe(now!.difference);
    expect(now!.difference.startsWith('-')).toBe(true);
  });

  it('of an act that rates again says what is adjusted, P2', async () => {
    const { customer, id } = made[5]!;
    const at = text(hourOf(Date.now()) - 2 * HOUR_MS);
    const change = { at, plan: 'team', quantities: { seats: '2' } };
    const refused = await preview({ subscription: id, change });
    expect([refused.status, refused.body.code]).toEqual([409, 'already_rated']);
    const said = await preview({ subscription: id, change: { ...change, rerate: true } });
    expect(said.status).toBe(200);
    const before = await charged(customer);
    const done = await act(id, 'change', { ...change, rerate: true, previewHash: said.body.previewHash });
    expect(done.status).toBe(200);
    await usage.passTime(Date.now());
    await rate();
    const [now] = said.body.charged as ChargedAt[];
    expect((await charged(customer)).minus(before).toString()).toBe(now!.difference);
    const repriced = said.body.terms.filter(
      ({ price, after }: { price: string; after: { plan: string } | null }) =>
        price === 'tokens' && after?.plan === 'team',
    );
    expect(repriced).toMatchObject([{ from: at.replace('.000', ''), after: { quantity: '600' } }]);
  });

  it('of a new subscription for what was rated without one says what it costs', async () => {
    const customer = await newCustomer();
    await rate();
    const before = await charged(customer);
    const startsAt = text(hourOf(Date.now()) - HOUR_MS);
    const body = { customer, plan: 'solo', startsAt, billedFrom: startsAt, rerate: true };
    const said = await preview({ id: `r-${customer}`, ...body });
    expect(said.status).toBe(200);
    const made = await subscribed(`r-${customer}`, { ...body, previewHash: said.body.previewHash });
    expect([made.status, made.body.billedFrom]).toEqual([201, startsAt.replace('.000', '')]);
    expect((await subscribed(`r-${customer}`, { ...body, rerate: false })).status).toBe(200);
    await usage.passTime(Date.now());
    await rate();
    const [now] = said.body.charged as ChargedAt[];
    expect((await charged(customer)).minus(before).toString()).toBe(now!.difference);
  });

  it('writes nothing', async () => {
    const { id } = made[2]!;
    const stored = async () => (await api.send('GET', `/v1/subscriptions/${id}`)).body;
    const before = await stored();
    const { rows: dues } = await api.pool.query('SELECT * FROM tallyline.due_customers ORDER BY 1, 2');
    await preview({ subscription: id, change: { at: 'period_end', plan: 'team', quantities: { seats: '1' } } });
    expect(await stored()).toEqual(before);
    expect((await api.pool.query('SELECT * FROM tallyline.due_customers ORDER BY 1, 2')).rows).toEqual(dues);
  });

  it('whose subscription has changed since is not carried out', async () => {
    const { id } = made[2]!;
    const change = { at: 'now', plan: 'team', quantities: { seats: '2' } };
    const { previewHash } = (await preview({ subscription: id, change })).body;
    await act(id, 'change', { at: 'now', quantities: { seats: '1' } });
    const refused = await act(id, 'change', { ...change, previewHash });
    expect([refused.status, refused.body.code]).toEqual([409, 'preview_moved']);
    expect((await api.send('GET', `/v1/subscriptions/${id}`)).body.plan).toBe('solo');
  });

  it('is of what it was asked for', async () => {
    const { id } = made[3]!;
    const { previewHash } = (await preview({ subscription: id, change: { at: 'now', quantities: { seats: '2' } } }))
      .body;
    const refused = await act(id, 'change', { at: 'now', quantities: { seats: '200' }, previewHash });
    expect(refused.body.code).toBe('preview_moved');
    const forged = await act(id, 'change', { at: 'now', quantities: { seats: '200' }, previewHash: 'mine' });
    expect([forged.status, forged.body.code, forged.body.faults[0].field]).toEqual([
      400,
      'invalid_field',
      'previewHash',
    ]);
  });

  it('of a new subscription is made as it was shown', async () => {
    const customer = await newCustomer();
    const body = { customer, plan: 'solo', startsAt: text(hourOf(Date.now())) };
    const said = await preview({ id: `n-${customer}`, ...body });
    expect(said.status).toBe(200);
    const made = await subscribed(`n-${customer}`, { ...body, previewHash: said.body.previewHash });
    expect([made.status, made.body.billedFrom]).toEqual([201, said.body.becomes.billedFrom]);
    await usage.passTime(Date.now());
    await rate();
    const fees = await api.pool.query<{ amount: string }>(
      `SELECT sum(amount)::text AS amount FROM tallyline.line_items WHERE customer = $1 AND price = 'fee'`,
      [customer],
    );
    const fee = said.body.terms.find(({ price }: { price: string }) => price === 'fee');
    expect(Decimal.parse(fees.rows[0]!.amount).toString()).toBe(fee.after.amount);
  });

  it('that says what holds anyway says so', async () => {
    const { id } = made[4]!;
    const said = await preview({ subscription: id, change: { at: 'now', plan: 'solo' } });
    expect([said.body.isChange, said.body.total.difference]).toEqual([false, '0']);
  });

  it('looks as far ahead as it is asked to', async () => {
    const { id } = made[4]!;
    const far = Date.now() + 100 * 24 * HOUR_MS;
    const { body } = await preview({ subscription: id, cancel: { at: 'period_end' } }, `?until=${text(far)}`);
    const first = new Date();
    const months = [1, 2, 3, 4, 5].map((month) => Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month, 1));
    expect(body.charged).toEqual(
      months
        .filter((at) => at <= far)
        .map((at) => ({ at: text(at).replace('.000', ''), before: '31', after: '0', difference: '-31' })),
    );
    const past = await preview({ subscription: id, cancel: { at: 'now' } }, '?until=2020-01-01T00:00:00Z');
    expect([past.status, past.body.code]).toEqual([400, 'invalid_parameter']);
    const decades = await preview({ subscription: id, cancel: { at: 'now' } }, '?until=2100-01-01T00:00:00Z');
    expect([decades.status, decades.body.code]).toEqual([400, 'invalid_parameter']);
  });

  it.each([
    ['no act', { subscription: 's-c1' }, 'subscription'],
    ['two acts', { subscription: 's-c1', cancel: { at: 'now' }, pause: {} }, 'subscription'],
    ['an unknown act', { subscription: 's-c1', destroy: {} }, 'destroy'],
    ['a new one without an id', { customer: 'c1', plan: 'solo', startsAt: '2026-11-01T00:00:00Z' }, 'id'],
    ['a field that no act has', { subscription: 's-c1', cancel: { at: 'now', plan: 'solo' } }, 'plan'],
  ])('is refused for %s', async (_, body, field) => {
    const refused = await preview(body);
    expect([refused.status, refused.body.code]).toEqual([400, 'invalid_field']);
    expect(refused.body.faults.map((fault: { field: string }) => fault.field)).toContain(field);
  });

  it('of another tenant’s subscription is not there', async () => {
    const { id } = made[0]!;
    const refused = await preview({ subscription: id, cancel: { at: 'now' } }, '', { tenant: 'umbrella' });
    expect([refused.status, refused.body.code]).toEqual([404, 'unknown_subscription']);
  });
});
