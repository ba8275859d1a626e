import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';
import { until } from '../../test/support/until.ts';
import { insertManifests, insertRollUps, insertSeal, type RollUp } from '../../test/support/usage-rows.ts';
import { USAGE_ROWS_MAX } from '../core/usage-request.ts';

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
    { meter: 'latency', windowStart: Date.UTC(2026, 3, 1), value: '30', events: 10, subject: 's0' },
    { meter: 'latency', windowStart: Date.UTC(2026, 3, 1), value: '8', subject: 's1' },
    { meter: 'latency', windowStart: Date.UTC(2026, 3, 1), value: '2', subject: 's2' },
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
      nextCursor: null,
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

  it('tells the mean of the events of all subjects, or of each', async () => {
    const range = 'from=2026-04-01T00:00:00Z&to=2026-04-01T02:00:00Z&window=total';
    const { body } = await api.get(`/v1/meters/latency/usage?${range}`);
    expect([body.across, body.data.map(({ value }: { value: string }) => value)]).toEqual([
      'pooled',
      ['3.333333333333'],
    ]);
    const bySubject = await usage('latency', `${range}&groupBy=subject`);
    expect(bySubject.map(({ value }: { value: string }) => value)).toEqual(['3', '8', '2']);
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
    expect(body.detail).toMatch(/limit=10000.*application\/x-ndjson/);
    const page = await api.get(`/v1/meters/input_tokens/usage?${query}&limit=${USAGE_ROWS_MAX}`);
    expect(page.body.data).toHaveLength(USAGE_ROWS_MAX);
    const rest = await api.get(`/v1/meters/input_tokens/usage?${query}&cursor=${page.body.nextCursor}`);
    expect([rest.body.data.length, rest.body.nextCursor]).toEqual([1, null]);
  });
});

/** Rows of 1 May 2026, which no other test reads. */
const MAY = 'from=2026-05-01T00:00:00Z';
const MAY_MS = Date.UTC(2026, 4, 1);
const ofMay = (hour: number, subject: string, model: string, value: string, more: Partial<RollUp> = {}): RollUp =>
  tokens(MAY_MS + hour * HOUR_MS, value, { subject, groupValues: [model, 'eu'], ...more });

describe('pages of usage', () => {
  const query = `${MAY}&to=2026-05-01T04:00:00Z&groupBy=subject&groupBy=model`;
  const page = async (more: string) => (await api.get(`/v1/meters/input_tokens/usage?${query}&${more}`)).body;
  const names = (rows: readonly Record<string, unknown>[]): string[] =>
    rows.map(({ windowStart, subject, groups, value }) =>
      [String(windowStart).slice(11, 13), subject, (groups as { model: string }).model, value].join(' '),
    );

  beforeAll(async () => {
    await insertRollUps(api.clickhouse, [
      ofMay(0, 'b', 'x', '1'),
      ofMay(0, 'a', 'y', '2'),
      ofMay(0, 'a', 'x', '3'),
      ofMay(1, 'a', '"é,[', '4'),
      ofMay(1, 'é', 'x', '5'),
      ofMay(3, 'a', 'x', '6'),
    ]);
  });

  it('have every row once, in order, and end with no cursor', async () => {
    const whole = await page('');
    expect(names(whole.data)).toEqual(['00 a x 3', '00 a y 2', '00 b x 1', '01 a "é,[ 4', '01 é x 5', '03 a x 6']);
    for (const limit of [1, 2, 3, 5, 6]) {
      const rows: Record<string, unknown>[] = [];
      let cursor: string | null = '';
      for (let pages = 0; cursor !== null; pages += 1) {
        expect(pages).toBeLessThan(7);
        const body: { data: Record<string, unknown>[]; nextCursor: string | null } = await page(
          `limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        expect(body.data.length).toBeLessThanOrEqual(limit);
        rows.push(...body.data);
        cursor = body.nextCursor;
      }
      expect(rows).toEqual(whole.data);
    }
  });

  it('neither repeat nor hide a row when usage comes between them', async () => {
    const first = await page('limit=3');
    await insertRollUps(api.clickhouse, [
      ofMay(0, '0', 'x', '7', { partition: 1 }),
      ofMay(0, 'a', 'x', '8', { partition: 1 }),
      ofMay(2, 'c', 'x', '9', { partition: 1 }),
    ]);
    const second = await page(`limit=10&cursor=${first.nextCursor}`);
    expect(names(second.data)).toEqual(['01 a "é,[ 4', '01 é x 5', '02 c x 9', '03 a x 6']);
    expect(names((await page('')).data)[0]).toBe('00 0 x 7');
  });

  it('end where the range of the first did, though it was not named', async () => {
    const open = `/v1/meters/requests/usage?from=2026-11-20T10:00:00Z&window=1m`;
    const first = (await api.get(`${open}&limit=1`)).body;
    expect(first.to).toBe('2026-11-20T12:01:00Z');
    const second = (await api.get(`${open}&limit=1&cursor=${first.nextCursor}`)).body;
    expect([second.to, second.data.length, second.nextCursor]).toEqual([first.to, 1, null]);
  });

  it('of one bucket go on behind the subject of the cursor', async () => {
    const total = (await page('window=total')).data;
    const first = await page('window=total&limit=3');
    const second = await page(`window=total&cursor=${first.nextCursor}`);
    expect([...first.data, ...second.data]).toEqual(total);
  });

  it('say once which subjects have no usage, those of later pages included', async () => {
    const asked = `/v1/meters/input_tokens/usage?${MAY}&to=2026-05-01T04:00:00Z&subject=a&subject=b&subject=nobody&limit=1`;
    const first = (await api.get(asked)).body;
    expect(first.data).toEqual([expect.objectContaining({ subject: 'a' })]);
    expect(first.withoutUsage).toEqual([{ subject: 'nobody', firstSeen: null }]);
    expect((await api.get(`${asked}&cursor=${first.nextCursor}`)).body.withoutUsage).toBeUndefined();
  });

  it('refuse a cursor of something else, and what is none', async () => {
    const { nextCursor } = await page('limit=1');
    const code = async (path: string) => (await api.get(path)).body.code;
    const range = `${MAY}&to=2026-05-01T04:00:00Z`;
    const forged = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString('base64url');
    for (const path of [
      `/v1/meters/input_tokens/usage?${range}&groupBy=subject&cursor=${nextCursor}`,
      `/v1/meters/storage/usage?${range}&groupBy=subject&cursor=${nextCursor}`,
      `/v1/meters/input_tokens/usage?${query}&filter[model]=x&cursor=${nextCursor}`,
      `/v1/meters/input_tokens/usage?${query}&cursor=nonsense`,
      `/v1/meters/input_tokens/usage?${query}&cursor=`,
      `/v1/meters/input_tokens/usage?${MAY}&cursor=${forged(['x', 1e300])}`,
      `/v1/meters/input_tokens/usage?${MAY}&cursor=${forged(['x', MAY_MS + HOUR_MS, -1, {}])}`,
      `/v1/meters/input_tokens/usage?${MAY}&cursor=${forged({ a: 1 })}`,
    ]) {
      expect([path, await code(path)]).toEqual([path, 'invalid_cursor']);
    }
  });

  it('never lead to the rows of another tenant', async () => {
    const first = (await api.get(`/v1/meters/input_tokens/usage?${query}&limit=1`)).body;
    const other = await api.get(`/v1/meters/input_tokens/usage?${query}&cursor=${first.nextCursor}`, 'umbrella');
    expect(other.body.data).toEqual([]);
  });
});

describe('the greatest values', () => {
  const APRIL_MS = Date.UTC(2026, 3, 1);
  const query = 'from=2026-04-01T00:00:00Z&to=2026-04-01T02:00:00Z&window=total&order=value';
  const top = async (meter: string, more: string) => {
    const { status, body } = await api.get(`/v1/meters/${meter}/usage?${query}&${more}`);
    expect([status, body.code]).toEqual([200, undefined]);
    return {
      rows: body.data.map(({ subject, groups, value }: Record<string, unknown>) => [subject ?? groups, value]),
      ...{ others: body.others, nextCursor: body.nextCursor },
    };
  };

  beforeAll(async () => {
    const of = (meter: string, subject: string, value: string, more: Partial<RollUp> = {}): RollUp => ({
      ...{ meter, subject, value, windowStart: APRIL_MS },
      ...more,
    });
    await insertRollUps(api.clickhouse, [
      ...['9', '10', '2.5', '-1'].map((value, i) => of('input_tokens', `s${i}`, value, { groupValues: ['m', ''] })),
      of('input_tokens', 's3', '4', { windowStart: APRIL_MS + HOUR_MS, groupValues: ['n', ''] }),
      ...['9', '10', '2.5', '-1'].map((value, i) => of('peak', `s${i}`, value)),
      ...['9', '10', '2.5', '-1'].map((value, i) => of('low', `s${i}`, value)),
      of('seats', 's0', '5', { latest: { eventTime: APRIL_MS + 9, offset: 1 } }),
      of('seats', 's1', '3', { latest: { eventTime: APRIL_MS + 8, offset: 2 } }),
      of('seats', 's2', '4', { latest: { eventTime: APRIL_MS + 7, offset: 3 } }),
      ...['9', '10', '2.5', '-1'].map((value, i) => of('peak-max', `s${i}`, value)),
      ...(
        [
          ...[['s0', '5', 'a', 1] as const, ['s1', '3', 'a', 2] as const, ['s0', '7', 'b', 3] as const],
          ...[['s2', '6', 'c', 4] as const, ['s2', '1', 'b', 5] as const],
        ] as const
      ).map(([subject, value, site, offset]) =>
        of('desks', subject, value, { groupValues: [site], latest: { eventTime: APRIL_MS + offset, offset } }),
      ),
      of('users', 's0', '3', { uniqueValues: ['a', 'b', 'c'] }),
      of('users', 's1', '2', { uniqueValues: ['a', 'd'] }),
      of('users', 's2', '1', { uniqueValues: ['d'] }),
    ]);
  });

  it('come first, and nothing else comes', async () => {
    expect(await top('input_tokens', 'groupBy=subject&limit=2')).toEqual({
      rows: [
        ['s1', '10'],
        ['s0', '9'],
      ],
      ...{ others: undefined, nextCursor: null },
    });
    expect((await top('input_tokens', 'groupBy=subject')).rows.map(([name]: [string]) => name)).toEqual([
      ...['s1', 's0', 's3', 's2'],
    ]);
    expect((await top('input_tokens', 'groupBy=model&limit=1')).rows).toEqual([[{ model: 'm' }, '20.5']]);
  });

  it.each([
    ['input_tokens', [['s1', '10']], { value: '14.5', count: 3 }],
    // As the meter's `across` puts subjects together.
    ['peak', [['s1', '10']], { value: '10.5', count: 3 }],
    ['peak-max', [['s1', '10']], { value: '9', count: 3 }],
    ['low', [['s1', '10']], { value: '10.5', count: 3 }],
    ['seats', [['s0', '5']], { value: '7', count: 2 }],
    // a and d: a is one of the first's as well.
    ['users', [['s0', '3']], { value: '2', count: 2 }],
    // By means and not by sums; 32 of eleven events.
    ['latency', [['s1', '8']], { value: '2.909090909091', count: 2 }],
  ])('of %s, and what the meter says of all others together', async (meter, rows, others) => {
    expect(await top(meter, 'groupBy=subject&limit=1&others=true')).toEqual({ rows, others, nextCursor: null });
  });

  it('of groups of several subjects are put together by subject, and so are the others', async () => {
    expect(await top('desks', 'groupBy=site&limit=1&others=true')).toEqual({
      rows: [[{ site: 'a' }, '8']],
      // s0 has 7 at b; of s2's, the 1 at b is later than the 6 at c.
      ...{ others: { value: '8', count: 2 }, nextCursor: null },
    });
    expect((await top('desks', 'groupBy=site')).rows).toEqual([
      [{ site: 'a' }, '8'],
      [{ site: 'b' }, '8'],
      [{ site: 'c' }, '6'],
    ]);
    const bySubject = await top('desks', 'groupBy=subject&groupBy=site&limit=1&others=true');
    expect([bySubject.rows, bySubject.others]).toEqual([[['s0', '7']], { value: '9', count: 4 }]);
  });

  it('have no others where all are there', async () => {
    const all = await top('users', 'groupBy=subject&limit=3&others=true');
    expect([all.rows.length, all.others]).toEqual([3, null]);
  });

  it.each([
    [`${MAY}&order=value&groupBy=subject`, 'conflicting_parameters', /^order: .*window=total/],
    [`${MAY}&window=total&order=value`, 'conflicting_parameters', /^order: .*groupBy/],
    [
      `${MAY}&window=total&order=value&groupBy=subject&cursor=x`,
      'conflicting_parameters',
      /^cursor: a ranking has no pages/,
    ],
    [`${MAY}&others=true`, 'conflicting_parameters', /^others: only with order=value/],
    [`${MAY}&limit=5&emptyBuckets=true`, 'conflicting_parameters', /^emptyBuckets: only of a whole answer/],
    [`${MAY}&limit=0`, 'invalid_parameter', /^limit: "0" is no whole number from 1 to 10000/],
    [`${MAY}&order=size`, 'invalid_parameter', /^order: "size" is none of time, value/],
  ])('refuse what makes no sense: %s', async (query, code, message) => {
    const { status, body } = await api.get(`/v1/meters/input_tokens/usage?${query}`);
    expect([status, body.code, body.detail]).toEqual([400, code, expect.stringMatching(message)]);
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
      lineItems: '1h',
      across: 'sum',
    });
    expect(body.data).toHaveLength(13);
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

describe('totals', () => {
  // Beyond a day after the seals, which have none.
  const query = 'from=2026-11-21T11:00:00Z&to=2026-11-21T12:00:00Z';

  it('answer what is of no subject, once every owner keeps them, and nothing else', async () => {
    await api.clickhouse.command(
      `INSERT INTO usage_totals (tenant, meter, window_start, group_values, version, value, event_count)
       VALUES ('acme', 'input_tokens', '2026-11-21 11:00:00', '["m-large","eu"]', 1, 42, 1)`,
    );
    expect(await usage('input_tokens', query)).toEqual([]);
    await api.pool.query('UPDATE tallyline.partition_progress SET totals_epoch = epoch');
    await until(async () => (await usage('input_tokens', query)).length > 0, 'totals are read');
    expect(await usage('input_tokens', `${query}&groupBy=model`)).toMatchObject([{ value: '42' }]);
    expect(await usage('input_tokens', `${query}&groupBy=subject`)).toEqual([]);
    expect(await usage('input_tokens', `${query}&subject=cus_1`)).toEqual([]);
    // A day earlier the seals are of a release without.
    expect(await usage('input_tokens', `${RANGE}&window=total`)).toMatchObject([{ value: '152.000000000003' }]);
  });
});
