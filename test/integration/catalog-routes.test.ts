// The catalog over HTTP: what a tenant has, and what another one would change.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { readCatalog } from '../../domain/catalog/catalog-file.ts';
import { type AccountsApi, etag, startAccountsApi } from '../support/processes/accounts-api.ts';
import { subscribe } from '../support/subscribe.ts';
import { insertCatalog } from '../support/usage-rows.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
}, 300_000);
afterAll(() => api?.stop());

const file = `currency: USD
meters:
  - slug: tokens
    eventType: llm
    aggregation: sum
    value: data.input - 0.5 * data.cached
    where: { data.status: { not: [failed, ""] } }
    groupBy: { model: data.model }
  - { slug: seats, eventType: seat, aggregation: latest, value: data.n, precision: exact, window: 1h, across: max }
plans:
  - slug: p
    trialUsage: free
    prices:
      - { slug: fee, model: flat, flatAmount: "9", every: { years: 1 }, charge: in_arrears, quantity: seats }
      - slug: a
        meter: tokens
        match: { model: "" }
        onChange: share
        model: graduated
        tiers: [ { upTo: "10", unitAmount: "0.1" }, { upTo: null, unitAmount: "0.05" } ]
defaultPlan: p
`;
const read = (text: string) => {
  const reading = readCatalog(text, 'f.yaml');
  if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
  return reading.catalog;
};
const diff = (body: unknown, headers: Record<string, string> = {}) =>
  api.send('POST', '/v1/catalog/diff', { body, headers });
/** Usage can't be asked for here. */
const none = { before: '0', after: '0', difference: '0', isComplete: true };
const nobody = { lookedAt: 0, total: expect.objectContaining(none), changed: [], nextCursor: null };
const nothingElse = {
  starts: [],
  customers: nobody,
  unpriced: null,
  overlaps: { inPlans: [], ofCustomers: [], isComplete: true },
};
const yaml = { 'content-type': 'application/yaml' };

beforeEach(async () => {
  await api.pool.query('TRUNCATE tallyline.catalog_versions, tallyline.tenant_catalog_versions');
});

describe('the catalog of a tenant', () => {
  it('is empty before the first', async () => {
    const answer = await api.send('GET', '/v1/catalog');
    expect(answer).toMatchObject({ status: 200, body: { version: 0, effectiveAt: null, catalog: { meters: [] } } });
    expect(etag(answer)).toBe('"0"');
    const { body } = await diff('currency: EUR\n', yaml);
    // It has no meter that usage could be asked for.
    const unpriced = expect.objectContaining({ groups: [], isComplete: true });
    expect(body).toEqual({ version: 0, changes: [], refusals: [], windows: [], ...nothingElse, unpriced });
  });

  it('is what a file would say', async () => {
    await insertCatalog(api.pool, 1, read(file));
    const answer = await api.send('GET', '/v1/catalog');
    expect([answer.status, etag(answer), answer.body.version]).toEqual([200, '"1"', 1]);
    expect(read(stringify(answer.body.catalog))).toEqual(read(file));
  });

  it('is so too where an earlier release stored more than a file says by now', async () => {
    const catalog = read(file);
    const stored = {
      ...catalog,
      plans: catalog.plans.map((plan) => ({ ...plan, billingPeriod: 'month' })),
      subscriptions: [{ subject: 'secret', plan: 'p', startsAt: 0, tenant: 'umbrella' }],
    };
    await insertCatalog(api.pool, 1, stored);
    const { body } = await api.send('GET', '/v1/catalog');
    expect(read(stringify(body.catalog))).toEqual(catalog);
    expect((await diff(file, yaml)).body.changes).toEqual([]);
  });

  it('is compared with another, in JSON or YAML', async () => {
    await insertCatalog(api.pool, 1, read(file));
    const { catalog } = (await api.send('GET', '/v1/catalog')).body;
    const nothing = { version: 1, changes: [], refusals: [], windows: [], ...nothingElse };
    expect((await diff(catalog)).body).toEqual(nothing);
    expect((await diff(file, yaml)).body).toEqual(nothing);
    const changed = {
      ...catalog,
      meters: [
        { ...catalog.meters[0], window: '1m', value: 'data.input' },
        { slug: 'calls', eventType: 'llm', aggregation: 'count' },
      ],
    };
    expect((await diff(changed)).body).toMatchObject({
      version: 1,
      changes: [
        { kind: 'removed', subject: 'meter seats', detail: '' },
        {
          kind: 'changed',
          subject: 'meter tokens',
          detail: expect.stringContaining('value data.input - 0.5 * data.cached -> data.input'),
        },
        { kind: 'added', subject: 'meter calls' },
      ],
      // How events are read may change; how usage is read that may be counted until then may not.
      starts: [{ subject: 'meter tokens', start: expect.stringContaining('counted from the version on') }],
      refusals: [{ subject: 'meter tokens', reason: expect.stringContaining("can't change (window") }],
      windows: [{ window: '15m', lineItems: '1h', meters: ['calls'] }],
    });
    expect((await api.pool.query('SELECT version FROM tallyline.catalog_versions')).rows).toEqual([{ version: 1 }]);
  });

  it('is told by whose prices it would change, in pages of subscriptions', async () => {
    const catalog = read(file);
    await insertCatalog(api.pool, 1, catalog, new Date('2026-01-01T00:00:00Z'));
    const startsAt = Date.parse('2026-02-01T00:00:00Z');
    for (const customer of ['c1', 'c2', 'c3']) {
      const quantities = { seats: '2' };
      await subscribe(api.pool, { tenant: 'acme', customer, plan: 'p', startsAt, patch: { quantities } });
    }
    const dearer = file.replace('flatAmount: "9"', 'flatAmount: "10"');
    const told: unknown[] = [];
    let cursor: string | null = null;
    do {
      const query = cursor === null ? '' : `&cursor=${cursor}`;
      const path = `/v1/catalog/diff?limit=2${query}`;
      const { status, body } = await api.send('POST', path, { body: dearer, headers: yaml });
      expect([status, body.customers.lookedAt]).toEqual([200, cursor === null ? 2 : 1]);
      told.push(...body.customers.changed);
      cursor = body.customers.nextCursor;
    } while (cursor !== null);
    const price = { price: 'fee', change: 'changed', from: expect.any(String) };
    const period = { periodStart: '2026-01-01T00:00:00Z', periodEnd: '2027-01-01T00:00:00Z' };
    // How much it is: catalog-trial.test.ts. This API remembers version 1 from a test before.
    const moved = { until: period.periodEnd, difference: expect.stringMatching(/^0\.1/) };
    expect(told).toEqual(
      ['c1', 'c2', 'c3'].map((customer) => ({
        customer,
        amount: expect.objectContaining(moved),
        prices: [{ subscription: customer, ...price, ...period }],
      })),
    );
    expect((await diff(file, yaml)).body.customers).toEqual({ ...nobody, lookedAt: 3 });
    const other = await api.send('POST', '/v1/catalog/diff?limit=2&cursor=x', { body: dearer, headers: yaml });
    expect([other.status, other.body.code]).toEqual([400, 'invalid_cursor']);
  });

  it('is refused where it is wrong, with each field, and in YAML with its line', async () => {
    const wrong = {
      currency: 'USD',
      meters: [{ slug: 'a b', eventType: 'e', aggregation: 'sum', value: 'data.a - b' }],
    };
    const json = await diff(wrong);
    expect([json.status, json.body.code]).toEqual([400, 'invalid_field']);
    expect(json.body.faults).toMatchObject([
      { field: 'meters[0].slug', message: expect.stringContaining('meters[0].slug: must be a slug') },
      { field: 'meters[0].value' },
    ]);
    const text = await diff(stringify(wrong), yaml);
    expect(text.body.faults[1]).toMatchObject({
      field: 'meters[0].value',
      message: expect.stringMatching(/^body:6:21 /),
    });
    const subscribing = await diff({ currency: 'USD', subscriptions: [{ subject: 's' }] });
    expect(subscribing.body.faults).toMatchObject([
      { field: 'subscriptions', message: expect.stringContaining('tallyline import subscriptions') },
    ]);
  });

  it.each<[string, unknown, Record<string, string>, number, string]>([
    ['no body', undefined, {}, 400, 'malformed_body'],
    ['a list', [], {}, 400, 'invalid_field'],
    ['no JSON', '{', {}, 400, 'malformed_body'],
    ['YAML that is none', 'a: [', yaml, 400, 'invalid_field'],
    ['another type', 'currency: USD', { 'content-type': 'text/yaml' }, 415, 'unsupported_media_type'],
  ])('is no body of %s', async (_, body, headers, status, code) => {
    const answer = await diff(body, headers);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('is the only body that may be YAML', async () => {
    const answer = await api.send('PUT', '/v1/customers/c', { body: 'name: x', headers: yaml });
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
  });
});
