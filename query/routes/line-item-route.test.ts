import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';
import { insertLineItems, type LineItemFields } from '../../test/support/usage-rows.ts';

const HOUR_MS = 3_600_000;
const TEN = Date.UTC(2026, 10, 20, 10);
const id = (n: number): string => `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`;
const item = (n: number, hour: number, more: Partial<LineItemFields> = {}): LineItemFields => ({
  id: id(n),
  windowStart: TEN + hour * HOUR_MS,
  windowEnd: TEN + (hour + 1) * HOUR_MS,
  ...more,
});

let api: ReadApi;
const list = async (query: string, tenant?: string) => {
  const answer = await api.get(`/v1/line-items?${query}`, tenant);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
};
const ids = (page: { data: { id: string }[] }): number[] => page.data.map((one) => Number(one.id.slice(-4)));

beforeAll(async () => {
  api = await startReadApi();
  await insertLineItems(api.pool, [
    item(1, 2),
    item(2, 0, { groups: { model: 'm-large' }, quantity: '1204.000', amount: '-0.0036120' }),
    item(3, 1),
    item(4, 0, { revision: 1, quantity: '0', amount: '0.00' }),
    item(5, 0, { customer: 'cus_2', meter: null, price: 'flat' }),
    item(6, 0, { tenant: 'umbrella' }),
  ]);
}, 300_000);
afterAll(() => api?.stop());

describe('line items', () => {
  it('are shown whole, with amounts in their shortest form', async () => {
    const { data, nextCursor } = await list('subject=cus_1&to=2026-11-20T11:00:00Z');
    expect(nextCursor).toBeNull();
    expect(data[0]).toEqual({
      id: id(2),
      customer: 'cus_1',
      subscription: null,
      subject: 'cus_1',
      plan: 'basic',
      price: 'input',
      meter: 'input_tokens',
      groups: { model: 'm-large' },
      windowStart: '2026-11-20T10:00:00Z',
      windowEnd: '2026-11-20T11:00:00Z',
      periodStart: '2026-11-01T00:00:00Z',
      periodEnd: '2026-12-01T00:00:00Z',
      termStart: '2026-11-01T00:00:00Z',
      catalogVersion: 1,
      quantity: '1204',
      amount: '-0.003612',
      zeroAmount: null,
      currency: 'USD',
      kind: 'usage',
      revision: 0,
      createdAt: expect.stringMatching(/^20\d\d-.*Z$/),
    });
    expect(data[1]).toMatchObject({ id: id(4), quantity: '0', amount: '0', kind: 'adjustment', revision: 1 });
    expect(data).toHaveLength(2);
  });

  it('come in order of window and writing, selected by subject and window start', async () => {
    expect(ids(await list(''))).toEqual([2, 4, 5, 3, 1]);
    expect(ids(await list('subject=cus_2'))).toEqual([5]);
    expect(ids(await list('from=2026-11-20T11:00:00Z'))).toEqual([3, 1]);
    expect(ids(await list('from=2026-11-20T11:00:00Z&to=2026-11-20T12:00:00Z'))).toEqual([3]);
    expect(ids(await list(`subject=${encodeURIComponent("cus_1' OR '1'='1")}`))).toEqual([]);
  });

  it('of a subject without any in the answer: whether it ever had one', async () => {
    const of = async (query: string, tenant?: string) => (await list(query, tenant)).withoutLineItems;
    expect(await of('subject=csu_1')).toEqual([{ subject: 'csu_1', firstSeen: null }]);
    expect(await of('subject=cus_1&from=2026-12-01T00:00:00Z')).toEqual([
      { subject: 'cus_1', firstSeen: '2026-11-20T10:00:00Z' },
    ]);
    expect(await of('subject=cus_2', 'umbrella')).toEqual([{ subject: 'cus_2', firstSeen: null }]);
    expect(await of('subject=cus_1')).toBeUndefined();
    expect(await of('from=2026-12-01T00:00:00Z')).toBeUndefined();
  });

  it('are never another tenant’s', async () => {
    expect(ids(await list('', 'umbrella'))).toEqual([6]);
  });

  it('refuse a NUL character, which Postgres could not look for', async () => {
    const { status, body } = await api.get('/v1/line-items?subject=a%00b');
    expect([status, body.code]).toEqual([400, 'invalid_parameter']);
  });

  it('page without repeating or hiding a row, whatever is written meanwhile', async () => {
    const seen: number[] = [];
    let cursor = '';
    for (let page = 0; ; page += 1) {
      const { data, nextCursor } = await list(`limit=2${cursor}`);
      seen.push(...ids({ data }));
      if (nextCursor === null) break;
      cursor = `&cursor=${nextCursor}`;
      await insertLineItems(api.pool, [item(100 + page, page === 0 ? -1 : 5, { price: `new-${page}` })]);
    }
    expect(seen.filter((n) => n < 100)).toEqual([2, 4, 5, 3, 1]);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(100);
    expect(seen).toContain(101);
  });

  it('refuse a cursor of another selection', async () => {
    const { nextCursor } = await list('limit=1&subject=cus_1');
    const { status, body } = await api.get(`/v1/line-items?limit=1&subject=cus_2&cursor=${nextCursor}`);
    expect([status, body.code]).toEqual([400, 'invalid_cursor']);
    // With another tenant's cursor a tenant still sees its own rows only.
    expect(ids(await list(`subject=cus_1&cursor=${nextCursor}`, 'umbrella'))).toEqual([6]);
  });

  it('say of usage with the amount 0 whether it is free, or paid by the package or tier before', async () => {
    const of = (n: number, price: string, amount: string, cumulativeQuantity: string): LineItemFields =>
      item(n, 0, {
        customer: 'cus_zero',
        price,
        amount,
        cumulativeQuantity,
        meter: price === 'fee' ? null : 'input_tokens',
      });
    await insertLineItems(api.pool, [
      of(21, 'packs', '4', '1'),
      { ...of(22, 'packs', '0', '2'), windowStart: TEN + HOUR_MS },
      of(23, 'gift', '0', '1'),
      of(24, 'fee', '0', '1'),
      { ...of(25, 'gift', '0.00', '1'), quantity: '0', revision: 1 },
    ]);
    const { data } = await list('subject=cus_zero');
    const told = data.map((row: Record<string, string>) => [row.price, row.amount, row.zeroAmount]);
    expect(told.sort()).toEqual([
      ['fee', '0', 'free'],
      ['gift', '0', null],
      ['gift', '0', 'free'],
      ['packs', '0', 'already_paid'],
      ['packs', '4', null],
    ]);
  });

  describe('of a customer with several subjects', () => {
    beforeAll(async () => {
      await api.pool.query(
        `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
         VALUES ('acme', 'org', 0, 1, 'default', 'self', '', now(), now())`,
      );
      await api.pool.query(
        `INSERT INTO tallyline.assigned_subjects (tenant, subject, version, created_at, updated_at)
         VALUES ('acme', 'ws', 1, now(), now())`,
      );
      // Within the item of 12:00.
      await api.pool.query(
        `INSERT INTO tallyline.subject_assignments VALUES ('acme', 'ws', '2026-11-20T12:30:00Z', 'org')`,
      );
      await insertLineItems(api.pool, [
        item(31, 0, { customer: 'org' }),
        item(32, 2, { customer: 'org' }),
        item(33, 2, { customer: 'org', subject: 'ws', price: 'seats' }),
        item(34, 2, { customer: 'org', subject: 'org', price: 'seats' }),
        item(35, 1, { customer: 'ws' }),
        item(36, 2, { customer: 'org', meter: null, price: 'fee' }),
      ]);
    });
    const told = async (query: string) =>
      (await list(query)).data.map((one: { id: string; customer: string; subject: string | null }) => [
        Number(one.id.slice(-4)),
        one.customer,
        one.subject,
      ]);

    it('name the customer, and the subject only where they are of one alone', async () => {
      expect(await told('customer=org')).toEqual([
        [31, 'org', 'org'],
        [32, 'org', null],
        [33, 'org', 'ws'],
        [34, 'org', 'org'],
        // What is charged for a period was due at its start.
        [36, 'org', 'org'],
      ]);
    });

    it('are, by subject, those that it has alone and those of its customer while it belongs to it', async () => {
      expect(await told('subject=ws')).toEqual([
        [35, 'ws', 'ws'],
        [32, 'org', null],
        [33, 'org', 'ws'],
        [36, 'org', 'org'],
      ]);
      expect(await told('subject=ws&customer=org')).toHaveLength(3);
      expect(await told('subject=ws&customer=cus_1')).toEqual([]);
      const { withoutLineItems } = await list('subject=ws&from=2026-12-01T00:00:00Z');
      expect(withoutLineItems).toEqual([{ subject: 'ws', firstSeen: '2026-11-20T11:00:00Z' }]);
    });
  });

  it('page from before 1970', async () => {
    const fee = (n: number) =>
      item(n, 0, { customer: 'cus_old', meter: null, price: `flat-${n}`, windowStart: -n * HOUR_MS });
    await insertLineItems(api.pool, [7, 8, 9].map(fee));
    const first = await list('limit=1&subject=cus_old');
    const second = await list(`limit=1&subject=cus_old&cursor=${first.nextCursor}`);
    const third = await list(`limit=1&subject=cus_old&cursor=${second.nextCursor}`);
    expect([first, second, third].flatMap(ids)).toEqual([9, 8, 7]);
    expect([first.data[0].windowStart, third.nextCursor]).toEqual(['1969-12-31T15:00:00Z', null]);
  });
});
