// Subjects and whose they are, over HTTP.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { customerAt } from '../../domain/accounts/assignments.ts';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import { type AccountsApi, etag, type HttpRequest, startAccountsApi } from '../support/processes/accounts-api.ts';
import { insertCatalog, insertLineItems } from '../support/usage-rows.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
  for (const id of ['a', 'b', 'archived', 'erased']) await api.send('PUT', `/v1/customers/${id}`, { body: {} });
  for (const act of ['archive', 'erase']) {
    const id = act === 'archive' ? 'archived' : 'erased';
    await api.send('POST', `/v1/customers/${id}/${act}`, { headers: { 'idempotency-key': act } });
  }
}, 300_000);
afterAll(() => api?.stop());

const assign = (subject: string, body: unknown, request: HttpRequest = {}) =>
  api.send('PUT', `/v1/subjects/${encodeURIComponent(subject)}`, { ...request, body });
const get = (subject: string, tenant = 'acme') =>
  api.send('GET', `/v1/subjects/${encodeURIComponent(subject)}`, { tenant });
const rated = (until: string | null) => api.pool.query('UPDATE tallyline.rater_shards SET closed_up_to = $1', [until]);

describe('a subject', () => {
  it('is a customer of its own name until it is assigned', async () => {
    const answer = await get('never');
    expect(answer.body).toEqual({
      ...{ subject: 'never', customer: 'never', assignments: [], version: 0, createdAt: null, updatedAt: null },
    });
    expect(etag(answer)).toBe('"0"');
  });

  it('is assigned from now on, once', async () => {
    const before = Date.now();
    const { status, body } = await assign('now', { customer: 'a' });
    expect([status, body.customer, body.version]).toEqual([201, 'a', 1]);
    const from = parseRfc3339(body.assignments[0].from)!;
    expect(from).toBeGreaterThanOrEqual(before - 1_000);
    expect(from).toBeLessThanOrEqual(Date.now() + 1_000);
    const again = await assign('now', { customer: 'a' });
    expect([again.status, again.body]).toEqual([200, body]);
    const moved = await assign('now', { customer: 'b' });
    expect([moved.status, moved.body.customer, moved.body.assignments.length]).toEqual([200, 'b', 2]);
    expect((await get('now')).body).toEqual(moved.body);
  });

  it('has a timeline in whatever order it is told, and belongs to whoever it says', async () => {
    const told = [
      ['2026-01-03T00:00:00Z', 'a'],
      ['2026-01-01T00:00:00Z', 'b'],
      ['2100-01-01T00:00:00Z', 'b'],
      ['2026-01-02T00:00:00.5Z', 'a'],
    ] as const;
    for (const [from, customer] of told) expect((await assign('line', { customer, from })).status).toBeLessThan(300);
    const { body } = await get('line');
    expect(body.assignments).toEqual(
      [...told]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([from, customer]) => ({
          customer,
          from: from.replace('.5Z', '.500Z'),
        })),
    );
    expect([body.customer, body.version]).toEqual(['a', 4]);
    const assignments = body.assignments.map((each: { customer: string; from: string }) => ({
      ...each,
      from: parseRfc3339(each.from)!,
    }));
    const at = (time: string) => customerAt({ subject: 'line', assignments }, parseRfc3339(time)!);
    expect(['2025-12-31T23:59:59Z', '2026-01-01T12:00:00Z', '2101-01-01T00:00:00Z'].map(at)).toEqual([
      'line',
      'b',
      'b',
    ]);
  });

  it('is assigned to another customer from the same instant only by who has seen it', async () => {
    const from = '2026-02-01T00:00:00Z';
    await assign('same', { customer: 'a', from });
    const blind = await assign('same', { customer: 'b', from });
    expect([blind.status, blind.body.code, blind.body.version]).toEqual([412, 'version_mismatch', 1]);
    const seen = await assign('same', { customer: 'b', from }, { headers: { 'if-match': '"1"' } });
    expect(seen.body).toMatchObject({ assignments: [{ customer: 'b', from }], version: 2 });
    const late = await assign('same', { customer: 'a' }, { headers: { 'if-match': '"1"' } });
    expect(late.status).toBe(412);
  });

  it('is not assigned where usage was rated already, and is told from when on it can be', async () => {
    await rated('2026-03-01T00:00:00Z');
    try {
      const { status, body } = await assign('rated', { customer: 'a', from: '2026-02-28T23:59:59.999Z' });
      expect([status, body.code, body.earliest]).toEqual([409, 'already_rated', '2026-03-01T00:00:00Z']);
      expect((await get('rated')).body.version).toBe(0);
      expect((await assign('rated', { customer: 'a', from: body.earliest })).status).toBe(201);
    } finally {
      await rated(null);
    }
  });

  it('is assigned where usage was rated already, if that is to be rated again: all it was and is are due (P2)', async () => {
    await assign('again', { customer: 'b', from: '2026-02-10T00:00:00Z' });
    await rated('2026-03-01T00:00:00Z');
    try {
      const { status } = await assign('again', { customer: 'a', from: '2026-02-20T10:30:00Z', rerate: true });
      expect(status).toBe(200);
      const { rows } = await api.pool.query<{ customer: string; due: Date }>(
        `SELECT customer, due_at AS due FROM tallyline.due_customers
         WHERE customer IN ('a', 'b', 'again') ORDER BY customer`,
      );
      expect(rows.map(({ customer, due }) => [customer, due.toISOString()])).toEqual(
        ['a', 'again', 'b'].map((customer) => [customer, '2026-02-20T00:00:00.000Z']),
      );
    } finally {
      await api.pool.query('TRUNCATE tallyline.due_customers');
      await rated(null);
    }
  });

  it('makes due whoever was billed of a period that goes on, since a level leaves with it (G3)', async () => {
    await assign('level', { customer: 'a', from: '2026-03-01T00:00:00Z' });
    await insertCatalog(api.pool, 1, emptyCatalog);
    await insertLineItems(api.pool, [
      { id: crypto.randomUUID(), customer: 'a', windowStart: Date.UTC(2026, 10, 2), windowEnd: Date.UTC(2026, 10, 3) },
    ]);
    const from = '2026-11-20T10:30:00Z';
    try {
      expect((await assign('level', { customer: 'b', from })).status).toBe(200);
      const { rows } = await api.pool.query<{ customer: string; due_at: Date }>(
        'SELECT customer, due_at FROM tallyline.due_customers',
      );
      expect(rows.map(({ customer, due_at }) => [customer, due_at.toISOString()])).toEqual([
        ['a', '2026-11-20T10:30:00.000Z'],
      ]);
    } finally {
      await api.pool.query('TRUNCATE tallyline.due_customers');
    }
  });

  it('is not assigned where usage is being rated: what a step closes counts before its progress has passed it', async () => {
    const closing = (until: string | null) =>
      api.pool.query('UPDATE tallyline.rater_shards SET closing_up_to = $1', [until]);
    await rated('2026-03-01T00:00:00Z');
    await closing('2026-03-01T01:00:00Z');
    try {
      const { status, body } = await assign('rating', { customer: 'a', from: '2026-03-01T00:30:00Z' });
      expect([status, body.code, body.earliest]).toEqual([409, 'already_rated', '2026-03-01T01:00:00Z']);
      expect((await assign('rating', { customer: 'a', from: body.earliest })).status).toBe(201);
    } finally {
      await rated(null);
      await closing(null);
    }
  });

  it.each(['a', 'b', 'both sides'])('is not assigned where usage of %s is being rated', async (customer) => {
    expect((await assign('both sides', { customer: 'a', from: '2026-01-01T00:00:00Z' })).status).toBeLessThan(300);
    // Each of the three is in a shard of its own.
    const close = 'UPDATE tallyline.rater_shards SET closing_up_to = $1 WHERE shard = tallyline.shard_of($2, $3)';
    await api.pool.query(close, ['2026-03-01T01:00:00Z', 'acme', customer]);
    try {
      const { status, body } = await assign('both sides', { customer: 'b', from: '2026-03-01T00:30:00Z' });
      expect([status, body.code, body.earliest]).toEqual([409, 'already_rated', '2026-03-01T01:00:00Z']);
    } finally {
      await api.pool.query(close, [null, 'acme', customer]);
    }
  });

  it.each([
    ['nobody', 400, 'invalid_field'],
    ['archived', 409, 'customer_archived'],
    ['erased', 409, 'customer_erased'],
  ])('is not assigned to %s', async (customer, status, code) => {
    const answer = await assign('refused', { customer });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it.each([
    [{}, ['customer missing_field']],
    [{ customer: null, from: 'x' }, ['customer missing_field', 'from invalid_field']],
    [{ customer: 'a', from: '2026-02-30T00:00:00Z' }, ['from invalid_field']],
    [{ customer: 'a', from: '2106-01-01T00:00:00Z' }, ['from invalid_field']],
    [{ customer: 'a', from: 0 }, ['from invalid_field']],
    [{ customer: 7, rerate: 'yes' }, ['customer invalid_field', 'rerate invalid_field']],
    [{ customer: 'a', again: true }, ['again unknown_field']],
  ])('is not assigned by %j', async (body, faults) => {
    const { status, body: problem } = await assign('refused', body);
    expect(status).toBe(400);
    const named = problem.faults.map(({ field, code }: Record<string, string>) => `${field} ${code}`);
    expect(named.sort()).toEqual(faults);
    expect((await get('refused')).body.version).toBe(0);
  });

  it('is assigned once by many at once, at one instant', async () => {
    const from = '2026-04-01T00:00:00Z';
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => assign('raced', { customer: i % 2 === 0 ? 'a' : 'b', from })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).toHaveLength(9);
    expect(statuses.filter((status) => status === 412)).toHaveLength(10);
    expect((await get('raced')).body.version).toBe(1);
  });

  it('is assigned to no customer that is archived at the same time', async () => {
    for (let round = 0; round < 10; round++) {
      const id = `leaving-${round}`;
      await api.send('PUT', `/v1/customers/${id}`, { body: {} });
      const [archived, assigned] = await Promise.all([
        api.send('POST', `/v1/customers/${id}/archive`, { headers: { 'idempotency-key': id } }),
        assign(`of-${id}`, { customer: id }),
      ]);
      expect(archived.status).toBe(200);
      if (assigned.status === 409) continue;
      const [{ at }] = assigned.body.assignments.map(({ from }: { from: string }) => ({ at: from }));
      expect(Date.parse(at)).toBeLessThanOrEqual(Date.parse(archived.body.archivedAt));
    }
  });

  it('is called by whatever name', async () => {
    for (const subject of ['a/b?c#d', '…%2F', '\u202e', '😀'.repeat(256)]) {
      expect((await assign(subject, { customer: 'a' })).status).toBe(201);
      expect((await get(subject)).body.subject).toBe(subject);
    }
  });
});

describe('the subjects of a customer', () => {
  const walk = async (customer: string, limit: number, tenant = 'acme') => {
    const found: string[] = [];
    for (let cursor = ''; ; ) {
      const { status, body } = await api.send('GET', `/v1/customers/${customer}/subjects?limit=${limit}${cursor}`, {
        tenant,
      });
      expect(status).toBe(200);
      for (const { subject, from, to } of body.data) found.push(`${subject} ${from} ${to}`);
      if (body.nextCursor === null) return found;
      cursor = `&cursor=${body.nextCursor}`;
    }
  };

  it('are stretches of time, each once', async () => {
    for (const id of ['owner', 'other']) await api.send('PUT', `/v1/customers/${id}`, { body: {} });
    const told = [
      ['z', 'owner', '2026-01-01T00:00:00Z'],
      ['z', 'other', '2026-02-01T00:00:00Z'],
      ['z', 'owner', '2026-03-01T00:00:00Z'],
      ['y', 'other', '2026-01-01T00:00:00Z'],
      ['x', 'owner', '2026-01-01T00:00:00Z'],
    ] as const;
    for (const [subject, customer, from] of told) await assign(subject, { customer, from });
    const expected = [
      'z 2026-01-01T00:00:00Z 2026-02-01T00:00:00Z',
      'z 2026-03-01T00:00:00Z null',
      'x 2026-01-01T00:00:00Z null',
    ];
    for (const limit of [1, 2, 3, 100]) expect(await walk('owner', limit)).toEqual(expected);
    expect(await walk('other', 1)).toHaveLength(2);
    const { body } = await api.send('GET', '/v1/customers/owner/subjects?limit=1');
    const foreign = await api.send('GET', `/v1/customers/other/subjects?cursor=${body.nextCursor}`);
    expect(foreign.body.code).toBe('invalid_cursor');
  });

  it('of nobody are not there', async () => {
    expect(await walk('b', 1)).not.toEqual([]);
    const { status, body } = await api.send('GET', '/v1/customers/nobody/subjects');
    expect([status, body.code]).toEqual([404, 'unknown_customer']);
  });
});

describe('tenants', () => {
  it('reach nothing of each other', async () => {
    await assign('shared', { customer: 'a' });
    expect((await get('shared', 'umbrella')).body).toMatchObject({ customer: 'shared', version: 0 });
    expect((await assign('shared', { customer: 'a' }, { tenant: 'umbrella' })).body.code).toBe('invalid_field');
    const { status } = await api.send('GET', '/v1/customers/a/subjects', { tenant: 'umbrella' });
    expect(status).toBe(404);
    await api.send('PUT', '/v1/customers/a', { tenant: 'umbrella', body: {} });
    await assign('shared', { customer: 'a', from: '2026-01-01T00:00:00Z' }, { tenant: 'umbrella' });
    expect((await get('shared')).body.assignments).toHaveLength(1);
    for (const path of ['/v1/subjects/shared', '/v1/customers/a/subjects']) {
      expect((await api.send('GET', path, { tenant: null })).status).toBe(401);
    }
    expect((await assign('shared', {}, { tenant: null })).status).toBe(401);
  });
});
