// What a real gateway writes down of what it refused, and what the API says of it.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addRefusals, deleteOldRefusals, type RefusalRow } from '../../platform/refusals/refusal-store.ts';
import { type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';

const TEN = Date.UTC(2026, 10, 20, 10);
const DAY_MS = 86_400_000;

let api: ReadApi;
beforeAll(async () => {
  api = await startReadApi();
}, 300_000);
afterAll(() => api?.stop());

const refused = (id: string, at: number) => ({
  ...{ id, source: null, type: 'call', subject: 'cus_1', time: null, message: `of ${id}`, at },
});
const row = (more: Partial<RefusalRow> = {}): RefusalRow => ({
  ...{ tenant: 'acme', keyId: 'key_1', code: 'invalid_time', count: 1, firstAt: TEN, lastAt: TEN, examples: [] },
  ...more,
});

describe('refusals', () => {
  it('add up by tenant, key and code, and keep the newest few examples', async () => {
    const { rows } = await api.pool.query<{ id: string }>(
      `UPDATE tallyline.api_keys SET name = 'production' WHERE tenant = 'umbrella' RETURNING id`,
    );
    const keyId = rows[0]!.id;
    const of = (id: string, second: number) =>
      row({
        ...{ tenant: 'umbrella', keyId, count: 3, firstAt: TEN + second * 1_000, lastAt: TEN + second * 1_000 },
        examples: [refused(id, TEN + second * 1_000)],
      });
    await addRefusals(api.pool, [
      of('e0', 0),
      row({ tenant: 'umbrella', keyId, code: 'rate_limited', lastAt: TEN - 1 }),
    ]);
    for (const second of [1, 2, 3, 4, 5, 6]) await addRefusals(api.pool, [of(`e${second % 6}`, second)]);
    const { body } = await api.get('/v1/refusals', 'umbrella');
    expect(body.data.map(({ code }: { code: string }) => code)).toEqual(['invalid_time', 'rate_limited']);
    expect(body.data[0]).toMatchObject({
      ...{ key: keyId, keyName: 'production', count: 21 },
      ...{ firstAt: '2026-11-20T10:00:00Z', lastAt: '2026-11-20T10:00:06Z' },
    });
    // e0 came again: its newest stands first, once.
    expect(body.data[0].examples.map(({ id }: { id: string }) => id)).toEqual(['e0', 'e5', 'e4', 'e3', 'e2']);
    expect(body.data[0].examples[0]).toEqual({
      ...{ id: 'e0', source: null, type: 'call', subject: 'cus_1', time: null, message: 'of e0' },
      at: '2026-11-20T10:00:06Z',
    });
    expect((await api.get('/v1/refusals?code=rate_limited', 'umbrella')).body.data).toHaveLength(1);
    expect((await api.get('/v1/refusals?limit=1', 'umbrella')).body.data).toHaveLength(1);
    expect((await api.get('/v1/refusals')).body.data).toEqual([]);
  });

  it('explain an event that nothing is known of, to its own tenant', async () => {
    await addRefusals(api.pool, [row({ examples: [refused("it's", TEN), { ...refused('b', TEN), source: 'api' }] })]);
    const { body } = await api.get(`/v1/events/${encodeURIComponent("it's")}`);
    expect(body).toEqual({
      state: 'unknown',
      refused: [
        {
          ...{ code: 'invalid_time', id: "it's", source: null, type: 'call', subject: 'cus_1', time: null },
          ...{ message: "of it's", at: '2026-11-20T10:00:00Z' },
        },
      ],
    });
    expect((await api.get('/v1/events/b?source=api')).body.refused).toHaveLength(1);
    expect((await api.get('/v1/events/b')).body).toEqual({ state: 'unknown' });
    expect((await api.get('/v1/events/it%27s', 'umbrella')).body).toEqual({ state: 'unknown' });
  });

  it('go some days after the last of them', async () => {
    await addRefusals(api.pool, [
      row({ code: 'old', lastAt: TEN - 15 * DAY_MS }),
      row({ code: 'kept', lastAt: TEN - 13 * DAY_MS }),
    ]);
    await deleteOldRefusals(api.pool, TEN);
    const codes = (await api.get('/v1/refusals')).body.data.map(({ code }: { code: string }) => code);
    expect([codes.includes('old'), codes.includes('kept')]).toEqual([false, true]);
  });
});
