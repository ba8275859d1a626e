// Changes of accounts are all or nothing, once, and kept: same keys at once, connections killed at each step, Postgres
// away, requests out of time; and what the list of changes says afterwards.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { customerColumns, customerKeyColumns } from '../../platform/account-store/customers.ts';
import { ANSWERS_KEPT_DAYS, sweepAnswers } from '../../platform/account-store/idempotent-answers.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { selected } from '../../platform/postgres/table-columns.ts';
import { type AccountsApi, type HttpRequest, startAccountsApi } from '../support/processes/accounts-api.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { until } from '../support/until.ts';
import { insertCatalog } from '../support/usage-rows.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
  const plan = 'plans: [{ slug: solo, prices: [{ slug: fee, model: flat, flatAmount: "10" }] }]';
  await insertCatalog(api.pool, 1, soundCatalog(`currency: EUR\nmeters: []\n${plan}`, 'fees'));
}, 300_000);
afterAll(() => api?.stop());

const put = (id: string, body: unknown, request: HttpRequest = {}) =>
  api.send('PUT', `/v1/customers/${id}`, { ...request, body });
const post = (path: string, key: string | null, request: HttpRequest = {}, send = api.send) =>
  send('POST', path, { ...request, headers: { ...(key !== null && { 'idempotency-key': key }), ...request.headers } });

/** Everything that is stored of accounts, as text. */
async function dump(pool: pg.Pool): Promise<Record<string, string[]>> {
  const tables: Record<string, string[]> = {};
  for (const table of [
    ...['account_changes', 'customers', 'customer_keys', 'customer_words', 'assigned_subjects'],
    ...['subject_assignments', 'subscriptions', 'subscription_records', 'due_customers', 'idempotent_answers'],
  ]) {
    const { rows } = await pool.query<{ row: string }>(`SELECT t::text AS row FROM tallyline.${table} t ORDER BY 1`);
    tables[table] = rows.map(({ row }) => row);
  }
  return tables;
}

describe('an Idempotency-Key', () => {
  it('is needed', async () => {
    await put('keyless', {});
    const { status, body } = await post('/v1/customers/keyless/archive', null);
    expect([status, body.code]).toEqual([400, 'idempotency_key_required']);
    for (const key of ['a b', 'x'.repeat(256), 'ä']) {
      const refused = await post('/v1/customers/keyless/archive', key);
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid_request']);
    }
  });

  it('has one answer, whatever became of the object since', async () => {
    await put('once', { name: 'x' });
    const first = await post('/v1/customers/once/archive', 'k1', { body: { reason: 'r' } });
    await put('once', { name: 'y' }, { headers: { 'if-match': '"2"' } });
    const again = await post('/v1/customers/once/archive', 'k1', { body: { reason: 'r' } });
    expect([again.status, again.body, again.headers.get('etag')]).toEqual([200, first.body, '"2"']);
    const { body } = await api.send('GET', '/v1/customers/once');
    expect(body.version).toBe(3);
  });

  it('is of one request: another body, path or condition is a conflict', async () => {
    for (const id of ['one', 'two']) await put(id, {});
    await post('/v1/customers/one/archive', 'k2');
    for (const [path, request] of [
      ['/v1/customers/one/archive', { body: { reason: 'another' } }],
      ['/v1/customers/two/archive', {}],
      ['/v1/customers/one/archive', { headers: { 'if-match': '"1"' } }],
    ] as const) {
      const { status, body } = await post(path, 'k2', request);
      expect([status, body.code]).toEqual([409, 'idempotency_conflict']);
    }
    expect((await api.send('GET', '/v1/customers/two')).body.archivedAt).toBeNull();
  });

  it('is of one tenant and one route', async () => {
    await put('of-route', {});
    await put('of-route', {}, { tenant: 'umbrella' });
    await post('/v1/customers/of-route/archive', 'k3');
    const other = await post('/v1/customers/of-route/archive', 'k3', { tenant: 'umbrella' });
    expect(other.body.version).toBe(2);
    expect((await post('/v1/customers/of-route/erase', 'k3')).body.version).toBe(3);
  });

  it('is free again where nothing was done', async () => {
    expect((await post('/v1/customers/later/archive', 'k4')).status).toBe(404);
    await put('later', {});
    const late = await post('/v1/customers/later/archive', 'k4', { headers: { 'if-match': '"7"' } });
    expect(late.status).toBe(412);
    expect((await post('/v1/customers/later/archive', 'k4')).status).toBe(200);
  });

  it('does its thing once, sent many times at once', async () => {
    await put('at-once', {});
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => post('/v1/customers/at-once/erase', 'k5', { body: { reason: 'r' } })),
    );
    const done = answers.filter(({ status }) => status === 200);
    expect(done.length).toBeGreaterThan(0);
    expect(new Set(done.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    for (const { status, body } of answers)
      if (status !== 200) expect([status, body.code]).toEqual([409, 'in_progress']);
    expect((await api.send('GET', '/v1/customers/at-once')).body.version).toBe(2);
  });

  it('is told of a request with it that is being done, soon', async () => {
    await put('held', {});
    const holder = await api.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query("SELECT 1 FROM tallyline.customers WHERE tenant = 'acme' AND id = 'held' FOR UPDATE");
      const first = post('/v1/customers/held/archive', 'k6');
      await until(async () => {
        const { rows } = await api.pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
        return rows.length > 0;
      }, 'the first request waits for the row');
      const second = await post('/v1/customers/held/archive', 'k6');
      expect([second.status, second.body.code]).toEqual([409, 'in_progress']);
      expect(second.headers.get('retry-after')).toBe('1');
      await holder.query('COMMIT');
      expect((await first).body.version).toBe(2);
      expect((await post('/v1/customers/held/archive', 'k6')).body).toEqual((await first).body);
    } finally {
      holder.release(true);
    }
  });

  it('is kept for thirty days', async () => {
    await api.pool.query(
      `INSERT INTO tallyline.idempotent_answers (tenant, route, key, digest, status, made_at)
       SELECT 'acme', 'old', n::text, '', 200, now() - make_interval(days => $1, hours => CASE WHEN n = 1 THEN -1 ELSE 1 END)
       FROM generate_series(1, 3) AS n`,
      [ANSWERS_KEPT_DAYS],
    );
    expect(await sweepAnswers(api.pool)).toBe(2);
    const { rows } = await api.pool.query("SELECT key FROM tallyline.idempotent_answers WHERE route = 'old'");
    expect(rows).toEqual([{ key: '1' }]);
  });
});

/** A pool that tells of each statement within a transaction before it is sent, and behind it. */
function watchedPool(watch: {
  readonly before?: (text: string, pid: number) => Promise<void>;
  readonly after?: (text: string) => void;
}): pg.Pool {
  const pool = createPool(api.postgres.url, pino({ level: 'silent' }));
  const connect = pool.connect.bind(pool) as (...args: unknown[]) => Promise<pg.PoolClient>;
  const watched = new WeakSet<pg.PoolClient>();
  const watchedClient = async (): Promise<pg.PoolClient> => {
    const client = await connect();
    if (watched.has(client)) return client;
    watched.add(client);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const told = async (config: unknown, ...others: unknown[]) => {
      const text = typeof config === 'string' ? config : (config as { text: string }).text;
      await watch.before?.(text, rows[0]!.pid);
      const result = await query(config, ...others);
      watch.after?.(text);
      return result;
    };
    return Object.assign(client, { query: told });
  };
  // With a callback it is the pool's own `query` that connects.
  const either = (callback?: unknown) => (callback === undefined ? watchedClient() : connect(callback));
  return Object.assign(pool, { connect: either }) as pg.Pool;
}

describe('a connection that is killed', () => {
  /** Transactions lose their connection before statement `dieAt`; 0: they don't. */
  function mortalPool(): { readonly pool: pg.Pool; dieAt: number; statements: number } {
    const mortal = { dieAt: 0, statements: 0 };
    const pool = watchedPool({
      before: async (_, pid) => {
        mortal.statements += 1;
        if (mortal.statements === mortal.dieAt) await api.pool.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
      },
    });
    return Object.assign(mortal, { pool });
  }

  const acts: [string, string, string, HttpRequest, number][] = [
    ['a customer that is made', 'PUT', '/v1/customers/mortal', { body: { name: 'Mortal', parent: 'parent' } }, 201],
    [
      'one that is replaced',
      'PUT',
      '/v1/customers/mortal',
      { body: { name: 'New' }, headers: { 'if-match': '"1"' } },
      200,
    ],
    ['a subject that is assigned', 'PUT', '/v1/subjects/mortal', { body: { customer: 'mortal' } }, 201],
    [
      'a subscription that is made',
      'PUT',
      '/v1/subscriptions/mortal',
      { body: { customer: 'mortal', plan: 'solo', startsAt: '2026-01-01T00:00:00Z' } },
      201,
    ],
    [
      'one that is changed',
      'POST',
      '/v1/subscriptions/mortal/cancel',
      { body: { at: '2099-01-01T00:00:00Z' }, headers: { 'idempotency-key': 'm3' } },
      200,
    ],
    ['one that is archived', 'POST', '/v1/customers/mortal/archive', { headers: { 'idempotency-key': 'm1' } }, 200],
    ['one that is erased', 'POST', '/v1/customers/mortal/erase', { headers: { 'idempotency-key': 'm2' } }, 200],
  ];

  it('leaves all or nothing, at each step, and the same request ends it', async () => {
    await put('parent', {});
    const mortal = mortalPool();
    const serving = await api.another({ pool: mortal.pool });
    try {
      for (const [what, method, path, request, status] of acts) {
        let steps = 0;
        for (let step = 1; ; step++) {
          const before = await dump(api.pool);
          Object.assign(mortal, { dieAt: step, statements: 0 });
          const answer = await serving.send(method, path, request);
          if (answer.status !== 503) {
            // It had fewer statements than that.
            expect([what, answer.status]).toEqual([what, status]);
            break;
          }
          steps += 1;
          expect([answer.body.code, answer.headers.get('retry-after')]).toEqual(['store_unavailable', '1']);
          expect([what, step, await dump(api.pool)]).toEqual([what, step, before]);
        }
        // BEGIN, the tenant, what is done, COMMIT.
        expect(steps).toBeGreaterThanOrEqual(6);
      }
    } finally {
      await serving.stop();
      await mortal.pool.end();
    }
    const { body } = await api.send('GET', '/v1/audit?id=mortal');
    expect(body.data.map(({ kind, version }: Record<string, unknown>) => [kind, version])).toEqual([
      ['customer', 4],
      ['customer', 3],
      ['subscription', 2],
      ['subscription', 1],
      ['subject', 1],
      ['customer', 2],
      ['customer', 1],
    ]);
  });

  it('behind a commit leaves all, and the same request is answered as it was', async () => {
    await put('lost', {});
    // The answer of the commit is lost: the transaction is done and nobody is told.
    let isLost = true;
    const pool = watchedPool({
      after: (text) => {
        if (text !== 'COMMIT' || !isLost) return;
        isLost = false;
        throw new Error('Connection terminated unexpectedly');
      },
    });
    const serving = await api.another({ pool });
    try {
      const path = '/v1/customers/lost/archive';
      expect((await post(path, 'l1', {}, serving.send)).status).toBe(503);
      expect((await api.send('GET', '/v1/customers/lost')).body.version).toBe(2);
      expect((await post(path, 'l1', {}, serving.send)).body.version).toBe(2);
    } finally {
      await serving.stop();
      await pool.end();
    }
  });
});

describe('Postgres', () => {
  it('that is away is a 503 that says when to come back', async () => {
    const pool = createPool('postgresql://nobody@127.0.0.1:1/none', pino({ level: 'silent' }));
    const working = createPool(api.postgres.url, pino({ level: 'silent' }));
    // It was there when the stage started.
    let isAway = false;
    const switching = new Proxy(working, {
      get: (_, name) => {
        const of = isAway ? pool : working;
        const value = of[name as keyof pg.Pool] as unknown;
        return typeof value === 'function' ? value.bind(of) : value;
      },
    });
    const serving = await api.another({ pool: switching });
    isAway = true;
    try {
      for (const [method, path, body] of [
        ['GET', '/v1/customers', undefined],
        ['GET', '/v1/audit', undefined],
        ['PUT', '/v1/customers/away', {}],
        ['PUT', '/v1/subjects/away', { customer: 'away' }],
        ['POST', '/v1/customers/away/erase', {}],
      ] as const) {
        const answer = await serving.send(method, path, { body, headers: { 'idempotency-key': 'a' } });
        expect([path, answer.status, answer.body.code]).toEqual([path, 503, 'store_unavailable']);
        expect(answer.headers.get('retry-after')).toBe('1');
        expect(JSON.stringify(answer.body)).not.toMatch(/ECONNREFUSED|127/);
      }
    } finally {
      isAway = false;
      await serving.stop();
      await Promise.all([pool.end(), working.end()]);
    }
  });

  it('that keeps its catalog to itself is given up in time too', async () => {
    const serving = await api.another({ settings: { TALLYLINE_READ_TIMEOUT: '300ms' } });
    const holder = await api.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE tallyline.catalog_versions');
      const answer = await serving.send('GET', '/v1/catalog');
      expect([answer.status, answer.body.code]).toEqual([503, 'store_unavailable']);
    } finally {
      await holder.query('COMMIT');
      holder.release();
      await serving.stop();
    }
  });

  it('that hangs is given up in time, and nothing is done afterwards', async () => {
    await put('hung', { name: 'before' });
    const serving = await api.another({ settings: { TALLYLINE_READ_TIMEOUT: '300ms' } });
    const holder = await api.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query("SELECT 1 FROM tallyline.customers WHERE tenant = 'acme' AND id = 'hung' FOR UPDATE");
      const startedAt = performance.now();
      const answer = await serving.send('PUT', '/v1/customers/hung', {
        body: { name: 'after' },
        headers: { 'if-match': '"1"' },
      });
      expect([answer.status, answer.body.code]).toEqual([503, 'store_unavailable']);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    } finally {
      await holder.query('COMMIT');
      holder.release();
      await serving.stop();
    }
    await until(async () => {
      const { rows } = await api.pool.query("SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
      return rows.length === 0;
    }, 'no transaction is left open');
    expect((await api.send('GET', '/v1/customers/hung')).body).toMatchObject({ name: 'before', version: 1 });
  });
});

describe('a key', () => {
  it('asks no more often than it may', async () => {
    const serving = await api.another({ settings: { TALLYLINE_REQUESTS_PER_SECOND: '2' } });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await serving.send('PUT', '/v1/customers/often', { body: {} }));
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 429]);
    expect(Number(answers[2]!.headers.get('retry-after'))).toBeGreaterThan(0);
    await serving.stop();
  });
});

describe('the table of the present', () => {
  it('is what the newest change of each object says', async () => {
    const { rows: present } = await api.pool.query(
      `SELECT ${selected(customerColumns, 'c')} FROM tallyline.customers c`,
    );
    expect(present.length).toBeGreaterThan(10);
    const { rows: changes } = await api.pool.query(
      `SELECT DISTINCT ON (a.tenant, a.id) a.*, m.recorded_at AS made_at FROM tallyline.account_changes a
       JOIN tallyline.account_changes m ON m.tenant = a.tenant AND m.kind = a.kind AND m.id = a.id AND m.version = 1
       WHERE a.kind = 'customer' ORDER BY a.tenant, a.id, a.version DESC`,
    );
    const timeOf = (ms: number | null) => (ms === null ? null : new Date(ms));
    const rebuilt = changes.map(({ after, ...change }) => ({
      ...{ tenant: change.tenant, id: change.id, version: change.version, personal: change.personal },
      ...{ entity: after.entity, currency: after.currency, timezone: after.timezone, parent: after.parent },
      ...{ paidBy: after.paidBy, createdAt: change.made_at, updatedAt: change.recorded_at },
      ...{ archivedAt: timeOf(after.archivedAt), erasedAt: timeOf(after.erasedAt) },
    }));
    const byName = (rows: readonly { tenant: string; id: string }[]) =>
      Object.fromEntries(rows.map((row) => [`${row.tenant}/${row.id}`, row]));
    expect(byName(rebuilt)).toEqual(byName(present.map(({ shard: _, ...row }) => row)));

    const { rows: assigned } = await api.pool.query(
      `SELECT s.subject AS id, s.tenant, s.version, s.updated_at AS at, jsonb_agg(jsonb_build_object(
         'customer', a.customer, 'from', (extract(epoch FROM a.starts_at) * 1000)::bigint) ORDER BY a.starts_at) AS assignments
       FROM tallyline.assigned_subjects s JOIN tallyline.subject_assignments a USING (tenant, subject) GROUP BY 1, 2, 3, 4`,
    );
    const { rows: said } = await api.pool.query(
      `SELECT DISTINCT ON (tenant, id) tenant, id, version, recorded_at AS at, after->'assignments' AS assignments
       FROM tallyline.account_changes WHERE kind = 'subject' ORDER BY tenant, id, version DESC`,
    );
    expect(assigned.length).toBeGreaterThan(0);
    expect(byName(assigned)).toEqual(byName(said));

    const { rows: subscribed } = await api.pool.query(
      `SELECT s.id, s.tenant, s.version, s.updated_at AS at, s.customer, s.timezone,
         (extract(epoch FROM s.billed_from) * 1000)::bigint::text AS "billedFrom",
         (SELECT jsonb_agg(r.record ORDER BY r.sequence) FROM tallyline.subscription_records r
          WHERE r.tenant = s.tenant AND r.subscription = s.id) AS records FROM tallyline.subscriptions s`,
    );
    const { rows: made } = await api.pool.query(
      `SELECT tenant, id, max(version) AS version, max(recorded_at) AS at, min(after->>'customer') AS customer,
         min(after->>'timezone') AS timezone, min(after->>'billedFrom') AS "billedFrom",
         jsonb_agg(after->'record' ORDER BY version) AS records
       FROM tallyline.account_changes WHERE kind = 'subscription' GROUP BY 1, 2`,
    );
    expect(subscribed.length).toBeGreaterThan(0);
    expect(byName(subscribed)).toEqual(byName(made));
  });

  it('has a key for each customer that is not erased', async () => {
    const { rows } = await api.pool.query(
      `SELECT ${selected(customerKeyColumns, 'k')}, c.erased_at FROM tallyline.customers c
       FULL JOIN tallyline.customer_keys k ON k.tenant = c.tenant AND k.customer = c.id`,
    );
    for (const { wrappedKey, erased_at } of rows) expect(wrappedKey === null).toBe(erased_at !== null);
  });
});
