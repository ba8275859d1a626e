// PUT /v1/catalog over HTTP: a tenant makes its own catalog and changes it, on a real Postgres and a log that does as
// it is told.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { type AccountsApi, etag, type HttpAnswer, startAccountsApi } from '../support/processes/accounts-api.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { until } from '../support/until.ts';
import { insertCatalog } from '../support/usage-rows.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
}, 300_000);
afterAll(() => api?.stop());

const file = (unitAmount: string): string => `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: 1h }
plans:
  - { slug: p, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "${unitAmount}" } ] }
`;

interface Put {
  readonly tenant?: string;
  readonly ifMatch?: string;
  readonly query?: string;
}

const put = (text: string, { tenant = 'acme', ifMatch, query = '' }: Put = {}): Promise<HttpAnswer> =>
  stage.send('PUT', `/v1/catalog${query}`, {
    ...{ tenant, body: text },
    headers: { 'content-type': 'application/yaml', ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
  });
const get = (tenant = 'acme') => stage.send('GET', '/v1/catalog', { tenant });
const amountOf = ({ body }: HttpAnswer): string => body.catalog.plans[0].prices[0].unitAmount;

/** The versions that each partition of the log has, in order. */
const published = (): number[][] => {
  const registry = new AvroRegistry();
  const partitions: number[][] = [[], []];
  for (const { partition, value } of api.eventLog.kept) {
    const entry = decodeRecord(registry, value);
    if (entry.kind === 'catalog-change') partitions[partition]!.push(entry.version);
  }
  return partitions;
};

/** A process of the stage that knows nothing yet of what was deleted. */
let stage: Awaited<ReturnType<AccountsApi['another']>>;

beforeEach(async () => {
  await inTransaction(api.pool, async (client) => {
    // Of accounts nothing is ever deleted: their triggers are passed over.
    await client.query('SET LOCAL session_replication_role = replica');
    await client.query(
      'TRUNCATE tallyline.catalog_versions, tallyline.tenant_catalog_versions, tallyline.account_changes',
    );
  });
  api.eventLog.release();
  api.eventLog.kept.length = 0;
  stage = await api.another({});
});
afterEach(() => stage.stop());

describe('a catalog of its own', () => {
  it('is made once, published in every partition, and is what the tenant has', async () => {
    await insertCatalog(api.pool, 1, soundCatalog(file('0.1'), 'default'));
    expect(amountOf(await get())).toBe('0.1');
    const made = await put(file('0.2'));
    expect([made.status, etag(made)]).toEqual([201, '"2"']);
    expect(made.body).toEqual({
      ...{ version: 2, effectiveAt: expect.any(String) },
      changes: [{ kind: 'changed', subject: 'plan p, price a', detail: 'unitAmount 0.1 -> 0.2' }],
      starts: [{ subject: 'plan p, price a', start: expect.stringMatching(/^from /) }],
    });
    expect(published()).toEqual([[2], [2]]);
    const again = await put(file('0.2'));
    expect([again.status, etag(again), again.body.changes]).toEqual([200, '"2"', []]);
    expect(published()).toEqual([[2], [2]]);
    expect([amountOf(await get()), etag(await get())]).toEqual(['0.2', '"2"']);
    // Everybody else has what they had.
    expect([amountOf(await get('umbrella')), etag(await get('umbrella'))]).toEqual(['0.1', '"1"']);
  });

  it('is compared with what the tenant has', async () => {
    await insertCatalog(api.pool, 1, soundCatalog(file('0.1'), 'default'));
    await put(file('0.2'));
    const diff = (tenant: string) =>
      stage.send('POST', '/v1/catalog/diff', {
        ...{ tenant, body: file('0.3') },
        headers: { 'content-type': 'application/yaml' },
      });
    const told = await Promise.all([diff('acme'), diff('umbrella')]);
    expect(told.map(({ body }) => [body.version, body.changes[0].detail])).toEqual([
      [2, 'unitAmount 0.2 -> 0.3'],
      [1, 'unitAmount 0.1 -> 0.3'],
    ]);
  });

  it('is changed by whoever has seen it, and answered where it is so already', async () => {
    const first = await put(file('0.1'));
    expect((await put(file('0.2'))).body).toMatchObject({ status: 412, code: 'version_mismatch', version: 1 });
    const second = await put(file('0.2'), { ifMatch: etag(first) });
    expect([second.status, etag(second)]).toEqual([200, '"2"']);
    expect((await put(file('0.3'), { ifMatch: etag(first) })).body).toMatchObject({ status: 412, version: 2 });
    // Whoever lost an answer sends the request again.
    expect([(await put(file('0.2'), { ifMatch: etag(first) })).status, amountOf(await get())]).toEqual([200, '0.2']);
    expect((await put(file('0.3'), { ifMatch: '*' })).status).toBe(200);
  });

  it('may follow the default that the tenant had, while that is so', async () => {
    await insertCatalog(api.pool, 1, soundCatalog(file('0.1'), 'default'));
    const seen = etag(await get());
    await insertCatalog(api.pool, 2, soundCatalog(file('0.9'), 'default'));
    expect((await put(file('0.2'), { ifMatch: seen })).body).toMatchObject({ status: 412, version: 2 });
    expect((await put(file('0.2'), { ifMatch: etag(await get()) })).status).toBe(201);
  });

  it('holds from the instant that is asked for, for the periods that are', async () => {
    const at = '2100-01-01T00:00:00Z';
    const made = await put(file('0.1'), { query: `?effectiveAt=${at}&appliesTo=next` });
    expect(made.body).toMatchObject({ version: 1, effectiveAt: at });
    const { rows } = await api.pool.query('SELECT applies_to, source FROM tallyline.tenant_catalog_versions');
    expect(rows).toEqual([{ applies_to: 'next', source: file('0.1') }]);
    for (const query of ['?effectiveAt=soon', '?appliesTo=last', '?rerate=perhaps']) {
      expect([query, (await put(file('0.2'), { query })).body.code]).toEqual([query, 'invalid_parameter']);
    }
  });

  it('is who changed what, in the change log', async () => {
    await insertCatalog(api.pool, 1, soundCatalog(file('0.1'), 'default'));
    const first = await put(file('0.2'));
    const second = await put(file('0.3'), { ifMatch: etag(first), query: '?appliesTo=next' });
    const [of1, of2] = [first, second].map(({ body }, i) => ({
      ...{ catalogVersion: i + 2, effectiveAt: body.effectiveAt, appliesTo: i === 0 ? 'running' : 'next' },
    }));
    const by = { kind: 'catalog', id: 'catalog', actor: expect.stringMatching(/^key:/), reason: null };
    const list = (tenant: string) => stage.send('GET', '/v1/audit?kind=catalog', { tenant });
    expect((await list('acme')).body.data).toEqual([
      { ...by, version: 2, at: expect.any(String), before: of1, after: of2 },
      { ...by, version: 1, at: expect.any(String), before: null, after: of1 },
    ]);
    expect((await list('umbrella')).body.data).toEqual([]);
  });
});

describe('what is refused', () => {
  it('is told field by field where the catalog is wrong, and by what is there where it is not', async () => {
    const wrong = await put('currency: USD\nmeters: [ { slug: "a b", eventType: e, aggregation: count } ]\n');
    expect([wrong.status, wrong.body.code]).toEqual([400, 'invalid_field']);
    expect(wrong.body.faults).toMatchObject([
      { message: expect.stringMatching(/^body:2:19 meters\[0\]\.slug: must be/) },
    ]);
    await put(file('0.1'));
    const refused = await put(file('0.1').replace('1h', '1m'), { ifMatch: '*' });
    expect(refused.body).toMatchObject({
      ...{ status: 409, code: 'catalog_refused' },
      refusals: [{ subject: 'meter tokens', reason: expect.stringContaining("can't change (window 1h -> 1m") }],
    });
    expect(published()).toEqual([[1], [1]]);
  });

  it('is an instant of which usage was rated', async () => {
    await api.pool.query("UPDATE tallyline.rater_shards SET closing_up_to = '2026-11-20'");
    const refused = await put(file('0.1'), { query: '?effectiveAt=2026-11-19T00:00:00Z' });
    await api.pool.query('UPDATE tallyline.rater_shards SET closing_up_to = NULL');
    expect(refused.body).toMatchObject({
      code: 'catalog_refused',
      refusals: [{ subject: 'effective date', reason: expect.stringContaining('2026-11-20T00:00:00Z, the earliest') }],
    });
  });
});

describe('what may be away', () => {
  it('is the log: 503, and the same request publishes what was stored', async () => {
    api.eventLog.mode = 'fail';
    const away = await put(file('0.1'));
    expect([away.status, away.body.code, away.headers.get('retry-after')]).toEqual([503, 'log_unavailable', '1']);
    // It is stored and in no partition: the tenant does not have it yet.
    expect((await get()).body.version).toBe(0);
    api.eventLog.mode = 'keep';
    expect([(await put(file('0.1'))).status, published(), (await get()).body.version]).toEqual([200, [[1], [1]], 1]);
  });

  it('is the rest of a request’s time: 503, and the same request finds it done', async () => {
    const hasty = await api.another({ settings: { TALLYLINE_READ_TIMEOUT: '300ms' } });
    api.eventLog.mode = 'hold';
    const headers = { 'content-type': 'application/yaml' };
    const late = await hasty.send('PUT', '/v1/catalog', { body: file('0.1'), headers });
    expect([late.status, late.body.code]).toEqual([503, 'store_unavailable']);
    expect((await get()).body.version).toBe(0);
    api.eventLog.release();
    await until(async () => (await get()).body.version === 1, 'it was published');
    expect((await hasty.send('PUT', '/v1/catalog', { body: file('0.1'), headers })).status).toBe(200);
    await hasty.stop();
  });

  it('is another publisher, for no longer than the request has time', async () => {
    const hasty = await api.another({ settings: { TALLYLINE_READ_TIMEOUT: '400ms' } });
    api.eventLog.mode = 'hold';
    const first = put(file('0.1'), { tenant: 'umbrella' });
    await until(() => api.eventLog.held.length === 2, 'it is being published');
    const headers = { 'content-type': 'application/yaml' };
    const second = await hasty.send('PUT', '/v1/catalog', { body: file('0.1'), headers });
    expect([second.status, second.body.code]).toEqual([503, 'store_unavailable']);
    api.eventLog.release();
    expect((await first).status).toBe(201);
    expect((await put(file('0.1'))).body).toMatchObject({ version: 2 });
    await hasty.stop();
  });
});

it('tenants that make theirs at once have each its own number, in one order in every partition', async () => {
  const answers = await Promise.all(
    ['acme', 'umbrella', 'acme', 'umbrella'].map((tenant) => put(file('0.1'), { tenant })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201, 201]);
  expect(published()).toEqual([
    [1, 2],
    [1, 2],
  ]);
});
