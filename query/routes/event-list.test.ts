import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PARTITIONS, type ReadApi, startReadApi } from '../../test/support/processes/read-api.ts';
import { type EventRow, insertEvents } from '../../test/support/usage-rows.ts';

const TEN = Date.UTC(2026, 10, 20, 10);
const FROM = 'from=2026-11-20T10:00:00Z';

let api: ReadApi;

const received = (id: string, second: number, more: Partial<EventRow> = {}): EventRow => ({
  ...{ id, eventTime: TEN - 5_000, receivedAt: TEN + second * 1_000, offset: second },
  ...more,
});

beforeAll(async () => {
  api = await startReadApi();
  await insertEvents(
    api.clickhouse,
    [
      received('before', -1, { offset: 900 }),
      received('a', 0, { source: 'api', subject: 'cus_2' }),
      // Written again by the next owner.
      received('b', 1, { epoch: 1 }),
      received('b', 1, { epoch: 2 }),
      received('b', 1, { epoch: 3 }),
      received('b', 2, { reason: 'conflict', offset: 20 }),
      received('c', 3, { reason: 'too_late' }),
      received('d', 4, { reason: 'poison', type: 'other' }),
      received('d', 4, { reason: 'poison', type: 'other', epoch: 2 }),
      received('d', 5, { type: 'other' }),
      received('at once 1', 6, { offset: 60 }),
      received('at once 2', 6, { offset: 61 }),
      received('theirs', 3, { tenant: 'umbrella' }),
    ],
    PARTITIONS,
  );
}, 300_000);
afterAll(() => api?.stop());

interface Listed {
  readonly id: string;
  readonly state: string;
}
const list = async (query: string, tenant?: string) => {
  const { status, body } = await api.get(`/v1/events?${query}`, tenant);
  expect([status, body.code]).toEqual([200, undefined]);
  return body as { data: Listed[]; nextCursor: string | null };
};
const names = async (query: string, tenant?: string): Promise<string[]> =>
  (await list(query, tenant)).data.map(({ id, state }) => `${id} ${state}`);

const ALL = [
  ...['a accepted', 'b accepted', 'b conflict', 'c too_late', 'd rejected', 'd accepted'],
  ...['at once 1 accepted', 'at once 2 accepted'],
];
/** Of one instant the partition comes first, which is that of the hash of a name. */
const sorted = (all: readonly string[]): string[] => [...all.slice(0, 6), ...all.slice(6).toSorted()];

describe('a list of events', () => {
  it('has what came in a range, in the order in which it came, and what became of it', async () => {
    expect(sorted(await names(FROM))).toEqual(ALL);
    expect(await names(`${FROM}&to=2026-11-20T10:00:02Z`)).toEqual(['a accepted', 'b accepted']);
    const { data } = await list(`${FROM}&to=2026-11-20T10:00:04Z`);
    expect(data[0]).toEqual({
      ...{ id: 'a', source: 'api', type: 'llm.completion', subject: 'cus_2', state: 'accepted' },
      ...{ time: '2026-11-20T09:59:55Z', receivedAt: '2026-11-20T10:00:00Z' },
    });
    expect(data.at(-1)).toMatchObject({ id: 'c', state: 'too_late', code: 'too_late', reason: 'because of too_late' });
  });

  it.each([
    ['subject=cus_2', ['a accepted']],
    ['type=other', ['d rejected', 'd accepted']],
    ['state=conflict', ['b conflict']],
    ['state=too_late', ['c too_late']],
    ['state=rejected', ['d rejected']],
    ['state=accepted&type=other', ['d accepted']],
    ['subject=nobody', []],
  ])('has only those of %s', async (query, expected) => expect(await names(`${FROM}&${query}`)).toEqual(expected));

  it('comes in pages that have each event once, whatever was written twice', async () => {
    for (const limit of [1, 2, 3, 7]) {
      const all: string[] = [];
      let cursor: string | null = '';
      for (let pages = 0; cursor !== null; pages += 1) {
        expect(pages).toBeLessThan(30);
        const page = await list(`${FROM}&limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`);
        expect(page.data.length).toBeLessThanOrEqual(limit);
        all.push(...page.data.map(({ id, state }) => `${id} ${state}`));
        cursor = page.nextCursor;
      }
      expect(sorted(all)).toEqual(ALL);
    }
  });

  it('is never one of another tenant', async () => {
    expect(await names(FROM, 'umbrella')).toEqual(['theirs accepted']);
    const { nextCursor } = await list(`${FROM}&limit=1`);
    expect(await names(`${FROM}&cursor=${nextCursor}`, 'umbrella')).toEqual(['theirs accepted']);
  });

  it('reads few rows beside those of its range', async () => {
    const plan = await api.clickhouse.query<{ explain: string }>(
      `EXPLAIN indexes = 1 SELECT id FROM usage_events WHERE received_at >= toDateTime64('2030-01-01 00:00:00', 3, 'UTC')`,
    );
    const text = plan.map(({ explain }) => explain).join('\n');
    expect(text).toContain('received_at_index');
    expect(text).toMatch(/Granules: 0\//);
  });

  it.each([
    ['', 'conflicting_parameters', /^from: needed for a list of events; else an id$/],
    ['from=now', 'invalid_parameter', /^from: "now" is no RFC 3339 time/],
    [`${FROM}&to=2026-11-20T10:00:00Z`, 'conflicting_parameters', /^from: not before to/],
    [`${FROM}&state=lost`, 'invalid_parameter', /^state: "lost" is none of accepted, conflict, too_late, rejected/],
    [`${FROM}&source=a`, 'conflicting_parameters', /^source: only with id/],
    [`${FROM}&id=a`, 'conflicting_parameters', /^from: of a list of events; leave it out, or id/],
    [`${FROM}&limit=1001`, 'invalid_parameter', /^limit/],
    [`${FROM}&cursor=x`, 'invalid_cursor', /^cursor/],
    [
      `${FROM}&cursor=${Buffer.from('["x",1,70000,0,"1",0]').toString('base64url')}`,
      'invalid_cursor',
      /^cursor: given out for another/,
    ],
  ])('is refused for %j', async (query, code, detail) => {
    const { status, body } = await api.get(`/v1/events?${query}`);
    expect([status, body.code, body.detail]).toEqual([400, code, expect.stringMatching(detail)]);
  });
});
