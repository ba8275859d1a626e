import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { catalog, PARTITIONS, type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';
import {
  type EventRow,
  insertCatalog,
  insertEvents,
  insertLineItems,
  insertSeal,
} from '../../test/support/usage-rows.ts';

const HOUR_MS = 3_600_000;
const TEN = Date.UTC(2026, 10, 20, 10);
const RECEIVED = TEN + 1_500_250;
const DATA = '{"model":"m-large","input_tokens":"1204.5","low":1e-3}';

const id = (n: number): string => `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`;
const event = (name: string, more: Partial<EventRow> = {}): EventRow => ({
  id: name,
  eventTime: TEN + 62_000,
  receivedAt: RECEIVED,
  data: DATA,
  offset: 5,
  ...more,
});

let api: ReadApi;
const find = async (path: string, tenant?: string) => {
  const answer = await api.get(`/v1/events/${path}`, tenant);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
};

beforeAll(async () => {
  api = await startReadApi();
  // Version 2 has no meter for `low`, and version 3 requires what these events lack.
  const [tokens, ...others] = catalog.meters;
  await insertCatalog(api.pool, 2, { ...catalog, meters: [tokens!] });
  await insertCatalog(api.pool, 3, {
    ...catalog,
    meters: [tokens!, ...others.map((meter) => ({ ...meter, required: true }))],
  });
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const seal = { partition, watermark: TEN };
    await insertSeal(api.pool, { ...seal, chunk: 0, endOffset: 10, catalogVersion: 1 });
    const catalogChanges = [{ offset: 15, version: 2 }];
    await insertSeal(api.pool, { ...seal, chunk: 1, endOffset: 20, catalogVersion: 2, catalogChanges });
  }
  await insertEvents(
    api.clickhouse,
    [
      event('evt_1'),
      event('evt_1', { epoch: 2 }),
      event('evt_1', { offset: 7, reason: 'conflict' }),
      event('evt_1', { offset: 8, reason: 'conflict', receivedAt: RECEIVED + 1 }),
      event('evt_1', { source: 'other', data: '{"input_tokens":3}', subject: 'cus_2' }),
      event('evt_1', { tenant: 'umbrella', data: '{"input_tokens":9}' }),
      event('before', { offset: 14 }),
      event('after', { offset: 16 }),
      event('open', { offset: 25 }),
      event('late', { reason: 'too_late', offset: 9 }),
      event('broken', { reason: 'poison', offset: 9 }),
      event('mended', { reason: 'poison', offset: 3 }),
      event('mended', { offset: 6, receivedAt: RECEIVED + 2_000 }),
      event('a/b ü%', { offset: 6 }),
      event('x'.repeat(256), { offset: 6 }),
      event('.', { offset: 6 }),
      event('..', { offset: 6, source: 'a/../b' }),
    ],
    PARTITIONS,
  );
  const window = { windowStart: TEN, windowEnd: TEN + HOUR_MS };
  await insertLineItems(api.pool, [
    { ...window, id: id(1), price: 'all', groups: {} },
    { ...window, id: id(2), price: 'large', groups: { model: 'm-large' } },
    { ...window, id: id(3), price: 'large', groups: { model: 'm-large' }, revision: 1 },
    { ...window, id: id(4), price: 'small', groups: { model: 'm-small' } },
    { ...window, id: id(5), price: 'flat', meter: null },
    { windowStart: TEN + HOUR_MS, windowEnd: TEN + 2 * HOUR_MS, id: id(6), price: 'all' },
    { ...window, id: id(7), price: 'all', customer: 'cus_2' },
    { ...window, id: id(8), price: 'all', tenant: 'umbrella' },
    // Wider than the windows of their meter: the event is in the first, and a period's bound cut the hour in two.
    { ...{ windowStart: TEN, windowEnd: TEN + HOUR_MS / 2 }, id: id(9), price: 'calls', meter: 'requests' },
    { ...{ windowStart: TEN + HOUR_MS / 2, windowEnd: TEN + HOUR_MS }, id: id(10), price: 'calls', meter: 'requests' },
  ]);
}, 300_000);
afterAll(() => api?.stop());

const countedByOne = [
  { meter: 'input_tokens', windowStart: '2026-11-20T10:00:00Z', quantity: '1204.5' },
  { meter: 'requests', windowStart: '2026-11-20T10:01:00Z', quantity: '1' },
  { meter: 'low', windowStart: '2026-11-20T10:00:00Z', quantity: '0.001' },
];

describe('an event', () => {
  it('is accepted: counted in windows, priced by line items, with its conflicts', async () => {
    expect(await find('evt_1')).toEqual({
      state: 'accepted',
      receivedAt: '2026-11-20T10:25:00.250Z',
      countedIn: countedByOne,
      unread: [],
      lineItems: [id(1), id(2), id(3), id(9)],
      conflicts: 2,
    });
  });

  it('is another one under another source', async () => {
    expect(await find('evt_1?source=other')).toMatchObject({
      state: 'accepted',
      countedIn: [{ meter: 'input_tokens', quantity: '3' }, { meter: 'requests' }],
      lineItems: [id(7)],
      conflicts: 0,
    });
  });

  it('is never another tenant’s', async () => {
    expect(await find('evt_1', 'umbrella')).toMatchObject({ countedIn: [{ quantity: '9' }, {}], lineItems: [id(8)] });
    expect(await find('late', 'umbrella')).toEqual({ state: 'unknown' });
    expect(await find('open', 'umbrella')).toEqual({ state: 'unknown' });
  });

  it('is read by the catalog version in force where it stands', async () => {
    expect((await find('before')).countedIn).toEqual(countedByOne);
    expect((await find('after')).countedIn).toEqual(countedByOne.slice(0, 1));
  });

  it('is to be asked for again where an open chunk does not say which version that is', async () => {
    const { status, headers, body } = await api.get('/v1/events/open');
    expect([status, headers['retry-after'], body.code]).toEqual([503, '30', 'not_ready']);
  });

  it.each([
    ['late', 'too_late', 'too_late'],
    ['broken', 'rejected', 'poison'],
  ])('%s is %s, with the reason', async (name, state, code) => {
    expect(await find(name)).toEqual({
      state,
      receivedAt: '2026-11-20T10:25:00.250Z',
      countedIn: [],
      unread: [],
      lineItems: [],
      code,
      reason: `because of ${code}`,
    });
  });

  it('turns to accepted once it is sent again with its cause mended', async () => {
    expect(await find('mended')).toMatchObject({
      state: 'accepted',
      receivedAt: '2026-11-20T10:25:02.250Z',
      conflicts: 0,
    });
  });

  it('may have any id', async () => {
    expect((await find(encodeURIComponent('a/b ü%'))).state).toBe('accepted');
    expect((await find('x'.repeat(256))).state).toBe('accepted');
    expect(await find(encodeURIComponent("' OR 1=1 --"))).toEqual({ state: 'unknown' });
    expect(await find(`evt_1?source=${encodeURIComponent("') OR ('' = '")}`)).toEqual({ state: 'unknown' });
  });

  it('is found by a parameter, whatever a client makes of paths', async () => {
    const byId = async (query: string) => {
      const { status, body } = await api.get(`/v1/events?${query}`);
      return [status, body.state ?? body.code];
    };
    expect(await byId('id=.')).toEqual([200, 'accepted']);
    expect(await byId(`id=..&source=${encodeURIComponent('a/../b')}`)).toEqual([200, 'accepted']);
    expect(await byId('id=..')).toEqual([200, 'unknown']);
    expect((await api.get('/v1/events?id=evt_1')).body).toEqual(await find('evt_1'));
    for (const query of ['', 'source=a', 'id=a&from=2026-11-20T00:00:00Z']) {
      expect([query, ...(await byId(query))]).toEqual([query, 400, 'conflicting_parameters']);
    }
    for (const query of ['id=', 'id=a&id=b', `id=${'x'.repeat(513)}`, 'id=a&tenant=umbrella']) {
      expect([query, ...(await byId(query))]).toEqual([query, 400, 'invalid_parameter']);
    }
  });

  it.each(['', 'x'.repeat(513), `evt_1?source=${'x'.repeat(513)}`, 'evt_1?tenant=umbrella', 'evt_1?source=a&source=b'])(
    'is not looked for as %j',
    async (path) => {
      const { status, body } = await api.get(`/v1/events/${path}`);
      expect([status, body.code]).toEqual([400, 'invalid_parameter']);
    },
  );

  it('is found by the index on its key', async () => {
    const plan = await api.clickhouse.query<{ explain: string }>(
      `EXPLAIN indexes = 1 SELECT data FROM usage_events
       WHERE generation IN {generations:Array(UInt16)} AND partition IN {partitions:Array(UInt16)}
         AND dedup_key = toFixedString(unhex({dedup_key:String}), 16)
       ORDER BY generation, partition, offset, index, epoch DESC LIMIT 1 BY generation, partition, offset, index`,
      { generations: [1], partitions: [0], dedup_key: '00'.repeat(16) },
    );
    expect(plan.map((row) => row.explain).join('\n')).toMatch(/Name: dedup_key_index/);
  });
});

it('names an item of a price that takes what others leave only where no other takes the event', async () => {
  const tokens = { meter: 'input_tokens', model: 'per_unit', unitAmount: '1' } as const;
  const prices = [
    { ...tokens, slug: 'large', match: { model: 'm-large' } },
    { ...tokens, slug: 'other', match: {}, otherwise: true },
  ] as const;
  const rest = { slug: 'rest', calendar: true, timezone: 'UTC', prices };
  const plans = { ...catalog, plans: [...catalog.plans, rest], defaultPlan: 'rest' };
  await insertCatalog(api.pool, 4, plans, new Date(TEN - 100 * 24 * HOUR_MS));
  const subject = 'cus_rest';
  await insertEvents(
    api.clickhouse,
    [
      event('of-large', { subject }),
      event('of-others', { subject, data: '{"model":"x","input_tokens":"1"}', offset: 6 }),
    ],
    PARTITIONS,
  );
  const windows = { customer: subject, windowStart: TEN, windowEnd: TEN + HOUR_MS };
  await insertLineItems(api.pool, [
    { ...windows, id: id(90), price: 'large', groups: { model: 'm-large' } },
    { ...windows, id: id(91), price: 'other' },
  ]);
  const client = await api.pool.connect();
  try {
    // Of an item nothing is ever changed: its triggers are passed over.
    await client.query('SET session_replication_role = replica');
    await client.query(
      "UPDATE tallyline.line_items SET catalog_version = 4, plan = 'rest' WHERE customer = 'cus_rest'",
    );
    await client.query('SET session_replication_role = DEFAULT');
  } finally {
    client.release();
  }
  expect([(await find('of-large')).lineItems, (await find('of-others')).lineItems]).toEqual([[id(90)], [id(91)]]);
});
