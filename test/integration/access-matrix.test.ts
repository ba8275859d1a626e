// Every operation of schemas/openapi.yaml, with keys of every scope, of another tenant and of one customer. The rows
// are the document's: an operation that says nothing of its scope fails here, and so does one that nobody can call yet.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createApiKey, type KeyRights } from '../../platform/access/api-key-store.ts';
import { type Scope, scopeNames } from '../../platform/access/scopes.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type AllFronts, startAllFronts } from '../support/processes/all-fronts.ts';
import { NOW, PARTITIONS } from '../support/processes/read-api.ts';
import { insertEvents, insertLineItems, insertRollUps, insertSeal } from '../support/usage-rows.ts';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
}
interface Operation {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: unknown;
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}
interface Row {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  readonly operation: Operation;
}

const openApi = parse(readFileSync(projectFile('schemas/openapi.yaml'), 'utf8')) as OpenApi;
const operations: readonly Row[] = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(([method]) => ['get', 'put', 'post', 'patch', 'delete'].includes(method))
    .map(([method, operation]) => ({ method: method.toUpperCase() as Row['method'], path, operation })),
);
const isOpen = ({ operation }: Row): boolean => operation.security?.length === 0;
const open = operations.filter(isOpen);
const guarded = operations.filter((row) => !isOpen(row));

const scopeOf = ({ operation }: Row): Scope => {
  const [scope, ...more] = operation.security?.flatMap((one) => one.apiKey ?? []) ?? [];
  expect([operation.operationId, scope, more]).toEqual([operation.operationId, expect.anything(), []]);
  expect(scopeNames).toContain(scope);
  return scope as Scope;
};
/** Previews are reads that have a body. */
const isRead = (row: Row): boolean => scopeOf(row) === 'read';

/** Whatever of acme must not be told to anybody else: in every row of it. */
const SECRET = 'Qk7';
/** A subject and customer of the same name, and its event. */
const OWN = `${SECRET}own`;
const OTHER = `${SECRET}other`;
const NOBODY = 'nobody';
const TEN = Date.UTC(2026, 10, 20, 10);

/** `name`: of the customer, subject or event that a request is about. */
const sampleOf = (parameter: string, name: string): string => {
  const values: Readonly<Record<string, string>> = {
    ...{ id: name, subject: name, customer: name, meter: 'input_tokens' },
    ...{ from: new Date(TEN).toISOString(), 'Idempotency-Key': `${name}-1` },
  };
  const value = values[parameter];
  if (value === undefined) throw new Error(`the test has no value for the parameter ${parameter}`);
  return value;
};

const bodies: Readonly<Record<string, (name: string) => unknown>> = {
  sendEvents: (name) => ({ id: `${name}-sent`, type: 'llm.completion', subject: name, data: { input_tokens: 1 } }),
  putCustomer: (name) => ({ name }),
  archiveCustomer: () => ({}),
  eraseCustomer: () => ({}),
  putCatalog: () => ({ currency: 'USD' }),
  diffCatalog: () => ({ currency: 'USD' }),
  assignSubject: (name) => ({ customer: name }),
  makeSubscription: (name) => ({ customer: name, plan: 'p', startsAt: '2026-11-20T10:00:00Z' }),
  previewSubscription: (name) => ({ subscription: name, cancel: { at: 'now' } }),
  changeSubscription: () => ({ at: 'now', quantities: { seats: '2' } }),
  cancelSubscription: () => ({ at: 'now' }),
  pauseSubscription: () => ({}),
  resumeSubscription: () => ({}),
  undoChange: () => ({ change: 1 }),
  recountMeter: (name) => ({ id: name, from: '2026-11-20T10:00:00Z' }),
};

function requestOf({ method, path, operation }: Row, name: string) {
  const parameters = (operation.parameters ?? []).map((given) =>
    '$ref' in given ? openApi.components.parameters[given.$ref.split('/').at(-1)!]! : given,
  );
  // A list of events has a range, and one of what subjects cost a customer; it is a parameter that may be left out, for
  // those who name one event, or one line item.
  const isNeeded = ({ name, required }: Parameter) =>
    required ||
    (operation.operationId === 'listEvents' && name === 'from') ||
    (operation.operationId === 'listLineItemSubjects' && name === 'customer');
  const needed = (place: Parameter['in']) => parameters.filter((each) => each.in === place && isNeeded(each));
  const query = needed('query').map((each) => `${each.name}=${encodeURIComponent(sampleOf(each.name, name))}`);
  const headers = Object.fromEntries(needed('header').map((each) => [each.name, sampleOf(each.name, name)]));
  const url = path.replace(/\{(\w+)\}/g, (_, parameter) => encodeURIComponent(sampleOf(parameter, name)));
  const body = bodies[operation.operationId];
  if (body === undefined && method !== 'GET') throw new Error(`the test has no body for ${operation.operationId}`);
  return {
    method,
    url: `${url}?${query.join('&')}`,
    headers,
    ...(body !== undefined && { payload: body(name) as object }),
  };
}

let fronts: AllFronts;
const keys = new Map<string, Promise<string>>();
const keyWith = (tenant: string, rights: KeyRights): Promise<string> => {
  const name = JSON.stringify([tenant, rights]);
  const made =
    keys.get(name) ?? createApiKey(fronts.pool, { tenant, actor: 'cli:test' }, '', rights).then(({ key }) => key);
  keys.set(name, made);
  return made;
};

async function call(row: Row, name: string, key: string | null) {
  const { headers, ...request } = requestOf(row, name);
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  const response = await fronts.app.inject({ ...request, headers: { ...headers, ...authorization } });
  const text = response.body;
  return { status: response.statusCode, text, body: text === '' ? null : (response.json() as Record<string, unknown>) };
}

beforeAll(async () => {
  fronts = await startAllFronts();
  const { pool, clickhouse } = fronts;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await insertSeal(pool, { partition, chunk: 0, endOffset: 10, watermark: NOW, catalogVersion: 1 });
  }
  const windows = { windowStart: TEN, windowEnd: TEN + 3_600_000 };
  const names = [OWN, OTHER];
  await insertRollUps(
    clickhouse,
    names.map((subject) => ({ meter: 'input_tokens', subject, windowStart: TEN, value: '7' })),
  );
  await insertEvents(
    clickhouse,
    names.map((subject) => ({ id: subject, subject, eventTime: TEN, receivedAt: TEN, offset: 1 })),
    PARTITIONS,
  );
  const idOf = (i: number) => `00000000-0000-5000-8000-00000000000${i}`;
  await insertLineItems(
    pool,
    names.map((customer, i) => ({ ...windows, id: idOf(i), customer })),
  );
  const acme = await keyWith('acme', { scopes: ['admin'] });
  const auth = { authorization: `Bearer ${acme}` };
  for (const name of names) {
    const payload = { name: `${SECRET} person` };
    await fronts.app.inject({ method: 'PUT', url: `/v1/customers/${name}`, headers: auth, payload });
    const payloadOf = { customer: name, from: '2026-11-20T10:00:00Z' };
    await fronts.app.inject({ method: 'PUT', url: `/v1/subjects/${name}`, headers: auth, payload: payloadOf });
    await pool.query(
      `WITH made AS (
         INSERT INTO tallyline.subscriptions (tenant, id, customer, version, starts_at, billed_from, timezone,
           takes_begun_window, made_from, created_at, updated_at)
         VALUES ('acme', $1, $1, 1, '2026-11-20T10:00:00Z', '2026-11-20T10:00:00Z', 'UTC', false, '{}', now(), now())
         RETURNING tenant, id)
       INSERT INTO tallyline.subscription_records (tenant, subscription, sequence, record, recorded_at)
       SELECT tenant, id, 1, $2, '2026-11-20T10:00:00Z' FROM made`,
      [name, JSON.stringify({ patches: [{ at: TEN, patch: { plan: `${SECRET}plan` } }] })],
    );
    await pool.query(
      `INSERT INTO tallyline.refusals (tenant, key_id, code, count, first_at, last_at, examples)
       SELECT 'acme', $1, 'time_too_old', 1, now(), now(), $2`,
      [
        `key_${name}`,
        JSON.stringify([{ id: name, source: null, type: null, subject: name, time: null, message: '', at: TEN }]),
      ],
    );
  }
}, 300_000);
afterAll(() => fronts?.stop());

it('only what nobody’s data is in can be had without a key', () => {
  const paths = open.map(({ path }) => path).sort();
  expect(paths).toEqual(['/', '/healthz', '/metrics', '/openapi.json', '/readyz']);
  expect(guarded.every(({ path }) => path.startsWith('/v1/'))).toBe(true);
});

describe.each(guarded.map((row) => [row.operation.operationId, row] as const))('%s', (_, row) => {
  it('needs a key, and the scope that the document says', async () => {
    const scope = scopeOf(row);
    expect(await call(row, NOBODY, null)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    const others = scopeNames.filter((name) => name !== scope && name !== 'admin');
    const without = await call(row, NOBODY, await keyWith('acme', { scopes: others }));
    expect(without).toMatchObject({ status: 403, body: { code: 'insufficient_scope', scope } });
    for (const scopes of [[scope], ['admin']] as const) {
      const { status, body } = await call(row, NOBODY, await keyWith('scoped', { scopes }));
      expect([body?.code, status === 401 || status === 403]).toEqual([body?.code, false]);
      expect(status).toBeLessThan(500);
      expect(body?.code).not.toBe('invalid_parameter');
    }
  });

  it('shows nothing of another tenant, and has nothing of it changed', async () => {
    const before = await acmeRows();
    // What others write is in a tenant of its own, and no read's news.
    const key = await keyWith(isRead(row) ? 'umbrella' : 'writing', { scopes: ['admin'] });
    const answer = await call(row, OWN, key);
    if (isRead(row)) {
      // It is as if there were none: but for the name that the request itself said.
      const nobody = await call(row, NOBODY, key);
      const plain = (text: string) => text.replaceAll(OWN, NOBODY).replace(/"requestId":"[^"]*"/, '');
      expect([answer.status, plain(answer.text)]).toEqual([nobody.status, plain(nobody.text)]);
      expect(plain(answer.text)).not.toContain(SECRET);
    }
    expect(await acmeRows()).toEqual(before);
  });

  it('is of one customer alone for a key that is limited to it, or refused', async () => {
    const scope = scopeOf(row);
    if (scope === 'manage') return;
    const key = await keyWith('acme', { scopes: [scope], customer: OWN });
    // What the key itself was refused is its own news, in `/v1/refusals`.
    const other = await call(row, isRead(row) ? OTHER : NOBODY, key);
    if (!isRead(row)) {
      expect(other.body).toMatchObject({ accepted: 0, rejected: [{ code: 'subject_not_allowed' }] });
      return;
    }
    expect(other.text).not.toContain(OTHER);
    if (row.path.includes('{') && other.status === 200 && row.operation.operationId !== 'readUsage') {
      expect(other.body).toEqual({ state: 'unknown' });
    }
    const own = await call(row, OWN, key);
    expect(own.text).not.toContain(OTHER);
    expect([200, 403]).toContain(own.status);
    if (own.status === 403) expect(own.body).toMatchObject({ code: 'outside_customer' });
    expect([row.operation.operationId, own.status]).toEqual([row.operation.operationId, toOwn(row)]);
  });
});

/** Which operations a key of one customer has: a new one is refused until somebody says that it may be answered. */
const toOwn = ({ operation: { operationId } }: Row): number =>
  [
    ...['listCustomers', 'getSubject', 'listSubscriptions', 'getSubscription', 'previewSubscription'],
    'listUnpriced',
  ].includes(operationId)
    ? 403
    : 200;

const ACME_TABLES = [
  ...['customers', 'assigned_subjects', 'subject_assignments', 'account_changes', 'line_items'],
  ...['subscriptions', 'subscription_records', 'due_customers', 'tenant_catalog_versions', 'recounts'],
];

async function acmeRows(): Promise<unknown[]> {
  const found = await Promise.all(
    ACME_TABLES.map((table) =>
      fronts.pool.query(
        `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS rows FROM tallyline.${table} t
         WHERE t.tenant = 'acme' ${table === 'account_changes' ? "AND t.kind <> 'key'" : ''}`,
      ),
    ),
  );
  return found.map(({ rows }) => rows[0].rows);
}
