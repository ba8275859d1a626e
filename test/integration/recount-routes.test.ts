// POST /v1/meters/{meter}/recount and GET /v1/recounts/{id}: what is begun once, what is refused with which words, and
// what the change log says of it. That it counts right is recounts.test.ts.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createApiKey } from '../../platform/access/api-key-store.ts';
import { type AllFronts, startAllFronts } from '../support/processes/all-fronts.ts';

const FROM = '2026-11-20T10:00:00Z';
let fronts: AllFronts;
const keys = new Map<string, string>();

interface Asked {
  readonly tenant?: string;
  readonly meter?: string;
  readonly key?: string;
}
async function keyOf(tenant: string): Promise<string> {
  const known = keys.get(tenant);
  if (known !== undefined) return known;
  const { key } = await createApiKey(fronts.pool, { tenant, actor: 'cli:test' }, '', { scopes: ['manage'] });
  keys.set(tenant, key);
  return key;
}
async function ask(payload: object, { tenant = 'acme', meter = 'input_tokens', key }: Asked = {}) {
  const headers = {
    authorization: `Bearer ${await keyOf(tenant)}`,
    ...(key !== undefined && { 'idempotency-key': key }),
  };
  const answer = await fronts.app.inject({ method: 'POST', url: `/v1/meters/${meter}/recount`, headers, payload });
  return { status: answer.statusCode, body: answer.json() as Record<string, unknown> };
}
async function read(id: string, tenant = 'acme') {
  const headers = { authorization: `Bearer ${await keyOf(tenant)}` };
  const answer = await fronts.app.inject({ method: 'GET', url: `/v1/recounts/${id}`, headers });
  return { status: answer.statusCode, body: answer.json() as Record<string, unknown> };
}
/** As if the owners had done all there is to do. */
const finish = () =>
  fronts.pool.query('UPDATE tallyline.recount_partitions SET from_chunk = 0, next_chunk = 0, to_chunk = 0');

beforeAll(async () => {
  fronts = await startAllFronts();
  await fronts.pool.query(
    `INSERT INTO tallyline.partition_progress (generation, partition) SELECT max(generation), 0
     FROM tallyline.topic_generations HAVING max(generation) IS NOT NULL ON CONFLICT DO NOTHING`,
  );
}, 300_000);
afterAll(() => fronts?.stop());

describe('a recount', () => {
  it('is begun once by its id, and told to its tenant alone', async () => {
    const first = await ask({ id: 'r1', from: FROM });
    expect(first).toEqual({
      status: 200,
      body: {
        ...{ id: 'r1', meter: 'input_tokens', catalogVersion: 1, from: FROM, to: null },
        ...{ state: 'running', chunks: null, recounted: 0, requestedAt: expect.any(String) },
      },
    });
    expect(await ask({ id: 'r1', from: FROM })).toEqual(first);
    expect(await read('r1')).toEqual(first);
    expect(await read('r1', 'globex')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const { rows } = await fronts.pool.query(
      "SELECT kind, id, version, actor LIKE 'key:%' AS by_key, after FROM tallyline.account_changes WHERE kind = 'recount'",
    );
    const after = { meter: 'input_tokens', catalogVersion: 1, from: FROM, to: null };
    expect(rows).toEqual([{ kind: 'recount', id: 'r1', version: 1, by_key: true, after }]);
  });

  it('is one at a time of a tenant, and says which', async () => {
    const other = await ask({ id: 'r2', from: FROM });
    expect(other).toMatchObject({ status: 409, body: { code: 'recount_refused' } });
    expect(other.body.detail).toContain('"r1"');
    expect((await ask({ id: 'r1', from: '2026-11-20T11:00:00Z' })).body.code).toBe('recount_refused');
    expect((await ask({ id: 'r1', from: FROM }, { tenant: 'globex' })).status).toBe(200);
    await finish();
    expect((await read('r1')).body).toMatchObject({ state: 'done', chunks: 0, recounted: 0 });
  });

  it('without an id is begun once by its Idempotency-Key', async () => {
    expect(await ask({ from: FROM })).toMatchObject({ status: 400, body: { code: 'idempotency_key_required' } });
    const first = await ask({ from: FROM }, { key: 'k1' });
    expect(first.status).toBe(200);
    expect(await ask({ from: FROM }, { key: 'k1' })).toEqual(first);
    const other = await ask({ from: '2026-11-20T11:00:00Z' }, { key: 'k1' });
    expect(other).toMatchObject({ status: 409, body: { code: 'idempotency_conflict' } });
    await finish();
  });

  it.each<[string, object, Asked, number, RegExp]>([
    ['without a start', { id: 'x' }, {}, 400, /from is missing/],
    ['with a field that is none', { id: 'x', from: FROM, until: FROM }, {}, 400, /"until" is an unknown field/],
    ['that ends before it starts', { id: 'x', from: FROM, to: FROM }, {}, 400, /to must be after from/],
    ['of a time to come', { id: 'x', from: '2099-01-01T00:00:00Z' }, {}, 400, /from must be in the past/],
    ['of no time', { id: 'x', from: 'yesterday' }, {}, 400, /from must be an RFC 3339 time/],
    ['with an id that is none', { id: '..', from: FROM }, {}, 400, /id must not be/],
    ['of a meter that is none', { id: 'x', from: FROM }, { meter: 'none' }, 404, /no meter "none"/],
  ])('is refused %s', async (_, body, asked, status, words) => {
    const refused = await ask(body, asked);
    expect([refused.status, refused.body.detail]).toEqual([status, expect.stringMatching(words)]);
    expect((await read('x')).status).toBe(404);
  });
});
