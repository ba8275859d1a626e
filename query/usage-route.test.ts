import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ReadApi, startReadApi } from '../test/support/processes/read-api.ts';
import { insertManifests, insertRollUps, insertSeal, type RollUp } from '../test/support/usage-rows.ts';
import { USAGE_ROWS_MAX } from './query-limits.ts';

const HOUR_MS = 3_600_000;
const TEN = Date.UTC(2026, 10, 20, 10);
const ELEVEN = TEN + HOUR_MS;
const EIGHT = Date.UTC(2026, 8, 20, 8);
const NINE = EIGHT + HOUR_MS;
const RANGE = 'from=2026-11-20T10:00:00Z&to=2026-11-20T12:00:00Z';
const HOSTILE = 'it\'s \\ "quoted"\t{tenant:String} \'; DROP TABLE usage_rollups --\n';

let api: ReadApi;

const tokens = (windowStart: number, value: string, more: Partial<RollUp> = {}): RollUp => ({
  meter: 'input_tokens',
  windowStart,
  groupValues: ['m-large', 'eu'],
  value,
  ...more,
});

beforeAll(async () => {
  api = await startReadApi();
  await insertRollUps(api.clickhouse, [
    tokens(TEN, '100', { version: 1 }),
    tokens(TEN, '20', { chunk: 1 }),
    tokens(TEN, '0.000000000003', { partition: 1 }),
    tokens(TEN, '5', { subject: 'cus_2', groupValues: ['m-small', ''] }),
    tokens(ELEVEN, '7', { groupValues: ['m-small', 'us'] }),
    tokens(TEN, '1000', { tenant: 'umbrella' }),
    tokens(Date.UTC(2026, 9, 24, 22), '3'),
    tokens(Date.UTC(2026, 9, 25, 22), '4'),
    tokens(Date.UTC(2026, 9, 25, 23), '5'),
    tokens(Date.UTC(2026, 8, 1), '11', { subject: HOSTILE, groupValues: [HOSTILE, 'a,b[]'] }),
    { meter: 'requests', windowStart: TEN, value: '2' },
    { meter: 'requests', windowStart: TEN + 60_000, value: '3', partition: 1 },
    { meter: 'peak', windowStart: TEN, value: '-4' },
    { meter: 'peak', windowStart: TEN, value: '-2.5', partition: 1 },
    { meter: 'low', windowStart: TEN, value: '-4' },
    { meter: 'low', windowStart: TEN, value: '-2.5', partition: 1 },
    { meter: 'seats', windowStart: TEN, value: '9', latest: { eventTime: TEN + 5, offset: 1 } },
    { meter: 'seats', windowStart: TEN, value: '8', partition: 1, latest: { eventTime: TEN + 4, offset: 900 } },
    { meter: 'users', windowStart: TEN, value: '2', uniqueValues: ['aa', 'bb'] },
    { meter: 'users', windowStart: ELEVEN, value: '2', partition: 1, uniqueValues: ['bb', 'cc'] },
    ...['seats', 'peak', 'low'].flatMap((slug) =>
      [slug, `${slug}-max`].flatMap((meter): RollUp[] => [
        { meter, windowStart: EIGHT, value: '90', latest: { eventTime: EIGHT, offset: 1 } },
        { meter, windowStart: NINE, value: '100', latest: { eventTime: NINE, offset: 2 } },
        { meter, windowStart: NINE, value: '10', latest: { eventTime: NINE + 1, offset: 3 }, subject: 'cus_2' },
      ]),
    ),
    ...['users', 'users-sum'].flatMap((meter): RollUp[] => [
      { meter, windowStart: EIGHT, value: '1', uniqueValues: ['aa'] },
      { meter, windowStart: NINE, value: '2', uniqueValues: ['aa', 'bb'] },
      { meter, windowStart: NINE, value: '2', uniqueValues: ['bb', 'cc'], subject: 'cus_2' },
    ]),
    { meter: 'storage', windowStart: Date.UTC(2026, 10, 20), value: '99999999999999999999999999.5' },
    { meter: 'storage', windowStart: Date.UTC(2026, 10, 20), value: '99999999999999999999999999.5', partition: 1 },
  ]);
  // The same row again, further on: it replaces the first and is not added to it.
  await insertRollUps(api.clickhouse, [tokens(TEN, '120', { version: 2 })]);
  for (const partition of [0, 1]) {
    await insertSeal(api.pool, { partition, chunk: 0, endOffset: 10, watermark: TEN, catalogVersion: 1 });
  }
  await api.pool.query(`INSERT INTO tallyline.published_watermark VALUES (1, '2026-11-20T11:10:00Z')`);
  await insertManifests(api.clickhouse, [
    { partition: 0, chunk: 1, nextOffset: 15, watermark: Date.UTC(2026, 10, 20, 12, 0, 29) },
    { partition: 1, chunk: 1, nextOffset: 17, watermark: Date.UTC(2026, 10, 20, 12, 0, 28, 800) },
  ]);
  // What the stage read of their freshness when it started is at most a second old; the status is always read anew.
  await api.get('/v1/status');
}, 300_000);
afterAll(() => api?.stop());

const usage = async (meter: string, query: string, tenant?: string) => {
  const answer = await api.get(`/v1/meters/${meter}/usage?${query}`, tenant);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.data;
};

describe('usage of a meter', () => {
  it('says how complete it is and which windows may still grow', async () => {
    const { body } = await api.get(`/v1/meters/input_tokens/usage?${RANGE}`);
    expect(body).toEqual({
      meter: 'input_tokens',
      from: '2026-11-20T10:00:00Z',
      to: '2026-11-20T12:00:00Z',
      window: '1h',
      across: 'sum',
      watermark: '2026-11-20T11:10:00Z',
      lagSeconds: 1.2,
      data: [
        {
          windowStart: '2026-11-20T10:00:00Z',
          windowEnd: '2026-11-20T11:00:00Z',
          value: '145.000000000003',
          state: 'closed',
        },
        { windowStart: '2026-11-20T11:00:00Z', windowEnd: '2026-11-20T12:00:00Z', value: '7', state: 'open' },
      ],
    });
  });

  it.each([
    ['input_tokens', '152.000000000003'],
    ['requests', '5'],
    ['peak', '-2.5'],
    ['low', '-4'],
    ['seats', '9'],
    ['users', '3'],
  ])('merges %s over partitions, chunks and windows', async (meter, value) => {
    const rows = await usage(meter, `${RANGE}&window=total`);
    expect(rows).toEqual([
      { windowStart: '2026-11-20T10:00:00Z', windowEnd: '2026-11-20T12:00:00Z', value, state: 'open' },
    ]);
  });

  // Each value of cus_1 and cus_2 in the hour of 9; in that of 8 cus_2 has none.
  it.each([
    ['seats', 'sum', '110', '90'],
    ['seats-max', 'max', '100', '90'],
    ['peak', 'sum', '110', '90'],
    ['peak-max', 'max', '100', '90'],
    ['low', 'sum', '110', '90'],
    ['low-max', 'max', '100', '90'],
    ['users', 'union', '3', '1'],
    ['users-sum', 'sum', '4', '1'],
  ])('puts the values of several subjects of %s together by %s', async (meter, across, total, eight) => {
    const range = 'from=2026-09-20T08:00:00Z&to=2026-09-20T10:00:00Z';
    const { body } = await api.get(`/v1/meters/${meter}/usage?${range}`);
    expect(body.across).toBe(across);
    expect(body.data.map(({ value }: { value: string }) => value)).toEqual([eight, total]);
    const bySubject = await api.get(`/v1/meters/${meter}/usage?${range}&window=total&groupBy=subject`);
    expect(bySubject.body).not.toHaveProperty('across');
    const values = bySubject.body.data.map(({ value }: { value: string }) => Number(value));
    // The subjects' own values are those of the range.
    const [whole] = await usage(meter, `${range}&window=total`);
    const together = { sum: values[0] + values[1], max: Math.max(...values), union: 3 }[across];
    expect(whole.value).toBe(String(together));
  });

  it('loses no digit of a sum that is longer than any value', async () => {
    const rows = await usage('storage', 'from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z');
    expect(rows[0].value).toBe('199999999999999999999999999');
  });

  it('groups by subject and dimensions in order, and names only what was asked for', async () => {
    const rows = await usage('input_tokens', `${RANGE}&groupBy=subject&groupBy=model&window=total`);
    expect(rows.map(({ subject, groups, value }: Record<string, unknown>) => [subject, groups, value])).toEqual([
      ['cus_1', { model: 'm-large' }, '140.000000000003'],
      ['cus_1', { model: 'm-small' }, '7'],
      ['cus_2', { model: 'm-small' }, '5'],
    ]);
    const [row] = await usage('input_tokens', `${RANGE}&groupBy=region`);
    expect(Object.keys(row)).toEqual(['windowStart', 'windowEnd', 'groups', 'value', 'state']);
    expect(row.groups).toEqual({ region: '' });
  });

  it('filters: any value of one dimension, and all of the dimensions', async () => {
    const total = async (filter: string) => (await usage('input_tokens', `${RANGE}&window=total&${filter}`))[0]?.value;
    expect(await total('filter[model]=m-small')).toBe('12');
    expect(await total('filter[model]=m-small&filter[model]=m-large')).toBe('152.000000000003');
    expect(await total('filter[model]=m-small&filter[region]=us')).toBe('7');
    expect(await total('filter[region]=')).toBe('5');
    expect(await total('filter[model]=other')).toBeUndefined();
    const rows = await usage('input_tokens', `${RANGE}&subject=cus_2&subject=nobody`);
    expect(rows).toEqual([expect.objectContaining({ subject: 'cus_2', value: '5' })]);
  });

  it('finds names that look like SQL, and runs none of them', async () => {
    const query = `from=2026-09-01T00:00:00Z&to=2026-09-02T00:00:00Z&groupBy=model`;
    const name = encodeURIComponent(HOSTILE);
    const rows = await usage('input_tokens', `${query}&subject=${name}&filter[model]=${name}&filter[region]=a,b[]`);
    expect(rows).toEqual([expect.objectContaining({ subject: HOSTILE, groups: { model: HOSTILE }, value: '11' })]);
    const evil = await api.get(`/v1/meters/${encodeURIComponent("x' OR 1=1 --")}/usage?${query}`);
    expect([evil.status, evil.body.code]).toEqual([404, 'unknown_meter']);
  });

  it('never shows one tenant the rows of another', async () => {
    expect(await usage('input_tokens', RANGE, 'umbrella')).toEqual([expect.objectContaining({ value: '1000' })]);
    expect(await usage('requests', RANGE, 'umbrella')).toEqual([]);
    const trick = await api.get(`/v1/meters/input_tokens/usage?${RANGE}&tenant=acme`, 'umbrella');
    expect([trick.status, trick.body.code]).toEqual([400, 'invalid_parameter']);
  });

  it('cuts days in the zone asked for, the longest of the year included', async () => {
    const rows = await usage(
      'input_tokens',
      'from=2026-10-24T22:00:00Z&to=2026-10-26T23:00:00Z&window=1d&timezone=Europe/Berlin',
    );
    expect(rows.map((row: Record<string, string>) => [row.windowStart, row.windowEnd, row.value])).toEqual([
      ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', '7'],
      ['2026-10-25T23:00:00Z', '2026-10-26T23:00:00Z', '5'],
    ]);
    const months = await usage('input_tokens', 'from=2026-08-31T00:00:00Z&to=2026-11-20T12:00:00Z&window=1mo');
    expect(months.map((row: Record<string, string>) => [row.windowStart, row.windowEnd, row.value])).toEqual([
      ['2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z', '11'],
      ['2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z', '12'],
      ['2026-11-01T00:00:00Z', '2026-11-20T12:00:00Z', '152.000000000003'],
    ]);
  });

  it('refuses what can’t be answered exactly, with a code', async () => {
    const code = async (query: string, meter = 'input_tokens') => {
      const { status, headers, body } = await api.get(`/v1/meters/${meter}/usage?${query}`);
      expect(headers['content-type']).toContain('application/problem+json');
      return `${status} ${body.code}`;
    };
    expect(await code(`${RANGE}&window=1m`)).toBe('400 window_too_small');
    expect(await code(`${RANGE}&groupBy=color`)).toBe('400 unknown_dimension');
    expect(await code('from=2026-11-20T10:30:00Z&strict=true')).toBe('400 range_misaligned');
    expect(await code('from=2025-01-01T00:00:00Z&emptyBuckets=true')).toBe('400 result_too_large');
    expect(await code('from=2026-11-01T00:00:00Z&window=1d&timezone=Asia/Kolkata')).toBe('400 timezone_misaligned');
    expect(await code('')).toBe('400 invalid_parameter');
  });

  it('answers with whole windows for a range that begins or ends inside them, and says from when to when', async () => {
    const { body } = await api.get(
      '/v1/meters/input_tokens/usage?from=2026-11-20T10:20:00Z&to=2026-11-20T11:00:30Z&window=total',
    );
    expect([body.from, body.to]).toEqual(['2026-11-20T10:00:00Z', '2026-11-20T12:00:00Z']);
    expect(body.data.map(({ value }: { value: string }) => value)).toEqual(['152.000000000003']);
  });

  it('gives zeros for buckets without usage where they are asked for', async () => {
    const range = 'from=2026-11-20T09:00:00Z&to=2026-11-20T12:00:00Z&emptyBuckets=true';
    const rows = async (query: string) =>
      (await usage('input_tokens', `${range}&${query}`)).map((row: Record<string, unknown>) => [
        ...[String(row.windowStart).slice(11, 13), row.subject ?? row.groups, row.value, row.state, row.isEmpty],
      ]);
    expect(await rows('')).toEqual([
      ['09', undefined, '0', 'closed', true],
      ['10', undefined, '145.000000000003', 'closed', undefined],
      ['11', undefined, '7', 'open', undefined],
    ]);
    expect(await rows('subject=cus_2&subject=nobody&window=total')).toEqual([
      ['09', 'cus_2', '5', 'open', undefined],
      ['09', 'nobody', '0', 'open', true],
    ]);
    expect(await rows('groupBy=region&filter[region]=us')).toEqual([
      ['09', { region: 'us' }, '0', 'closed', true],
      ['10', { region: 'us' }, '0', 'closed', true],
      ['11', { region: 'us' }, '7', 'open', undefined],
    ]);
  });

  it('says of a subject without usage whether there ever was any', async () => {
    const ask = async (query: string, tenant?: string) =>
      (await api.get(`/v1/meters/input_tokens/usage?from=2026-11-20T11:00:00Z&${query}`, tenant)).body.withoutUsage;
    expect(await ask('subject=cus_1')).toBeUndefined();
    expect(await ask('')).toBeUndefined();
    expect(await ask('subject=cus_1&subject=cus_2&subject=csu_1')).toEqual([
      { subject: 'cus_2', firstSeen: '2026-11-20T10:00:00Z' },
      { subject: 'csu_1', firstSeen: null },
    ]);
    expect(await ask('subject=cus_2', 'umbrella')).toEqual([{ subject: 'cus_2', firstSeen: null }]);
  });

  it('limits its own queries, and nobody else’s after them', async () => {
    await usage('input_tokens', RANGE);
    const [row] = await api.clickhouse.query<{ seconds: string }>(
      `SELECT toString(getSetting('max_execution_time')) AS seconds`,
    );
    expect(row).toEqual({ seconds: '0' });
  });

  it('refuses a result above the limit instead of cutting it short', async () => {
    const many = (n: number): RollUp[] =>
      Array.from({ length: n }, (_, i) => tokens(Date.UTC(2026, 6, 1), '1', { subject: `cus_${i}` }));
    const query = 'from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z&groupBy=subject';
    await insertRollUps(api.clickhouse, many(USAGE_ROWS_MAX));
    expect(await usage('input_tokens', query)).toHaveLength(USAGE_ROWS_MAX);
    await insertRollUps(api.clickhouse, many(USAGE_ROWS_MAX + 1));
    const { status, body } = await api.get(`/v1/meters/input_tokens/usage?${query}`);
    expect([status, body.code]).toEqual([400, 'result_too_large']);
  });
});

describe('meters', () => {
  it('are those of the published catalog', async () => {
    const { status, body } = await api.get('/v1/meters');
    expect(status).toBe(200);
    expect(body.data[0]).toEqual({
      meter: 'input_tokens',
      eventType: 'llm.completion',
      aggregation: 'sum',
      dimensions: ['model', 'region'],
      window: '1h',
      across: 'sum',
    });
    expect(body.data).toHaveLength(11);
  });
});

describe('status', () => {
  it('shows a tenant how far everything is counted, and not how much others send', async () => {
    const { body } = await api.get('/v1/status');
    expect(body).toEqual({ watermark: '2026-11-20T11:10:00Z', lagSeconds: 1.2 });
  });

  it('shows an operator what is counted beside what the log holds', async () => {
    api.ends.splice(0, 2, 16, 20);
    const { body } = await api.get('/v1/status', 'operator');
    expect(body).toEqual({
      watermark: '2026-11-20T11:10:00Z',
      lagSeconds: 1.2,
      partitions: [
        { partition: 0, nextOffset: 15, logEndOffset: 16, watermark: '2026-11-20T12:00:29Z' },
        { partition: 1, nextOffset: 17, logEndOffset: 20, watermark: '2026-11-20T12:00:28.800Z' },
      ],
    });
  });
});
