// Customers over HTTP, on a real Postgres: what is made, replaced, archived; who sees what; what is refused.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AccountsApi, etag, type HttpRequest, startAccountsApi } from '../support/processes/accounts-api.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
}, 300_000);
afterAll(() => api?.stop());

const put = (id: string, body: unknown, request: HttpRequest = {}) =>
  api.send('PUT', `/v1/customers/${encodeURIComponent(id)}`, { ...request, body });
const get = (id: string, query = '', tenant = 'acme') =>
  api.send('GET', `/v1/customers/${encodeURIComponent(id)}${query}`, { tenant });
const post = (id: string, act: string, request: HttpRequest = {}) =>
  api.send('POST', `/v1/customers/${encodeURIComponent(id)}/${act}`, {
    ...request,
    headers: { 'idempotency-key': `${id}-${act}`, ...request.headers },
  });
const changesOf = async (id: string): Promise<number> => {
  const { rows } = await api.pool.query('SELECT 1 FROM tallyline.account_changes WHERE id = $1', [id]);
  return rows.length;
};

const whole = {
  name: 'Anna Schmidt GmbH',
  email: 'anna@example.com',
  currency: 'EUR',
  timezone: 'Europe/Berlin',
  entity: 'emea',
  parent: null,
  paidBy: 'self',
  billingAddress: {
    ...{ line1: 'Hauptstr. 1', line2: null, city: 'Berlin', region: null, postalCode: '10115', country: 'DE' },
  },
  metadata: { crm: '0012', 'account manager': 'Jörg' },
};

describe('a customer', () => {
  it('is made once, and told whole', async () => {
    const made = await put('whole', whole);
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      ...{ id: 'whole', ...whole, version: 1, archivedAt: null, erasedAt: null },
      createdAt: expect.stringMatching(/^20\d\d-.*Z$/),
      updatedAt: made.body.createdAt,
    });
    expect(etag(made)).toBe('"1"');
    expect(made.headers.get('cache-control')).toBe('no-store');
    const again = await put('whole', { ...whole, metadata: { 'account manager': 'Jörg', crm: '0012' } });
    expect([again.status, etag(again), again.body]).toEqual([200, '"1"', made.body]);
    expect((await get('whole')).body).toEqual(made.body);
    expect(await changesOf('whole')).toBe(1);
  });

  it('has defaults for whatever is left out', async () => {
    const { body } = await put('bare', {});
    expect(body).toMatchObject({
      ...{ name: null, email: null, currency: null, timezone: null, entity: 'default', parent: null },
      ...{ paidBy: 'self', billingAddress: null, metadata: {} },
    });
  });

  it('is replaced by who has seen its newest version, and by nobody else', async () => {
    await put('replaced', { name: 'Old', currency: 'USD' });
    const without = await put('replaced', { name: 'New' });
    expect([without.status, without.body.code, without.body.version]).toEqual([412, 'version_mismatch', 1]);
    const seen = await put('replaced', { name: 'New' }, { headers: { 'if-match': '"1"' } });
    expect([seen.status, etag(seen), seen.body.name, seen.body.currency]).toEqual([200, '"2"', 'New', null]);
    const late = await put('replaced', { name: 'Other' }, { headers: { 'if-match': '"1"' } });
    expect([late.status, late.body.version]).toEqual([412, 2]);
    // Whoever lost the answer sends the same again.
    const resent = await put('replaced', { name: 'New' }, { headers: { 'if-match': '"1"' } });
    expect([resent.status, etag(resent)]).toEqual([200, '"2"']);
    expect((await put('replaced', { name: 'Third' }, { headers: { 'if-match': '*' } })).body.version).toBe(3);
    expect(await changesOf('replaced')).toBe(3);
    for (const header of ['"1"', '*']) {
      const nobody = await put('nobody', {}, { headers: { 'if-match': header } });
      expect([nobody.status, nobody.body.version]).toEqual([412, 0]);
    }
    for (const header of ['1', 'W/"1"', '"1", "2"', '""', '"x"']) {
      const { status, body } = await put('replaced', {}, { headers: { 'if-match': header } });
      expect([header, status, body.code]).toEqual([header, 400, 'invalid_request']);
    }
  });

  it('was something else at an instant', async () => {
    const first = await put('past', { name: 'First', currency: 'USD' });
    await api.pool.query('SELECT pg_sleep(0.01)');
    const second = await put('past', { name: 'Second' }, { headers: { 'if-match': '"1"' } });
    expect((await get('past', `?asOf=${first.body.createdAt}`)).body).toEqual(first.body);
    expect((await get('past', `?asOf=${second.body.updatedAt}`)).body).toEqual(second.body);
    expect((await get('past', '?asOf=2020-01-01T00:00:00Z')).body.code).toBe('unknown_customer');
    expect((await get('past', '?asOf=2100-01-01T00:00:00Z')).body).toEqual(second.body);
  });

  it('is archived, stays readable and can be mended', async () => {
    await put('archived', { name: 'A' });
    const { status, body, headers } = await post('archived', 'archive', { body: { reason: 'gone' } });
    expect([status, headers.get('etag')]).toEqual([200, '"2"']);
    expect(body).toEqual({
      ...{ id: 'archived', version: 2, erasedAt: null },
      ...{ updatedAt: body.archivedAt, archivedAt: expect.any(String) },
    });
    const mended = await put('archived', { name: 'B' }, { headers: { 'if-match': '"2"' } });
    expect(mended.body).toMatchObject({ name: 'B', archivedAt: body.archivedAt });
    const again = await post('archived', 'archive', { headers: { 'idempotency-key': 'another' } });
    expect(again.body).toMatchObject({ version: 3, archivedAt: body.archivedAt });
    expect(await changesOf('archived')).toBe(3);
    const other = await put('child-of-archived', { parent: 'archived' });
    expect(other.body.faults).toEqual([
      { field: 'parent', code: 'invalid_field', message: 'parent must not be archived' },
    ]);
  });

  it('is told by whatever name, as it was written', async () => {
    const names = [
      'محمد \u202e evil',
      '𝕬𝖓𝖓𝖆 👩‍👩‍👧‍👦',
      "Robert'); DROP TABLE customers;--",
      '<script>alert(1)</script>\n\t',
      'Z͑ͫ̓a̛l̈g̋o',
      '\u0001\u001f\u007f',
    ];
    for (const [i, name] of names.entries()) {
      const id = `né ${i}/?#%\\"'\u2028`;
      expect((await put(id, { name, metadata: { [name]: name, __proto__: 'x', constructor: 'y' } })).status).toBe(201);
      const { body } = await get(id);
      expect([body.id, body.name, body.metadata[name]]).toEqual([id, name, name]);
    }
    const { body } = await put('proto', '{"metadata": {"__proto__": "x", "toString": "y"}}');
    expect(JSON.stringify(body.metadata)).toBe('{"__proto__":"x","toString":"y"}');
    expect((await put('proto', '{"metadata": {"toString": "y", "__proto__": "x"}}')).status).toBe(200);
    expect((await put('proto', '{"metadata": {"toString": "y"}}')).status).toBe(412);
    // An id of 256 characters of four bytes.
    const long = '😀'.repeat(256);
    expect((await put(long, { name: 'long' })).status).toBe(201);
    expect((await get(long)).body.id).toBe(long);
  });
});

describe('a body', () => {
  it.each<[string, unknown, readonly string[]]>([
    ['an unknown field', { nmae: 'x' }, ['nmae unknown_field']],
    ['all of them at once', { name: 5, email: 'x', currency: 'eur' }, ['name', 'email', 'currency']],
    ['an empty text', { name: '' }, ['name']],
    ['a long text', { name: 'x'.repeat(257) }, ['name']],
    ['U+0000', { name: 'a\u0000' }, ['name']],
    ['a lone surrogate', '{"name": "\\ud800"}', ['name']],
    ['an address without a host', { email: 'anna@' }, ['email']],
    ['two addresses', { email: 'a@b.c, d@e.f' }, ['email']],
    ['a zone that is none', { timezone: '+02:00' }, ['timezone']],
    ['an entity with spaces', { entity: 'a b' }, ['entity']],
    ['a parent that is not there', { parent: 'nobody' }, ['parent']],
    ['itself as a parent', { parent: 'refused' }, ['parent']],
    ['a parent that pays and is not named', { paidBy: 'parent' }, ['paidBy']],
    ['another payer', { paidBy: 'nobody' }, ['paidBy']],
    ['a list as an address', { billingAddress: [] }, ['billingAddress']],
    ['an unknown line of an address', { billingAddress: { zip: '1' } }, ['billingAddress.zip']],
    [
      'a country in words',
      { billingAddress: { country: 'Germany', city: 7 } },
      ['billingAddress.city', 'billingAddress.country'],
    ],
    ['metadata that are no texts', { metadata: { a: 1, b: '' } }, ['metadata.a', 'metadata.b']],
    [
      'too many metadata',
      { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [i, 'x'])) },
      ['metadata'],
    ],
    ['a reason of another kind', { reason: {} }, ['reason']],
  ])('is refused for %s, with the field and the reason', async (_, body, fields) => {
    const { status, body: problem } = await put('refused', body);
    expect([status, problem.code]).toEqual([400, 'invalid_field']);
    const named = problem.faults.map(({ field, code }: Record<string, string>) =>
      fields.some((each) => each.includes(' ')) ? `${field} ${code}` : field,
    );
    expect(named.sort()).toEqual([...fields].sort());
    for (const { field } of problem.faults) expect(problem.detail).toContain(field);
    expect(await changesOf('refused')).toBe(0);
  });

  it.each<[string, string, Record<string, string>, number, string]>([
    ['no JSON', '{', {}, 400, 'malformed_body'],
    ['no object', '[]', {}, 400, 'malformed_body'],
    ['nothing', 'null', {}, 400, 'malformed_body'],
    ['another type', 'name: x', { 'content-type': 'text/yaml' }, 415, 'unsupported_media_type'],
    ['another charset', '{}', { 'content-type': 'application/json; charset=latin1' }, 415, 'unsupported_media_type'],
    ['a coding', '{}', { 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
    ['too many bytes', JSON.stringify({ name: 'x'.repeat(70_000) }), {}, 413, 'body_too_large'],
  ])('of %s is refused', async (_, body, headers, status, code) => {
    const answer = await put('refused', body, { headers });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('is UTF-8', async () => {
    const response = await fetch(`${api.url}/v1/customers/latin`, {
      ...{ method: 'PUT', body: Buffer.from([0x7b, 0x22, 0xe4, 0x22, 0x3a, 0x31, 0x7d]) },
      headers: { authorization: 'Bearer key-acme', 'content-type': 'application/json' },
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'malformed_body']);
  });

  it('is not read of whoever may not send it', async () => {
    const { status } = await put('refused', { name: 'x'.repeat(1_000) }, { tenant: 'nobody' });
    expect(status).toBe(401);
  });

  it.each(['x'.repeat(257), 'a\u0000b'])('is not taken for the id %j', async (id) => {
    const { status, body } = await put(id, {});
    expect([status, body.code]).toEqual([400, 'invalid_parameter']);
  });
});

describe('a hierarchy', () => {
  it('has no circle, and a depth', async () => {
    for (let i = 0; i < 8; i++) {
      const parent = i === 0 ? null : `h${i - 1}`;
      expect((await put(`h${i}`, { parent })).status).toBe(201);
    }
    const deeper = await put('h8', { parent: 'h7' });
    expect(deeper.body.faults[0].message).toMatch(/parent must have at most 7 customers above it and below it/);
    const circle = await put('h0', { parent: 'h7' }, { headers: { 'if-match': '"1"' } });
    expect(circle.body.faults[0].message).toBe('parent must not belong to it');
    await put('top', {});
    const moved = await put('h0', { parent: 'top' }, { headers: { 'if-match': '"1"' } });
    expect(moved.body.faults[0].message).toMatch(/at most 7/);
    const pays = await put('h1', { parent: 'h0', paidBy: 'parent' }, { headers: { 'if-match': '"1"' } });
    expect(pays.body).toMatchObject({ parent: 'h0', paidBy: 'parent', version: 2 });
  });

  it('has no circle where two are moved at once', async () => {
    for (let round = 0; round < 10; round++) {
      const [a, b] = [`a${round}`, `b${round}`];
      await Promise.all([put(a, {}), put(b, {})]);
      const answers = await Promise.all([
        put(a, { parent: b }, { headers: { 'if-match': '*' } }),
        put(b, { parent: a }, { headers: { 'if-match': '*' } }),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    }
  });
});

describe('many at once', () => {
  it('make a customer once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => put('raced', { name: 'same' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await changesOf('raced')).toBe(1);
  });

  it('replace a version once', async () => {
    await put('versions', { name: '0' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => put('versions', { name: `n${i}` }, { headers: { 'if-match': '"1"' } })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(412)]);
    expect(await changesOf('versions')).toBe(2);
  });
});

describe('lists', () => {
  const walk = async (query: string, tenant = 'acme', onPage?: () => Promise<unknown>): Promise<string[]> => {
    const ids: string[] = [];
    for (let cursor = ''; ; ) {
      const { status, body } = await api.send('GET', `/v1/customers?${query}${cursor}`, { tenant });
      expect(status).toBe(200);
      ids.push(...body.data.map(({ id }: { id: string }) => id));
      if (body.nextCursor === null) return ids;
      cursor = `&cursor=${body.nextCursor}`;
      await onPage?.();
    }
  };

  it('have each customer once, in the order of their making, whatever is changed meanwhile', async () => {
    const before = await walk('limit=1000');
    expect(before.length).toBeGreaterThan(20);
    let made = 0;
    const walked = await walk('limit=3', 'acme', async () => {
      made += 1;
      await put(`meanwhile ${made}`, { name: 'x' });
      await put('whole', { ...whole, name: `changed ${made}` }, { headers: { 'if-match': '*' } });
    });
    expect(walked.filter((id) => !id.startsWith('meanwhile'))).toEqual(before);
    expect(new Set(walked).size).toBe(walked.length);
  });

  it('find by the words of a name and by an address', async () => {
    await put('found 1', { name: 'Müller & Söhne', email: 'Post@Mueller.Example' });
    await put('found 2', { name: 'Söhne Mannheims' });
    expect(await walk('search=s%C3%B6hne&limit=1')).toEqual(['found 1', 'found 2']);
    expect(await walk('search=S%C3%96HNE%20m%C3%BCller')).toEqual(['found 1']);
    expect(await walk('search=post@mueller.example')).toEqual(['found 1']);
    expect(await walk('search=s%C3%B6hn')).toEqual([]);
    await put('found 2', { name: 'Xavier' }, { headers: { 'if-match': '"1"' } });
    expect(await walk('search=s%C3%B6hne')).toEqual(['found 1']);
    expect(await walk('search=xavier')).toEqual(['found 2']);
    expect(await walk('search=xavier', 'umbrella')).toEqual([]);
    expect(await walk('search=%26')).toEqual([]);
    expect(await walk('search=%20&limit=1000')).toEqual(await walk('limit=1000'));
  });

  it.each([
    'search=a%20b%20c%20d%20e%20f%20g%20h%20i',
    'limit=0',
    'limit=1001',
    'cursor=x',
    'serach=x',
    'search=a&search=b',
  ])('refuse %s', async (query) => {
    const { status, body } = await api.send('GET', `/v1/customers?${query}`);
    expect([status, body.code]).toEqual([400, query.startsWith('cursor') ? 'invalid_cursor' : 'invalid_parameter']);
  });

  it('refuse a cursor of another search, and show nothing of another tenant with one', async () => {
    const { body } = await api.send('GET', '/v1/customers?limit=1');
    const other = await api.send('GET', `/v1/customers?search=xavier&cursor=${body.nextCursor}`);
    expect(other.body.code).toBe('invalid_cursor');
    await put('umbrella’s', {}, { tenant: 'umbrella' });
    expect(await walk(`cursor=${body.nextCursor}`, 'umbrella')).toEqual(['umbrella’s']);
  });
});

describe('tenants', () => {
  it('reach nothing of each other', async () => {
    await put('shared', { name: 'of acme' });
    expect((await get('shared', '', 'umbrella')).body.code).toBe('unknown_customer');
    expect((await put('child', { parent: 'shared' }, { tenant: 'umbrella' })).body.code).toBe('invalid_field');
    for (const act of ['archive', 'erase']) {
      const { status } = await post('shared', act, { tenant: 'umbrella' });
      expect([act, status]).toEqual([act, 404]);
    }
    const replaced = await put('shared', { name: 'x' }, { tenant: 'umbrella', headers: { 'if-match': '"1"' } });
    expect(replaced.status).toBe(412);
    expect((await put('shared', { name: 'of umbrella' }, { tenant: 'umbrella' })).status).toBe(201);
    expect((await get('shared')).body.name).toBe('of acme');
    expect((await get('shared', '', 'umbrella')).body.name).toBe('of umbrella');
  });

  it('are asked for', async () => {
    for (const [method, path] of [
      ['GET', '/v1/customers'],
      ['GET', '/v1/customers/whole'],
      ['PUT', '/v1/customers/whole'],
      ['POST', '/v1/customers/whole/archive'],
      ['POST', '/v1/customers/whole/erase'],
    ] as const) {
      for (const tenant of [null, 'stranger']) expect((await api.send(method, path, { tenant })).status).toBe(401);
    }
  });
});

describe('what is written', () => {
  it('can’t be changed or deleted, not by the owner of the tables either', async () => {
    await put('kept', { name: 'x' });
    for (const sql of [
      "UPDATE tallyline.account_changes SET actor = 'nobody'",
      'DELETE FROM tallyline.account_changes',
      'TRUNCATE tallyline.account_changes',
    ]) {
      await expect(api.pool.query(sql)).rejects.toThrow(/refused: a correction is a new row/);
    }
  });

  it('is counted', async () => {
    expect(await api.registry.metrics()).toMatch(/^tallyline_account_changes_total\{kind="customer"\} [1-9]/m);
  });
});
