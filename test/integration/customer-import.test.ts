// Many customers in and out: what becomes of each row, in one go, again, at once, and through the command.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportedCustomers } from '../../accounts/bulk/export-customers.ts';
import { importedCustomers } from '../../accounts/bulk/import-customers.ts';
import { importRows } from '../../accounts/bulk/import-rows.ts';
import { type RowFileFormat, rowsOfFile } from '../../accounts/bulk/row-file.ts';
import { customerForm } from '../../accounts/core/customer-rows.ts';
import { Vault } from '../../platform/account-store/vault.ts';
import { ACCOUNTS_KEY, type AccountsApi, startAccountsApi } from '../support/processes/accounts-api.ts';
import { type Ended, tallyline } from '../support/processes/up.ts';

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
}, 300_000);
afterAll(() => api?.stop());

const vault = new Vault([Buffer.from(ACCOUNTS_KEY, 'base64')]);

async function imported(text: string | Buffer, format: RowFileFormat = 'ndjson', tenant = 'acme') {
  const refused: string[] = [];
  // In pieces that cut lines and characters.
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let i = 0; i < bytes.length; i += 997) pieces.push(bytes.subarray(i, i + 997));
  const kind = importedCustomers({ tenant, actor: 'cli:tester' }, vault);
  const counts = await importRows(rowsOfFile(format, Readable.from(pieces), customerForm), kind, {
    ...{ pool: api.pool, tenant },
    onRefused: (line, why) => refused.push(`${line}: ${why}`),
    onProgress: () => {},
  });
  return { ...counts, lines: refused };
}

async function exported(format: RowFileFormat, tenant: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportedCustomers(format, api.pool, vault, tenant)) lines.push(line);
  return lines;
}

const ndjson = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
const get = async (id: string, tenant = 'acme') =>
  (await api.send('GET', `/v1/customers/${encodeURIComponent(id)}`, { tenant })).body;

describe('an import', () => {
  it('makes customers as PUT does, each with its change', async () => {
    const counts = await imported(
      ndjson([
        { id: 'i1', name: 'Änne 😀', metadata: { a: 'b' }, reason: 'moved from the old system' },
        { id: 'i2', parent: 'i1', paidBy: 'parent', billingAddress: { city: 'Köln' } },
      ]),
    );
    expect(counts).toEqual({ made: 2, equal: 0, refused: 0, lines: [] });
    expect(await get('i1')).toMatchObject({ name: 'Änne 😀', metadata: { a: 'b' }, version: 1 });
    const same = await api.send('PUT', '/v1/customers/i2', {
      body: { parent: 'i1', paidBy: 'parent', billingAddress: { city: 'Köln' } },
    });
    expect([same.status, same.body.version]).toEqual([200, 1]);
    const { body } = await api.send('GET', '/v1/audit?id=i1');
    expect(body.data).toMatchObject([{ actor: 'cli:tester', reason: 'moved from the old system', version: 1 }]);
    expect((await api.send('GET', '/v1/customers?search=%C3%A4nne')).body.data).toHaveLength(1);
  });

  it('again makes nothing, and what differs is refused with its line', async () => {
    const rows = Array.from({ length: 1_203 }, (_, i) => ({ id: `many-${i}`, name: `Customer ${i}` }));
    expect(await imported(ndjson(rows))).toEqual({ made: 1_203, equal: 0, refused: 0, lines: [] });
    const changed = rows.map((row, i) => (i === 700 ? { ...row, name: 'Other' } : row));
    expect(await imported(ndjson([...changed, { id: 'many-new' }]))).toEqual({
      ...{ made: 1, equal: 1_202, refused: 1 },
      lines: ['701: the customer is there already, and is not as this row says'],
    });
    const { rows: changes } = await api.pool.query("SELECT 1 FROM tallyline.account_changes WHERE id LIKE 'many-%'");
    expect(changes).toHaveLength(1_204);
  });

  it('takes what is good beside what is bad', async () => {
    const text = [
      '{"id": "good-1"}',
      '',
      '{"id": ',
      '[]',
      '{"id": 7}',
      '{"name": "x"}',
      '{"id": "..", "name": "x"}',
      '{"id": "bad", "email": "x", "nmae": "y"}',
      '{"id": "orphan", "parent": "nobody"}',
      '{"id": "early", "parent": "late"}',
      '{"id": "late"}',
      `{"id": "long", "name": "${'x'.repeat(66_000)}"}`,
      '{"id": "good-1"}',
      '{"id": "good-1", "name": "another"}',
      '{"id": "good-2", "parent": "late"}',
    ].join('\n');
    const counts = await imported(text);
    expect([counts.made, counts.equal, counts.refused]).toEqual([3, 1, 10]);
    const reasons = Object.fromEntries(counts.lines.map((line) => line.split(/: (.*)/s) as [string, string]));
    expect(reasons).toEqual({
      3: 'it is no JSON object',
      4: 'it is no JSON object',
      5: 'id must be a text',
      6: 'id must be a text',
      7: 'id must not be . or .., which clients fold in a path',
      8: expect.stringMatching(/"nmae" is an unknown field.*email must be an e-mail address/),
      9: 'parent must be a customer that there is',
      10: 'parent must be a customer that there is',
      12: 'it is longer than 65536',
      14: 'the customer is there already, and is not as this row says',
    });
  });

  it('makes no circle and no hierarchy that is too deep', async () => {
    const chain = Array.from({ length: 9 }, (_, i) => ({ id: `deep-${i}`, ...(i > 0 && { parent: `deep-${i - 1}` }) }));
    const { made, lines } = await imported(ndjson([...chain, { id: 'own', parent: 'own' }]));
    expect(made).toBe(8);
    expect(lines).toEqual([
      '9: parent must have at most 7 customers above it and below it together',
      '10: parent must be another customer',
    ]);
    // It grows by one level a file no more than by one file.
    expect((await imported(ndjson([{ id: 'deep-8', parent: 'deep-7' }]))).made).toBe(0);
  });

  it('is done once by several at the same time', async () => {
    const rows = Array.from({ length: 800 }, (_, i) => ({ id: `raced-${i}`, name: 'same' }));
    const all = await Promise.all([
      imported(ndjson(rows)),
      imported(ndjson(rows.toReversed())),
      imported(ndjson([...rows.slice(400), ...rows.slice(0, 400)])),
    ]);
    expect(all.map(({ refused }) => refused)).toEqual([0, 0, 0]);
    expect(all.reduce((sum, { made }) => sum + made, 0)).toBe(800);
  });

  it('refuses an erased customer’s row', async () => {
    await imported('{"id": "gone", "name": "Gone"}');
    await api.send('POST', '/v1/customers/gone/erase', { headers: { 'idempotency-key': 'gone' } });
    expect((await imported('{"id": "gone", "name": "Gone"}')).lines).toEqual(['1: the customer was erased']);
  });
});

describe('CSV', () => {
  it('has a column for each field; an empty cell is none', async () => {
    const counts = await imported(
      [
        'id,name,email,parent,paidBy,billingAddress.city,billingAddress.country,metadata.crm,metadata.a b',
        'csv-1,"Schmidt, ""Anna""\nGmbH",anna@example.com,,,Köln,DE,0012,',
        'csv-2,,,csv-1,parent,,,,x',
        'csv-3,,,,,,,',
        'csv-4,,,,nobody,,,,',
      ].join('\r\n'),
      'csv',
    );
    expect([counts.made, counts.refused]).toEqual([2, 2]);
    expect(counts.lines).toEqual([
      '5: it has 8 cells, and the first line 9',
      expect.stringMatching(/^6: paidBy must be/),
    ]);
    expect(await get('csv-1')).toMatchObject({
      name: 'Schmidt, "Anna"\nGmbH',
      billingAddress: { city: 'Köln', country: 'DE', line1: null },
      metadata: { crm: '0012' },
    });
    expect(await get('csv-2')).toMatchObject({ paidBy: 'parent', metadata: { 'a b': 'x' }, billingAddress: null });
  });

  it.each([
    ['name\nx', /line 1: there is no column id/],
    ['id,id\nx,y', /line 1: the column "id" is there twice/],
    ['id,nmae\nx,y', /line 1: "nmae" is an unknown column/],
    ['id\n"x', /line 2: a quote is not closed/],
  ])('%j is refused as a whole', async (text, why) => {
    await expect(imported(text, 'csv')).rejects.toThrow(why);
  });

  it('is UTF-8, as NDJSON is', async () => {
    for (const format of ['csv', 'ndjson'] as const) {
      await expect(imported(Buffer.from([0x69, 0x64, 0xff]), format)).rejects.toThrow('the file is not UTF-8');
    }
  });
});

describe('an export', () => {
  it.each(['ndjson', 'csv'] as const)('as %s makes the same customers elsewhere', async (format) => {
    const lines = await exported(format, 'acme');
    expect(lines.length).toBeGreaterThan(2_000);
    const { made, refused } = await imported(lines.join('\n'), format, 'umbrella');
    expect(refused).toBe(0);
    expect(made).toBe(format === 'ndjson' ? lines.length : 0);
    for (const id of ['i1', 'i2', 'csv-1', 'csv-2', 'many-5']) {
      const [one, other] = [await get(id), await get(id, 'umbrella')];
      expect({ ...other, createdAt: one.createdAt, updatedAt: one.updatedAt }).toEqual(one);
    }
    expect(await exported(format, 'umbrella')).toEqual(lines);
    // Whoever was erased is not in it.
    expect(lines.some((line) => line.includes('gone'))).toBe(false);
  });
});

describe('the command', () => {
  const run = async (args: readonly string[]): Promise<Ended> =>
    tallyline(args, { DATABASE_URL: api.postgres.url, TALLYLINE_ACCOUNTS_KEY: ACCOUNTS_KEY });

  it('says how many were made, equal and refused, with their lines', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tallyline-import-'));
    try {
      const file = join(directory, 'customers.ndjson');
      await writeFile(file, '{"id": "cli-1", "name": "One"}\n{"id": "cli-2"}\n{"id": "cli-3", "currency": "eur"}\n');
      const first = await run(['import', 'customers', file, '--tenant', 'cli']);
      expect(first).toMatchObject({ status: 1, stdout: '2 made, 0 equal, 1 refused\n' });
      expect(first.stderr).toMatch(/^line 3: currency must be a currency of three capital letters/m);
      expect((await run(['import', 'customers', file, '--tenant', 'cli'])).stdout).toBe('0 made, 2 equal, 1 refused\n');
      const csv = await run(['export', 'customers', '--tenant', 'cli', '--format', 'csv']);
      expect(csv.stdout).toMatch(/^id,name,.*\ncli-1,One,.*\ncli-2,,.*\n$/);
      const other = join(directory, 'customers.txt');
      await writeFile(other, csv.stdout);
      const unnamed = await run(['import', 'customers', other, '--tenant', 'cli']);
      expect([unnamed.status, unnamed.stderr]).toEqual([1, expect.stringContaining('say which it is with --format')]);
      const named = await run(['import', 'customers', other, '--format', 'csv', '--tenant', 'cli']);
      expect(named).toMatchObject({ status: 0, stdout: '0 made, 2 equal, 0 refused\n' });
      const { rows } = await api.pool.query(
        "SELECT DISTINCT actor FROM tallyline.account_changes WHERE tenant = 'cli'",
      );
      expect(rows).toEqual([{ actor: expect.stringMatching(/^cli:./) }]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
