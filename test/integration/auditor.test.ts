// The background auditor on real stores: silent where all is well, and for each damage it says which invariant, asks
// for the repair of what can be replayed, and takes back what is well again.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import { sealVectorOf } from '../../domain/sealing/seal-vector.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import { EventLogError } from '../../platform/event-log/event-log.ts';
import { Auditor } from '../../rater/audit/watch/auditor.ts';
import { ChunkRounds } from '../../rater/audit/watch/chunk-rounds.ts';
import type { Invariant } from '../../rater/core/invariant.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { StoreSnapshot, withoutTriggers } from '../support/store-snapshot.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;
const START = Math.floor(Date.now() / HOUR) * HOUR - 30 * HOUR;
const catalog: Catalog = {
  ...emptyCatalog,
  meters: [
    {
      ...{ slug: 'tokens', eventType: 'call', aggregation: 'sum', valuePath: ['n'], required: false, window: '1h' },
      dimensions: [{ name: 'model', path: ['model'] }],
    },
    {
      ...{
        slug: 'users',
        eventType: 'call',
        aggregation: 'unique',
        valuePath: ['user'],
        required: false,
        window: '1h',
      },
      dimensions: [],
    },
  ],
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: [
        { slug: 'tokens', meter: 'tokens', match: { model: 'a' }, model: 'per_unit', unitAmount: '0.01' },
        { slug: 'users', meter: 'users', match: {}, model: 'per_unit', unitAmount: '1' },
        { slug: 'base', model: 'flat', flatAmount: '5' },
      ],
    },
  ],
  defaultPlan: 'payg',
};
const call = (i: number): EventToSend => ({
  id: `call-${i}`,
  subject: `cus_${i % 3}`,
  time: START + (i % 20) * HOUR,
  data: { n: i % 7, user: `u${i % 11}`, model: i % 2 === 0 ? 'a' : 'b' },
});

let installation: Installation;
let snapshot: StoreSnapshot;
let registry: Registry;
let auditor: Auditor;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(catalog);
  await installation.startAggregator();
  const calls = Array.from({ length: 80 }, (_, i) => call(i));
  await installation.send(calls, 3);
  await installation.send([
    { ...call(1), data: { n: 99 } },
    { ...call(900), data: { n: 'x' } },
  ]);
  await installation.untilSealed();
  await installation.rate();
  // Nothing may be pending but what a test plants.
  await installation.stopAggregator();
  snapshot = await StoreSnapshot.take(installation.stores.pool, installation.stores.clickhouse);
}, 300_000);

afterAll(() => installation?.stop());

beforeEach(() => {
  registry = new Registry();
  const { pool, clickhouse, eventLog } = installation.stores;
  auditor = new Auditor({
    ...{ pool, clickhouse, eventLog, store: storedRating(pool, clickhouse), logger: pino({ level: 'silent' }) },
    ...{ timers: realTimers, clock: Date.now, intervalMs: 10 },
    audited: createRaterMetrics(registry).audited,
  });
});
afterEach(async () => {
  await snapshot.restore();
  await installation.stores.pool.query('TRUNCATE tallyline.chunk_repairs');
});

async function counts(): Promise<Record<Invariant, number>> {
  const metric = await registry.getSingleMetric('tallyline_invariant_discrepancy')!.get();
  return Object.fromEntries(metric.values.map(({ labels, value }) => [labels.invariant, value])) as Record<
    Invariant,
    number
  >;
}
const nothing = { I1: 0, I2: 0, I3: 0, I4: 0, I5: 0 };
const requests = async () =>
  (await installation.stores.pool.query('SELECT partition, chunk, outcome FROM tallyline.chunk_repairs ORDER BY 1, 2'))
    .rows;

/** As many as it takes to have looked at every chunk of both partitions, each as a sample as well. */
async function rounds(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await auditor.round();
}

describe('the auditor', () => {
  it('finds nothing where nothing is wrong', async () => {
    await rounds(12);
    expect(await counts()).toEqual(nothing);
    expect(await requests()).toEqual([]);
  });

  it('asks for the repair of the first damaged chunk of a partition, once, and takes it back once the rows are back', async () => {
    const { clickhouse } = installation.stores;
    await clickhouse.command('ALTER TABLE usage_rollups DELETE WHERE partition = 0 SETTINGS mutations_sync = 2');
    const { rows } = await installation.stores.pool.query(
      'SELECT partition, min(chunk) AS chunk, count(*)::int AS damaged FROM tallyline.chunk_seals WHERE partition = 0 AND rollup_count > 0 GROUP BY 1',
    );
    await rounds();
    expect((await counts()).I2).toBeGreaterThanOrEqual(2 * rows[0]!.damaged);
    await rounds();
    expect(await requests()).toEqual([{ partition: 0, chunk: rows[0]!.chunk, outcome: null }]);
    await snapshot.restore();
    await rounds();
    expect(await counts()).toEqual(nothing);
  });

  it.each([
    ['an event', 'usage_events', 'I2'],
    ['a reject', 'event_rejects', 'I1'],
  ] as const)('asks for the repair of a chunk that lacks %s', async (_what, table, invariant) => {
    await installation.stores.clickhouse.command(
      `ALTER TABLE ${table} DELETE WHERE (partition, offset, index) = (SELECT (partition, offset, index) FROM ${table} ORDER BY ALL LIMIT 1)
       SETTINGS mutations_sync = 2`,
    );
    await rounds();
    expect((await counts())[invariant]).toBeGreaterThanOrEqual(2);
    expect(await requests()).toMatchObject([{ outcome: null }]);
  });

  it('reports what no replay mends, and asks for none', async () => {
    const { pool, clickhouse } = installation.stores;
    await clickhouse.command(
      'ALTER TABLE manifests DELETE WHERE (partition, chunk) = (1, 0) SETTINGS mutations_sync = 2',
    );
    await rounds();
    expect(await counts()).toEqual({ ...nothing, I1: 1 });
    await withoutTriggers(pool, [
      "UPDATE tallyline.published_watermark SET watermark = watermark - interval '1 minute'",
      'UPDATE tallyline.line_items SET amount = amount + 1 WHERE sequence = (SELECT min(sequence) FROM tallyline.line_items)',
      'UPDATE tallyline.ledger_entries SET amount = amount - 1 WHERE entry = 1 AND line_item = (SELECT id FROM tallyline.line_items ORDER BY sequence DESC LIMIT 1)',
    ]);
    await rounds();
    expect(await counts()).toEqual({ I1: 1, I2: 0, I3: 2, I4: 1, I5: 2 });
    expect(await requests()).toEqual([]);
    await snapshot.restore();
    await rounds();
    expect(await counts()).toEqual(nothing);
  });

  it('reports a hole in the log: records that went before anybody counted them', async () => {
    const { pool } = installation.stores;
    const startAt = (behind: number) =>
      withoutTriggers(pool, [
        `UPDATE tallyline.log_partitions log SET start_offset = progress.next_offset + ${behind}
         FROM tallyline.partition_progress progress WHERE log.partition = 1 AND progress.partition = 1`,
      ]);
    // All that was counted may go.
    await startAt(0);
    await rounds();
    expect(await counts()).toEqual(nothing);
    await startAt(1);
    await rounds();
    expect(await counts()).toEqual({ ...nothing, I1: 1 });
    expect(await requests()).toEqual([]);
  });

  it('goes on with everything else while the log is silent', async () => {
    const { pool, clickhouse, eventLog } = installation.stores;
    const audited: Invariant[] = [];
    const another = new Auditor({
      ...{ pool, clickhouse, store: storedRating(pool, clickhouse), logger: pino({ level: 'silent' }) },
      ...{ timers: realTimers, clock: Date.now, intervalMs: 10 },
      eventLog: { topicId: eventLog.topicId, bounds: () => Promise.reject(new EventLogError('unavailable', 'away')) },
      audited: (invariant) => audited.push(invariant),
    });
    await another.round();
    expect(audited).toHaveLength(5);
  });

  it('finds an edited value and an edited payload, which no checksum shows, when the chunk is its sample', async () => {
    const { clickhouse } = installation.stores;
    await clickhouse.command(
      "ALTER TABLE usage_rollups UPDATE value = value + 1 WHERE meter = 'tokens' AND group_values = '[\"b\"]' SETTINGS mutations_sync = 2",
    );
    await until(
      async () => {
        await auditor.round();
        return (await counts()).I2 > 0;
      },
      'the sample has met an edited value',
      300_000,
    );
    expect(await requests()).toEqual([]);
    await snapshot.restore();
    await clickhouse.command(
      `ALTER TABLE usage_events UPDATE data = '{"n":1000,"user":"u1","model":"b"}' WHERE type = 'call' SETTINGS mutations_sync = 2`,
    );
    await rounds(6);
    expect((await counts()).I2).toBeGreaterThan(0);
  });

  it('comes back to the first chunks, however many are sealed between its rounds', async () => {
    const rounds = new ChunkRounds(installation.stores.pool);
    const looks: number[] = [];
    for (let sealed = 1; sealed <= 4; sealed++) {
      const vector = sealVectorOf([{ generation: 1, partition: 0, nextChunk: sealed }]);
      looks.push(...(await rounds.readStretch(vector)).map(({ chunk }) => chunk));
    }
    expect(looks.filter((chunk) => chunk === 0)).toHaveLength(4);
  });

  it('goes on after a round that a store did not answer', async () => {
    const { pool, clickhouse, eventLog } = installation.stores;
    let isAway = true;
    let refused = 0;
    const flaky = {
      ...clickhouse,
      query: <Row>(sql: string, params?: Readonly<Record<string, unknown>>): Promise<Row[]> =>
        isAway ? Promise.reject(new Error(`away ${++refused}`)) : clickhouse.query<Row>(sql, params),
      stream: clickhouse.stream.bind(clickhouse),
    };
    let exported = 0;
    const another = new Auditor({
      ...{ pool, clickhouse: flaky, eventLog, store: storedRating(pool, flaky), logger: pino({ level: 'silent' }) },
      ...{ timers: realTimers, clock: Date.now, intervalMs: 10 },
      audited: () => {
        exported += 1;
      },
    });
    another.start();
    await until(() => refused > 1, 'rounds are given up');
    expect(exported).toBe(0);
    isAway = false;
    await until(() => exported > 0, 'a round is done');
    await another.stop();
  });
});

describe('the auditor and the owner of a partition', () => {
  it('have a damaged chunk replayed, and nothing is billed twice', async () => {
    const { pool, clickhouse } = installation.stores;
    await clickhouse.command('ALTER TABLE usage_rollups DELETE WHERE partition = 1 SETTINGS mutations_sync = 2');
    await installation.startAggregator();
    await until(
      async () => {
        await auditor.round();
        const { rows } = await pool.query("SELECT FROM tallyline.chunk_repairs WHERE outcome = 'reopened'");
        return rows.length > 0;
      },
      'the chunk is reopened',
      30_000,
    );
    await installation.untilSealed();
    await until(
      async () => {
        await auditor.round();
        return Object.values(await counts()).every((count) => count === 0);
      },
      'nothing is wrong any more',
      300_000,
    );
    await installation.rate();
    const { rows } = await pool.query(
      'SELECT price, sum(amount)::float AS amount FROM tallyline.line_items GROUP BY price ORDER BY price',
    );
    const { rows: before } = await pool.query(
      'SELECT price, sum(amount)::float AS amount FROM kept.line_items GROUP BY price ORDER BY price',
    );
    expect(rows).toEqual(before);
    await installation.stopAggregator();
  }, 300_000);
});
