import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';
import { insertRollUps, type RollUp } from '../../test/support/usage-rows.ts';

const TEN = Date.UTC(2026, 10, 20, 10);
const HOUR_MS = 3_600_000;

let api: ReadApi;

const used = (subject: string, windowStart: number, more: Partial<RollUp> = {}): RollUp => ({
  ...{ meter: 'input_tokens', subject, windowStart, value: '1' },
  ...more,
});

beforeAll(async () => {
  api = await startReadApi();
  await insertRollUps(api.clickhouse, [
    used('cus_1', TEN),
    used('cus_1', TEN - 40 * 24 * HOUR_MS),
    used('cus_1', TEN + HOUR_MS, { meter: 'peak' }),
    used('cus_10', TEN),
    used('cus_2', TEN, { meter: 'requests' }),
    used('Zoé', TEN),
    used('émile', TEN),
    used('50%_off', TEN),
    used('gone', TEN, { meter: 'a_meter_that_was_removed' }),
    used('theirs', TEN, { tenant: 'umbrella' }),
  ]);
  await insertRollUps(api.clickhouse, [used('cus_1', TEN, { version: 2 }), used('cus_10', TEN, { chunk: 1 })]);
}, 300_000);
afterAll(() => api?.stop());

const names = async (query: string, tenant?: string): Promise<string[]> => {
  const { status, body } = await api.get(`/v1/subjects?${query}`, tenant);
  expect([status, body.code]).toEqual([200, undefined]);
  return body.data.map(({ subject }: { subject: string }) => subject);
};

describe('subjects', () => {
  it('are those with usage of a published meter, each once, with its first and last window', async () => {
    const { body } = await api.get('/v1/subjects');
    expect(body.data[2]).toEqual({
      ...{ subject: 'cus_1', firstSeen: '2026-10-11T10:00:00Z', lastSeen: '2026-11-20T11:00:00Z' },
    });
    expect(await names('')).toEqual(['50%_off', 'Zoé', 'cus_1', 'cus_10', 'cus_2', 'émile']);
    expect(body.nextCursor).toBeNull();
  });

  it('are found by what their names begin with, and nothing in it is a pattern', async () => {
    expect(await names('search=cus_1')).toEqual(['cus_1', 'cus_10']);
    expect(await names('search=%C3%A9')).toEqual(['émile']);
    expect(await names('search=50%25_')).toEqual(['50%_off']);
    expect(await names('search=%25')).toEqual([]);
    expect(await names('search=_us')).toEqual([]);
  });

  it('come in pages, each of them once', async () => {
    for (const limit of [1, 2, 5]) {
      const all: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const { body } = await api.get(`/v1/subjects?limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`);
        all.push(...body.data.map(({ subject }: { subject: string }) => subject));
        expect(all.length).toBeLessThanOrEqual(6);
        cursor = body.nextCursor;
      }
      expect(all).toEqual(['50%_off', 'Zoé', 'cus_1', 'cus_10', 'cus_2', 'émile']);
    }
  });

  it('are never those of another tenant', async () => {
    expect(await names('', 'umbrella')).toEqual(['theirs']);
    const { nextCursor } = (await api.get('/v1/subjects?limit=1')).body;
    expect(await names(`cursor=${nextCursor}`, 'umbrella')).toEqual(['theirs']);
  });

  it('refuse a cursor of another search', async () => {
    const { nextCursor } = (await api.get('/v1/subjects?limit=1&search=cus')).body;
    const { status, body } = await api.get(`/v1/subjects?cursor=${nextCursor}`);
    expect([status, body.code]).toEqual([400, 'invalid_cursor']);
  });
});
