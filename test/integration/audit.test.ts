// Who changed what, what everything was at an instant, and what is left of it once a person is forgotten.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { createPool } from '../../platform/postgres/pool.ts';
import { ACCOUNTS_KEY, type AccountsApi, startAccountsApi } from '../support/processes/accounts-api.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
}, 300_000);
afterAll(() => api?.stop());

const put = (id: string, body: unknown, headers: Record<string, string> = {}, tenant = 'acme') =>
  api.send('PUT', `/v1/customers/${id}`, { body, headers, tenant });
const post = (id: string, act: string, body: unknown = {}) =>
  api.send('POST', `/v1/customers/${id}/${act}`, {
    body,
    headers: { 'idempotency-key': `${id} ${act}`.replace(' ', '-') },
  });
const audit = async (query = '', tenant = 'acme') => {
  const { status, body } = await api.send('GET', `/v1/audit?${query}`, { tenant });
  expect([query, status]).toEqual([query, 200]);
  return body;
};
const walk = async (query: string) => {
  // biome-ignore lint/suspicious/noExplicitAny: the rows are what the tests look into.
  const rows: any[] = [];
  for (let cursor = ''; ; ) {
    const { data, nextCursor } = await audit(`${query}${cursor}`);
    rows.push(...data);
    if (nextCursor === null) return rows;
    cursor = `&cursor=${nextCursor}`;
  }
};
const named = (rows: readonly { kind: string; id: string; version: number }[]) =>
  rows.map(({ kind, id, version }) => `${kind} ${id} ${version}`);

describe('the list of changes', () => {
  it('says who made what of what, and why', async () => {
    await put('told', { name: 'First', currency: 'USD', reason: 'signed' });
    await put('told', { name: 'Second', currency: 'USD' }, { 'if-match': '"1"' });
    await api.send('PUT', '/v1/subjects/told', {
      body: { customer: 'told', from: '2026-01-01T00:00:00Z', reason: 'theirs' },
    });
    await post('told', 'archive', { reason: 'left' });
    const rows = await walk('id=told');
    expect(named(rows)).toEqual(['customer told 3', 'subject told 1', 'customer told 2', 'customer told 1']);
    const [archived, assigned, renamed, made] = rows;
    const { rows: keys } = await api.pool.query("SELECT id FROM tallyline.api_keys WHERE tenant = 'acme'");
    for (const { actor } of rows) expect(actor).toBe(`key:${keys[0].id}`);
    expect(rows.map(({ reason }) => reason)).toEqual(['left', 'theirs', null, 'signed']);
    expect(made.before).toBeNull();
    expect(made.after).toMatchObject({ name: 'First', currency: 'USD', archivedAt: null });
    expect(renamed.before).toEqual(made.after);
    expect(renamed.after).toEqual({ ...made.after, name: 'Second' });
    expect(archived.before).toEqual(renamed.after);
    expect(archived.after).toEqual({ ...renamed.after, archivedAt: archived.at });
    expect([assigned.before, assigned.after]).toEqual([
      null,
      { assignments: [{ customer: 'told', from: '2026-01-01T00:00:00Z' }] },
    ]);
  });

  it('has pages, which meet each change that was there once, whatever is changed meanwhile', async () => {
    for (let i = 0; i < 10; i++) await put(`paged-${i}`, { name: `${i}` });
    const before = named(await walk('limit=1000'));
    expect(before.length).toBeGreaterThan(10);
    const found: string[] = [];
    for (let cursor = '', i = 0; ; i++) {
      const { data, nextCursor } = await audit(`limit=2${cursor}`);
      found.push(...named(data));
      if (nextCursor === null) break;
      cursor = `&cursor=${nextCursor}`;
      await put(`meanwhile-${i}`, {});
    }
    expect(found).toEqual(before);
  });

  it('is narrowed down', async () => {
    const all = await walk('');
    expect(named(await walk('kind=subject'))).toEqual(['subject told 1']);
    expect(named(await walk('kind=customer&id=told&limit=1'))).toHaveLength(3);
    expect(await walk('actor=key:nobody')).toEqual([]);
    const byKey = all.filter(({ actor }) => actor === all[0].actor);
    expect(all.filter((row) => !byKey.includes(row)).map(({ kind, actor }) => [kind, actor])).toEqual([
      ['key', 'cli:test'],
    ]);
    expect(named(await walk(`actor=${all[0].actor}`))).toEqual(named(byKey));
    const [newest, ...older] = all;
    const from = older[0].at;
    // As instants: of texts, a whole second would lie behind its milliseconds.
    const isBefore = ({ at }: { at: string }): boolean => Date.parse(at) < Date.parse(from);
    expect(named(await walk(`to=${from}`))).toEqual(named(all.filter(isBefore)));
    expect(named(await walk(`from=${from}&limit=3`))).toEqual(named(all.filter((row) => !isBefore(row))));
    expect(isBefore(newest)).toBe(false);
  });

  it('says what everything was at an instant', async () => {
    const [archived, assigned, renamed, made] = await walk('id=told');
    expect(named(await walk(`asOf=${made.at}&id=told`))).toEqual(['customer told 1']);
    expect(named(await walk(`asOf=${renamed.at}&kind=customer&id=told`))).toEqual(['customer told 2']);
    expect(named(await walk(`asOf=${assigned.at}&kind=subject`))).toEqual(['subject told 1']);
    expect(named(await walk(`asOf=${archived.at}&id=told`))).toEqual(['customer told 3', 'subject told 1']);
    expect(await walk('asOf=2020-01-01T00:00:00Z')).toEqual([]);
    const now = named(await walk('asOf=2100-01-01T00:00:00Z&limit=2'));
    const newest = new Map((await walk('')).toReversed().map(({ kind, id, version }) => [`${kind} ${id}`, version]));
    expect(now.toSorted()).toEqual([...newest].map(([object, version]) => `${object} ${version}`).sort());
  });

  it.each([
    ['asOf=2026-01-01T00:00:00Z&from=2025-01-01T00:00:00Z', 'conflicting_parameters'],
    ['from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'conflicting_parameters'],
    ['kind=order', 'invalid_parameter'],
    ['asOf=yesterday', 'invalid_parameter'],
    ['limit=0', 'invalid_parameter'],
    ['cursor=x', 'invalid_cursor'],
  ])('refuses %s', async (query, code) => {
    const { status, body } = await api.send('GET', `/v1/audit?${query}`);
    expect([status, body.code]).toEqual([400, code]);
  });

  it('takes no cursor of another list, and shows nothing of another tenant with one', async () => {
    const { nextCursor } = await audit('limit=1');
    const other = await api.send('GET', `/v1/audit?kind=customer&cursor=${nextCursor}`);
    expect(other.body.code).toBe('invalid_cursor');
    const ofOther = (await audit(`cursor=${nextCursor}`, 'umbrella')).data;
    expect(ofOther.map(({ kind }: { kind: string }) => kind)).toEqual(['key']);
    expect((await audit('id=told', 'umbrella')).data).toEqual([]);
    expect((await api.send('GET', '/v1/audit', { tenant: null })).status).toBe(401);
  });
});

describe('a person that is forgotten', () => {
  const secrets = {
    ...{ name: 'Ottilie Vergessmeinnicht', email: 'ottilie@forget.example', line1: 'Schweigegasse 7' },
    ...{ city: 'Stillhausen', value: 'Lieblingsfarbe Purpur', key: 'Geburtsname' },
  };
  const body = {
    ...{ name: secrets.name, email: secrets.email, currency: 'EUR' },
    billingAddress: { line1: secrets.line1, city: secrets.city, postalCode: '99999', country: 'DE' },
    metadata: { [secrets.key]: secrets.value },
  };

  /** Every table of the installation, every column of it as text, and as bytes where that is what it is. */
  async function stored(): Promise<string> {
    const { rows: tables } = await api.pool.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'tallyline'",
    );
    expect(tables.length).toBeGreaterThan(15);
    let text = '';
    for (const { name } of tables) {
      const { rows } = await api.pool.query(`SELECT t::text AS row, t.* FROM ${name} t`);
      for (const row of rows) {
        text += row.row;
        for (const value of Object.values(row)) if (Buffer.isBuffer(value)) text += value.toString('utf8');
      }
    }
    return text;
  }

  it('is read before it, and nowhere afterwards: not in a table, not in a log, not in an answer', async () => {
    await put('forgotten', body);
    await put('forgotten', { ...body, name: `${secrets.name} II` }, { 'if-match': '"1"' });
    await api.send('PUT', '/v1/subjects/s', { body: { customer: 'forgotten', from: '2026-01-01T00:00:00Z' } });
    expect((await api.send('GET', '/v1/customers/forgotten')).body).toMatchObject({ name: `${secrets.name} II` });
    expect((await audit('id=forgotten')).data[0].before.billingAddress.line1).toBe(secrets.line1);
    expect((await api.send('GET', '/v1/customers?search=vergessmeinnicht')).body.data).toHaveLength(1);
    const plain = await stored();
    for (const secret of Object.values(secrets)) expect(plain).not.toContain(secret);
    const { rows: before } = await api.pool.query("SELECT * FROM tallyline.account_changes WHERE id = 'forgotten'");

    const { body: state } = await post('forgotten', 'erase', { reason: 'letter of 20 November' });
    expect(state).toMatchObject({ version: 3, erasedAt: expect.any(String), archivedAt: state.erasedAt });
    const { body: customer } = await api.send('GET', '/v1/customers/forgotten');
    expect(customer).toMatchObject({
      ...{ id: 'forgotten', name: null, email: null, billingAddress: null, metadata: {}, currency: 'EUR' },
      ...{ erasedAt: state.erasedAt, version: 3 },
    });
    const { body: past } = await api.send('GET', `/v1/customers/forgotten?asOf=${before[0].recorded_at.toISOString()}`);
    expect(past).toMatchObject({ version: 1, name: null, metadata: {}, currency: 'EUR', erasedAt: state.erasedAt });
    const { data } = await audit('id=forgotten');
    expect(
      data.map(({ version, erased, after }: Record<string, unknown>) => [version, erased, (after as typeof body).name]),
    ).toEqual([3, 2, 1].map((version) => [version, true, null]));
    expect(data[0].reason).toBe('letter of 20 November');
    for (const search of ['vergessmeinnicht', encodeURIComponent(secrets.email)]) {
      expect((await api.send('GET', `/v1/customers?search=${search}`)).body.data).toEqual([]);
    }
    const afterwards = `${await stored()}${api.log.join('\n')}`;
    for (const secret of Object.values(secrets)) expect(afterwards).not.toContain(secret);
    // What was written stays, and nothing that would open it.
    const { rows: after } = await api.pool.query(
      "SELECT * FROM tallyline.account_changes WHERE id = 'forgotten' AND version < 3 ORDER BY version",
    );
    expect(after).toEqual(before);
    for (const table of ['customer_keys', 'customer_words']) {
      const { rows } = await api.pool.query(`SELECT 1 FROM tallyline.${table} WHERE customer = 'forgotten'`);
      expect(rows).toEqual([]);
    }
    expect((await api.send('GET', '/v1/subjects/s')).body.customer).toBe('forgotten');
  });

  it('stays so: it is neither changed nor made again', async () => {
    for (const headers of [{}, { 'if-match': '"3"' }, { 'if-match': '*' }]) {
      const { status, body: problem } = await put('forgotten', {}, headers as Record<string, string>);
      expect([status, problem.code]).toEqual([409, 'customer_erased']);
    }
    const again = await api.send('POST', '/v1/customers/forgotten/erase', { headers: { 'idempotency-key': 'again' } });
    expect([again.status, again.body.version]).toEqual([200, 3]);
    expect((await post('forgotten', 'archive')).body.version).toBe(3);
  });

  it('can’t be had back by putting rows of another one in the place of its own', async () => {
    await put('donor', { name: 'Donor' });
    await put('taker', { name: 'Taker' });
    await api.pool.query(
      `UPDATE tallyline.customers SET personal = (SELECT personal FROM tallyline.customers WHERE id = 'donor')
       WHERE id = 'taker'`,
    );
    const response = await fetch(`${api.url}/v1/customers/taker`, { headers: { authorization: 'Bearer key-acme' } });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('Donor');
  });
});

describe('the installation’s key', () => {
  const next = Buffer.alloc(32, 8).toString('base64');

  it('is replaced by putting the next one before it; what is changed then goes over to it', async () => {
    await put('kept', { name: 'Kept Under Old' });
    const serving = await api.another({ settings: { TALLYLINE_ACCOUNTS_KEY: `${next},${ACCOUNTS_KEY}` } });
    try {
      const read = async () => (await serving.send('GET', '/v1/customers/kept')).body.name;
      const found = async () => (await serving.send('GET', '/v1/customers?search=kept')).body.data.length;
      expect([await read(), await found()]).toEqual(['Kept Under Old', 1]);
      const replaced = await serving.send('PUT', '/v1/customers/kept', {
        body: { name: 'Kept Under New' },
        headers: { 'if-match': '"1"' },
      });
      expect(replaced.status).toBe(200);
      expect([await read(), await found()]).toEqual(['Kept Under New', 1]);
      const history = await serving.send('GET', '/v1/audit?id=kept');
      expect(history.body.data[0].before.name).toBe('Kept Under Old');
      const { rows } = await api.pool.query("SELECT wrapped_by FROM tallyline.customer_keys WHERE customer = 'kept'");
      const { rows: others } = await api.pool.query(
        "SELECT DISTINCT wrapped_by FROM tallyline.customer_keys WHERE customer <> 'kept'",
      );
      expect(others).toHaveLength(1);
      expect(rows[0].wrapped_by).not.toBe(others[0].wrapped_by);
    } finally {
      await serving.stop();
    }
  });

  it('is asked for where it is missing, or is another one than customers were made with', async () => {
    await expect(api.another({ settings: { TALLYLINE_ACCOUNTS_KEY: '' } })).rejects.toThrow(
      /^TALLYLINE_ACCOUNTS_KEY is not set/,
    );
    await expect(api.another({ settings: { TALLYLINE_ACCOUNTS_KEY: next } })).rejects.toThrow(
      /add the key that was set before/,
    );
  });
});

describe('row-level security', () => {
  it('shows a user that does not own the tables the rows of its tenant alone, whatever is asked for', async () => {
    await put('of-umbrella', {}, {}, 'umbrella');
    await api.pool.query(`
      CREATE ROLE guest LOGIN PASSWORD 'guest';
      GRANT USAGE ON SCHEMA tallyline TO guest;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tallyline TO guest`);
    const url = new URL(api.postgres.url);
    Object.assign(url, { username: 'guest', password: 'guest' });
    const pool = createPool(url.href, pino({ level: 'silent' }));
    const client = await pool.connect();
    const tables = ['customers', 'customer_keys', 'account_changes'];
    const tenantsIn = async (table: string) =>
      (await client.query(`SELECT DISTINCT tenant FROM tallyline.${table} ORDER BY 1`)).rows.map(
        ({ tenant }) => tenant,
      );
    try {
      await client.query('BEGIN');
      await client.query("SELECT set_config('tallyline.tenant', 'umbrella', true)");
      for (const table of tables) expect([table, await tenantsIn(table)]).toEqual([table, ['umbrella']]);
      const { rowCount } = await client.query("UPDATE tallyline.customers SET version = 9 WHERE id = 'told'");
      expect(rowCount).toBe(0);
      await expect(
        client.query(
          `INSERT INTO tallyline.account_changes (tenant, kind, id, version, actor, recorded_at, after)
           VALUES ('acme', 'customer', 'x', 1, 'x', '2026-01-01', '{}')`,
        ),
      ).rejects.toThrow(/row-level security/);
      await client.query('ROLLBACK');
      // Other stages, which set none, see all.
      for (const table of tables) expect([table, await tenantsIn(table)]).toEqual([table, ['acme', 'umbrella']]);
    } finally {
      client.release();
      await pool.end();
    }
  });
});
