// A meter that is new is counted over what came before it, and one that was mended over what it could not read: on real
// stores, by real owners, up to the bill. What usage must come to is worked out from what was sent.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Catalog, emptyCatalog, type Price } from '../../domain/catalog/catalog.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { recountedSpans } from '../../domain/sealing/recount-runs.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { readRecount, requestRecount } from '../../platform/recount-store/recounts.ts';
import { readRecountRuns, readSeals } from '../../platform/usage-store/seals.ts';
import { readUsage } from '../../platform/usage-store/usage-query.ts';
import { readTotalsFrom } from '../../platform/usage-store/usage-totals.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { aMeter, by } from '../support/a-meter.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;

const meter = (slug: string, more: Parameters<typeof aMeter>[1] = {}) =>
  aMeter(slug, { eventType: 'call', dimensions: by('model'), window: '1h', ...more });
const tokens = meter('tokens', { valuePath: ['tokens'], precision: 'exact' });
const priced = (slug: string): Price => ({ slug, meter: slug, match: {}, model: 'per_unit', unitAmount: '1' });
const catalogOf = (meters: Catalog['meters'], prices: readonly string[]): Catalog => ({
  ...{ ...emptyCatalog, meters, defaultPlan: 'payg' },
  plans: [{ ...{ slug: 'payg', calendar: true, timezone: 'UTC' }, prices: prices.map(priced) }],
});
const before = catalogOf([tokens], ['tokens']);
const { precision: _, ...mended } = tokens;
const added = [
  meter('images', { valuePath: ['images'] }),
  meter('calls', { aggregation: 'count', valuePath: null }),
  meter('users', { aggregation: 'unique', valuePath: ['user'] }),
  meter('largest', { aggregation: 'max', valuePath: ['images'] }),
  meter('last', { aggregation: 'latest', valuePath: ['images'] }),
];
const after = catalogOf([mended, ...added], ['tokens', 'images']);

/** Of every model and hour; of two tenants. The seventh of each ten has a digit more than `exact` takes. */
const eventsOf = (name: string, from: number): EventToSend[] =>
  Array.from({ length: 60 }, (_, i) => ({
    tenant: i % 4 === 0 ? 'other' : 'acme',
    id: `${name}-${i}`,
    subject: `cus_${i % 3}`,
    time: from + (i % 5) * HOUR + i,
    data: {
      ...{ model: `m${i % 2}`, images: (i * 7) % 11, user: `u${i % 6}` },
      tokens: i % 10 === 7 ? '2.0000000000001' : 2,
    },
  }));

let installation: Installation;
const sent: EventToSend[] = [];
const send = async (events: readonly EventToSend[]): Promise<void> => {
  sent.push(...events);
  await installation.send(events);
  await installation.untilSealed();
};

const discrepancies = async (): Promise<string[]> => {
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  return log.discrepancies.map(
    ({ invariant, where, expected, found }) => `${invariant} ${where}: ${expected} / ${found}`,
  );
};

async function recount(id: string, of: string, from: number, to: number | null = null, tenant = ''): Promise<void> {
  const { pool } = installation.stores;
  const asked = { tenant, id, meter: of, from, to, actor: 'cli:test' };
  const first = await inTransaction(pool, (client) => requestRecount(client, asked));
  // Sent again, it finds itself.
  expect(await inTransaction(pool, (client) => requestRecount(client, asked))).toEqual(first);
  await until(async () => (await readRecount(pool, tenant, id))!.isDone, `recount ${id} is done`, 60_000, 50);
  const { chunks, recounted } = (await readRecount(pool, tenant, id))!;
  expect(recounted).toBe(chunks);
  expect(chunks).toBeGreaterThan(0);
}

/** By window, what a meter says of a tenant; by roll-ups, and by totals where these can say it. */
async function usageOf(slug: string, tenant = 'acme'): Promise<Record<string, string>> {
  const { pool, clickhouse } = installation.stores;
  const recounted = recountedSpans(await readRecountRuns(pool), null);
  const read = async (totalsFrom: number | null) => {
    const rows = await readUsage(clickhouse, {
      ...{ tenant, meter: after.meters.find((each) => each.slug === slug)!, recounted, totalsFrom },
      ...{ from: FIRST_DAY - 10 * DAY, to: FIRST_DAY + 10 * DAY, buckets: 'window' },
    });
    return Object.fromEntries(
      rows.map(({ bucketStart, quantity }) => [String((bucketStart - FIRST_DAY) / HOUR), formatQuantity(quantity)]),
    );
  };
  const byRollUps = await read(null);
  expect(await read(await readTotalsFrom(pool))).toEqual(byRollUps);
  return byRollUps;
}

/** The same from what was sent, where a window starts in the range. */
function expectedOf(slug: string, { tenant = 'acme', from = 0, to = Number.POSITIVE_INFINITY } = {}) {
  const values = new Map<number, Map<string, EventToSend[]>>();
  for (const event of sent) {
    const window = Math.floor(event.time / HOUR) * HOUR;
    if (event.tenant !== tenant || window < from || window >= to) continue;
    const subjects = values.get(window) ?? new Map<string, EventToSend[]>();
    values.set(window, subjects.set(event.subject!, [...(subjects.get(event.subject!) ?? []), event]));
  }
  const number = (event: EventToSend, field: string) => Number(event.data![field]);
  const ofSubject: Record<string, (events: EventToSend[]) => number> = {
    tokens: (events) => events.length * 2,
    images: (events) => events.reduce((sum, event) => sum + number(event, 'images'), 0),
    calls: (events) => events.length,
    largest: (events) => Math.max(...events.map((event) => number(event, 'images'))),
    last: (events) => number([...events].sort((a, b) => a.time - b.time).at(-1)!, 'images'),
  };
  const ofWindow = (subjects: Map<string, EventToSend[]>): number => {
    if (slug === 'users') return new Set([...subjects.values()].flat().map((event) => event.data!.user)).size;
    return [...subjects.values()].reduce((sum, events) => sum + ofSubject[slug]!(events), 0);
  };
  return Object.fromEntries(
    [...values].map(([window, subjects]) => [String((window - FIRST_DAY) / HOUR), String(ofWindow(subjects))]),
  );
}

const billed = async (price: string): Promise<Record<string, string>> => {
  const { rows } = await installation.stores.pool.query<{ kind: string; quantity: string }>(
    `SELECT kind, sum(quantity)::float8::text AS quantity FROM tallyline.line_items
     WHERE tenant = 'acme' AND price = $1 GROUP BY kind`,
    [price],
  );
  return Object.fromEntries(rows.map(({ kind, quantity }) => [kind, quantity]));
};

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(before);
  await installation.startAggregator();
  await send(eventsOf('before', FIRST_DAY));
  await installation.rate();
  await installation.apply(after);
  await send(eventsOf('after', FIRST_DAY + DAY));
  await installation.rate();
}, 300_000);
afterAll(() => installation?.stop());

describe('a recount', () => {
  it('leaves usage as it was until it is asked for', async () => {
    expect(await usageOf('images')).toEqual(expectedOf('images', { from: FIRST_DAY + DAY }));
    expect(await discrepancies()).toEqual([]);
  });

  it('counts a new meter over what came before it, within its range', async () => {
    await recount('of-images', 'images', FIRST_DAY + HOUR, FIRST_DAY + 3 * HOUR);
    const inRange = expectedOf('images', { from: FIRST_DAY + HOUR, to: FIRST_DAY + 3 * HOUR });
    expect(await usageOf('images')).toEqual({ ...inRange, ...expectedOf('images', { from: FIRST_DAY + DAY }) });
    await recount('of-images-too', 'images', FIRST_DAY);
    expect(await usageOf('images')).toEqual(expectedOf('images'));
    expect(await usageOf('images', 'other')).toEqual(expectedOf('images', { tenant: 'other' }));
    expect(await discrepancies()).toEqual([]);
  });

  it.each(['calls', 'users', 'largest', 'last'])('counts %s as if it had always been there', async (slug) => {
    await recount(`of-${slug}`, slug, FIRST_DAY, null, 'acme');
    expect(await usageOf(slug)).toEqual(expectedOf(slug));
    // Of another tenant nothing was asked.
    expect(await usageOf(slug, 'other')).toEqual(expectedOf(slug, { tenant: 'other', from: FIRST_DAY + DAY }));
  });

  it('mends what a meter could not read, and bills closed windows by adjustments', async () => {
    const isLost = ({ id, tenant }: EventToSend): boolean => tenant === 'acme' && /^before-\d*7$/.test(id);
    const lost = 2 * sent.filter(isLost).length;
    const was = await billed('tokens');
    expect(await usageOf('tokens')).not.toEqual(expectedOf('tokens'));
    await recount('of-tokens', 'tokens', FIRST_DAY);
    expect(await usageOf('tokens')).toEqual(expectedOf('tokens'));
    await installation.rate();
    expect(await billed('tokens')).toEqual({ ...was, adjustment: String(Number(was.adjustment) + lost) });
    expect(lost).toBeGreaterThan(0);
    expect(await discrepancies()).toEqual([]);
  });

  it('bills no usage of windows that were closed before it had a price', async () => {
    const priced = expectedOf('images', { from: FIRST_DAY + DAY });
    expect(Object.keys(expectedOf('images')).length).toBeGreaterThan(Object.keys(priced).length);
    expect(await billed('images')).toEqual({});
  });

  it('is a seal of a revision for each of its chunks, and few runs', async () => {
    const { pool } = installation.stores;
    const seals = await readSeals(pool);
    const { rows } = await pool.query<{ partition: number; recounts: number; seals: number }>(
      `SELECT partition, recounts::int, (SELECT count(*)::int FROM tallyline.recount_seals seal
         WHERE seal.partition = progress.partition) AS seals FROM tallyline.partition_progress progress`,
    );
    for (const { recounts, seals } of rows) expect(recounts).toBe(seals);
    expect(seals.recountRuns.length).toBeLessThanOrEqual(2 * 7);
    await expect(pool.query('UPDATE tallyline.recount_seals SET epoch = 1')).rejects.toThrow('is refused');
    await expect(pool.query('DELETE FROM tallyline.chunk_corrections')).rejects.toThrow('is refused');
  });
});
