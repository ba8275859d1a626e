// Many subscriptions in and out: what becomes of each row, again, elsewhere, out of a catalog of an earlier release,
// and through the command.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { catalogSubscriptions } from '../../accounts/bulk/catalog-subscriptions.ts';
import { exportedSubscriptions } from '../../accounts/bulk/export-subscriptions.ts';
import { type FileRow, importRows } from '../../accounts/bulk/import-rows.ts';
import { importedSubscriptions } from '../../accounts/bulk/import-subscriptions.ts';
import { type RowFileFormat, rowsOfFile } from '../../accounts/bulk/row-file.ts';
import { catalogsNow } from '../../accounts/catalog-now.ts';
import { subscriptionForm } from '../../accounts/core/subscriptions/subscription-rows.ts';
import { Vault } from '../../platform/account-store/vault.ts';
import { ACCOUNTS_KEY, type AccountsApi, startAccountsApi } from '../support/processes/accounts-api.ts';
import { type Ended, tallyline } from '../support/processes/up.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { insertCatalog } from '../support/usage-rows.ts';

const CATALOG = `
currency: EUR
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: 1h }
plans:
  - slug: solo
    calendar: true
    timezone: UTC
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.02" }
      - { slug: fee, model: flat, flatAmount: "10" }
  - slug: team
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.01" }
      - { slug: fee, model: flat, flatAmount: "90" }
  - slug: support
    prices: [{ slug: support, model: flat, flatAmount: "50" }]
`;
const START = '2026-01-01T00:00:00Z';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
  await insertCatalog(api.pool, 1, soundCatalog(CATALOG, 'c.yaml'), new Date('2020-01-01'));
  for (const tenant of ['acme', 'umbrella'])
    for (const id of ['a', 'b', 'c']) await api.send('PUT', `/v1/customers/${id}`, { tenant, body: {} });
}, 300_000);
afterAll(() => api?.stop());

const vault = new Vault([Buffer.from(ACCOUNTS_KEY, 'base64')]);

async function importAll(
  rows: AsyncIterable<FileRow>,
  { tenant = 'acme', makesCustomers = false, rerate = false } = {},
) {
  const refused: string[] = [];
  const author = { tenant, actor: 'cli:tester' };
  const catalogs = await catalogsNow()(api.pool, author.tenant);
  const kind = importedSubscriptions({ author, catalogs, vault: makesCustomers ? vault : null, rerate });
  const counts = await importRows(rows, kind, {
    ...{ pool: api.pool, tenant, onProgress: () => {} },
    onRefused: (line, why) => refused.push(`${line}: ${why}`),
  });
  return { ...counts, lines: refused };
}
const imported = (text: string, format: RowFileFormat = 'ndjson', tenant = 'acme') =>
  importAll(rowsOfFile(format, Readable.from([Buffer.from(text)]), subscriptionForm), { tenant });
const ofCatalog = (text: string, options: { readonly tenant?: string; readonly rerate?: boolean } = {}) =>
  importAll(catalogSubscriptions(Readable.from([Buffer.from(text)]), options.tenant ?? 'acme'), {
    ...{ makesCustomers: true, ...options },
  });

const ndjson = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
const get = async (id: string, tenant = 'acme') =>
  (await api.send('GET', `/v1/subscriptions/${encodeURIComponent(id)}`, { tenant })).body;
let keys = 0;
const post = (id: string, act: string, body: unknown) =>
  api.send('POST', `/v1/subscriptions/${id}/${act}`, { body, headers: { 'idempotency-key': `k${++keys}` } });
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

describe('an import', () => {
  it('makes subscriptions as PUT does, and again none', async () => {
    const body = { customer: 'a', plan: 'solo', startsAt: START, quantities: { seats: '3' }, reason: 'moved' };
    const rows = [
      { id: 'i1', ...body },
      { id: 'i2', customer: 'a', plan: 'support', startsAt: START, billedFrom: START },
    ];
    expect(await imported(ndjson(rows))).toEqual({ made: 2, equal: 0, refused: 0, lines: [] });
    expect(await imported(ndjson(rows))).toEqual({ made: 0, equal: 2, refused: 0, lines: [] });
    const same = await api.send('PUT', '/v1/subscriptions/i1', { body });
    expect([same.status, same.body.status, same.body.version]).toEqual([200, 'active', 1]);
    const { body: changes } = await api.send('GET', '/v1/audit?kind=subscription&id=i1');
    expect(changes.data).toMatchObject([{ actor: 'cli:tester', reason: 'moved', version: 1 }]);
    const due = await api.pool.query(
      "SELECT due_at FROM tallyline.due_customers WHERE (tenant, customer) = ('acme', 'a')",
    );
    expect(due.rows).toEqual([{ due_at: new Date(START) }]);
  });

  it('takes what is good beside what is bad, and holds rows against each other', async () => {
    const given = { customer: 'b', startsAt: START, billedFrom: START };
    const { lines, ...counts } = await imported(
      [
        JSON.stringify({ id: 'good', ...given, plan: 'solo' }),
        JSON.stringify({ id: 'twice', ...given, plan: 'team' }),
        JSON.stringify({ id: '..', ...given, plan: 'team' }),
        JSON.stringify({ id: 'nobody', ...given, customer: 'nobody', plan: 'team' }),
        JSON.stringify({ id: 'no-plan', ...given, plan: 'none', startsAt: 'today' }),
        JSON.stringify({
          id: 'bad-change',
          ...given,
          plan: 'support',
          changes: [{ undoes: 2, at: START }, { patches: [] }],
        }),
        JSON.stringify({ id: 'good', ...given, plan: 'team' }),
        JSON.stringify({ id: 'beside', ...given, plan: 'support' }),
      ].join('\n'),
    );
    expect(counts).toEqual({ made: 2, equal: 0, refused: 6 });
    expect(lines).toEqual([
      '3: id must not be . or .., which clients fold in a path',
      expect.stringMatching(/^5: startsAt must .*plan must be a plan of the catalog/),
      expect.stringMatching(
        /^6: changes\[0\].undoes must be the number .*changes\[1\].patches must be a list of at least/,
      ),
      expect.stringMatching(/^2: From 2026-01-01T00:00:00Z on price tokens of subscription \w+ and price tokens/),
      '4: customer must be a customer that there is',
      expect.stringMatching(/^7: The subscription is there and was made from another body/),
    ]);
  });

  it('is done once by several at the same time', async () => {
    for (let i = 0; i < 300; i++) await api.send('PUT', `/v1/customers/raced-${i}`, { body: {} });
    const rows = Array.from({ length: 600 }, (_, i) => ({
      ...{ id: `raced-${i}`, customer: `raced-${i % 300}`, plan: i < 300 ? 'solo' : 'support', startsAt: START },
    }));
    const all = await Promise.all([
      imported(ndjson(rows)),
      imported(ndjson(rows.toReversed())),
      imported(ndjson([...rows.slice(200), ...rows.slice(0, 200)])),
    ]);
    expect(all.map(({ refused }) => refused)).toEqual([0, 0, 0]);
    expect(all.reduce((sum, { made }) => sum + made, 0)).toBe(600);
  });

  it('of CSV has a column for each field that is none of others', async () => {
    const { lines, ...counts } = await imported(
      [
        'id,customer,plan,startsAt,billedFrom,trialDays,quantities.seats',
        `csv-1,c,solo,${inDays(1)},,14,5`,
        `csv-2,c,support,${START},${START},,`,
        `csv-3,c,support,${START},,many,`,
      ].join('\n'),
      'csv',
    );
    expect(counts).toEqual({ made: 2, equal: 0, refused: 1 });
    expect(lines).toEqual([expect.stringMatching(/^4: trialDays must be a whole number of days/)]);
    const { quantities, status, trialEndsAt } = await get('csv-1');
    expect([quantities, status, trialEndsAt]).toEqual([{ seats: '5' }, 'scheduled', expect.any(String)]);
    await expect(imported('id,phases\n', 'csv')).rejects.toThrow('"phases" is an unknown column');
  });
});

it('an export makes the same subscriptions elsewhere, with all that was changed of them', async () => {
  const body = { customer: 'c', plan: 'team', startsAt: START, billedFrom: START, timezone: 'Asia/Tokyo' };
  const price = { slug: 'tokens', meter: 'tokens', match: {}, model: 'per_unit', unitAmount: '0.5' };
  const phases = [{ from: inDays(90), plan: 'solo', overrides: [price] }];
  await api.send('POST', '/v1/subscriptions/csv-1/cancel', {
    body: { at: 'now' },
    headers: { 'idempotency-key': 'c1' },
  });
  await api.send('PUT', '/v1/subscriptions/moves', { body: { ...body, phases, trialEndsAt: '2026-02-01T00:00:00Z' } });
  for (const [act, change] of [
    ['change', { at: inDays(10), plan: 'support', quantities: { seats: '8' } }],
    ['undo', { change: 2 }],
    ['pause', { until: inDays(3) }],
    ['resume', {}],
    ['change', { at: inDays(5), overrides: [price], trialEndsAt: inDays(6) }],
    ['change', { at: inDays(7), overrides: [{ slug: 'tokens', remove: true }], quantities: { seats: null } }],
    ['cancel', { at: inDays(200) }],
  ] as const)
    expect([act, (await post('moves', act, change)).status]).toEqual([act, 200]);

  const exported = async (tenant: string): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of exportedSubscriptions(api.pool, tenant)) lines.push(line);
    return lines;
  };
  const lines = await exported('acme');
  const ofFew = lines.filter((line) => !line.includes('raced'));
  expect(await imported(lines.join('\n'))).toEqual({ made: 0, equal: lines.length, refused: 0, lines: [] });
  expect(await imported(ofFew.join('\n'), 'ndjson', 'umbrella')).toMatchObject({ made: ofFew.length, lines: [] });
  expect(await exported('umbrella')).toEqual(ofFew);
  const withoutTimes = ({ createdAt: _, updatedAt: __, changes, ...rest }: Record<string, unknown>) => ({
    ...rest,
    changes: (changes as Record<string, unknown>[]).map(({ recordedAt: ___, ...change }) => change),
  });
  for (const id of ['i1', 'i2', 'csv-1', 'moves'])
    expect(withoutTimes(await get(id, 'umbrella'))).toEqual(withoutTimes(await get(id)));
  // What was changed since is not what the file says.
  await post('moves', 'change', { at: inDays(20), quantities: { seats: '9' } });
  const stale = await imported(lines.join('\n'));
  expect([stale.equal, stale.refused]).toEqual([lines.length - 1, 1]);
});

describe('the section of a catalog of an earlier release', () => {
  const section = `currency: EUR
subscriptions:
  - { subject: old-1, plan: team, startsAt: "2026-03-01T00:00:00Z" }
  - { subject: old-1, plan: solo, startsAt: "2026-01-15T00:00:00Z" }
  - { subject: old-2, plan: solo, startsAt: 2026-02-01T00:00:00+01:00, tenant: acme }
  - { subject: of-other, plan: solo, startsAt: "2026-01-01T00:00:00Z", tenant: umbrella }
  - { subject: old-3, plan: solo, startsAt: yesterday }
`;

  it('becomes a customer and one subscription for each subject, with one grid for all its plans', async () => {
    const first = await ofCatalog(section);
    expect(first).toEqual({
      ...{ made: 2, equal: 0, refused: 1 },
      lines: ['7: startsAt must be an RFC 3339 time, such as 2026-11-20T10:00:00Z'],
    });
    expect((await ofCatalog(section)).equal).toBe(2);
    const { customer, plan, startsAt, billedFrom, anchor, terms } = await get('old-1 from 2026-01-15T00:00:00Z');
    const start = '2026-01-15T00:00:00Z';
    expect([customer, plan, startsAt, billedFrom, anchor]).toEqual(['old-1', 'team', start, start, 'calendar']);
    const fees = terms.filter(({ price }: { price: string }) => price === 'fee');
    expect(fees).toMatchObject([
      { plan: 'solo', from: start, to: '2026-03-01T00:00:00Z' },
      { plan: 'team', from: '2026-03-01T00:00:00Z', to: null },
    ]);
    expect((await api.send('GET', '/v1/customers/old-1')).body).toMatchObject({ id: 'old-1', name: null });
    expect((await api.send('GET', '/v1/customers/of-other')).status).toBe(404);
    expect((await ofCatalog(section, { tenant: 'umbrella' })).made).toBe(2);
  });

  it('is billed from its start on although it was rated, where that is asked for', async () => {
    await api.pool.query("UPDATE tallyline.rater_shards SET closed_up_to = '2026-06-01T00:00:00Z'");
    try {
      const rated = section.replaceAll('old-', 'rated-');
      expect((await ofCatalog(rated)).lines).toContainEqual(
        expect.stringMatching(/^4: Usage up to 2026-06-01T00:00:00Z/),
      );
      expect(await ofCatalog(rated, { rerate: true })).toMatchObject({ made: 2, refused: 1 });
      expect((await get('rated-1 from 2026-01-15T00:00:00Z')).billedFrom).toBe('2026-01-15T00:00:00Z');
    } finally {
      await api.pool.query('UPDATE tallyline.rater_shards SET closed_up_to = NULL');
    }
  });

  it.each([
    ['currency: EUR', 'the file has no list `subscriptions`'],
    ['subscriptions: 7', 'the file has no list `subscriptions`'],
    ['subscriptions: [', /Flow sequence/],
  ])('is told to be none: %s', async (text, why) => {
    await expect(ofCatalog(text)).rejects.toThrow(why);
  });
});

it('the command takes each by its name, and prints what it takes', async () => {
  const run = async (args: readonly string[]): Promise<Ended> =>
    tallyline(args, { DATABASE_URL: api.postgres.url, TALLYLINE_ACCOUNTS_KEY: ACCOUNTS_KEY });
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-import-'));
  try {
    const catalog = join(directory, 'prices.yaml');
    await writeFile(catalog, `subscriptions: [{ subject: cli-1, plan: solo, startsAt: ${START} }]\n`);
    const first = await run(['import', 'subscriptions', catalog, '--tenant', 'cli']);
    expect(first).toMatchObject({ status: 0, stdout: '1 made, 0 equal, 0 refused\n' });
    const printed = await run(['export', 'subscriptions', '--tenant', 'cli']);
    expect(JSON.parse(printed.stdout)).toMatchObject({ id: `cli-1 from ${START}`, customer: 'cli-1', plan: 'solo' });
    const file = join(directory, 'subscriptions.ndjson');
    await writeFile(
      file,
      `${printed.stdout}{"id": "cli-2", "customer": "nobody", "plan": "solo", "startsAt": "${START}"}\n`,
    );
    const again = await run(['import', 'subscriptions', file, '--tenant', 'cli']);
    expect(again).toMatchObject({ status: 1, stdout: '0 made, 1 equal, 1 refused\n' });
    expect(again.stderr).toMatch(/^line 2: customer must be a customer that there is/m);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
