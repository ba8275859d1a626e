// Totals on real stores, as an owner writes them: whatever is read by them is what the roll-ups say, also across chunks
// of a release that kept none, and after a repair.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ChunkStore, type FlushBodies, type PartitionChunk, type StoredChunk } from '../../aggregator/chunk-store.ts';
import type { PartitionLoopParts } from '../../aggregator/partition-loop.ts';
import { PostgresSealTables } from '../../aggregator/postgres-seal-tables.ts';
import { type Acquisition, type Seal, SealStore } from '../../aggregator/seal-store.ts';
import { type Aggregation, aggregations } from '../../domain/aggregation/aggregations.ts';
import { type Catalog, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { dedupKeyOf, type UsageEvent } from '../../domain/usage-event.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { encodeCatalogChange, encodeEventBatch, encodeTick } from '../../platform/event-log/record-codec.ts';
import { streamSeals } from '../../platform/usage-store/seal-rows.ts';
import { readSeals } from '../../platform/usage-store/seals.ts';
import { readTopUsage } from '../../platform/usage-store/top-usage.ts';
import { readUsage, streamUsage, type UsageRow, type UsageSelection } from '../../platform/usage-store/usage-query.ts';
import { readTotalsFrom } from '../../platform/usage-store/usage-totals.ts';
import { isIntact } from '../../rater/audit/chunk-audit.ts';
import { AuditLog } from '../../rater/audit/discrepancy.ts';
import { readStoredChunks } from '../../rater/audit/stored-chunks.ts';
import { aMeter, by } from '../support/a-meter.ts';
import { aPartitionLoop, drainLog, resetCounted } from '../support/a-partition-loop.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Math.floor(Date.now() / HOUR) * HOUR - HOUR;
const RANGE = { from: START - DAY, to: START + 3 * DAY };

const meterOf = (aggregation: Aggregation): Meter =>
  aMeter(aggregation, {
    ...{ eventType: 'call', aggregation, dimensions: by('model', 'region') },
    valuePath: aggregation === 'count' ? null : ['n'],
    ...(aggregation === 'max' && { across: 'max' as const }),
  });
const meters = aggregations.map(meterOf);
const catalog: Catalog = { ...emptyCatalog, meters };
const sum = meterOf('sum');

let stores: MigratedStores;
let log: LogRecord[];
let events = 0;

beforeAll(async () => {
  stores = await startMigratedStores();
}, 300_000);
afterAll(() => stores?.stop());
beforeEach(async () => {
  await resetCounted(stores);
  log = [{ offset: 0, appendTime: START, value: encodeCatalogChange({ version: 1 }) }];
});

function usageEvent(n: number, eventTime = START, model = `m${n % 3}`): UsageEvent {
  const id = String(events++);
  return {
    ...{ tenant: 't', source: '', id, type: 'call', subject: `cus_${n % 4}`, eventTime, timeGiven: true },
    ...{ receivedAt: START, data: JSON.stringify({ n: n / 4, model, region: `r${n % 2}` }) },
    ...{ dedupKey: dedupKeyOf('t', '', id), payloadHash: 1n },
  };
}
const append = (offset: number, ...batch: UsageEvent[]): void =>
  void log.push({ offset, appendTime: START, value: encodeEventBatch(batch) });
const tick = (offset: number): void =>
  void log.push({ offset, appendTime: START, value: encodeTick({ sentAt: START }) });
const count = (more: Partial<PartitionLoopParts> = {}): Promise<void> =>
  drainLog(aPartitionLoop(stores, catalog, log, more), log);

const whole = [{ start: RANGE.from, stepMs: RANGE.to - RANGE.from }];
const selections: readonly Partial<UsageSelection>[] = [
  { buckets: 'window' },
  { buckets: whole },
  { buckets: [{ start: RANGE.from, stepMs: DAY }], groupBy: [0] },
  { buckets: 'window', groupBy: [1, 0] },
  { buckets: 'window', filters: [{ dimension: 0, values: ['m1', 'none'] }] },
  {
    buckets: whole,
    groupBy: [1],
    filters: [
      { dimension: 0, values: ['m0'] },
      { dimension: 1, values: ['r0', 'r1'] },
    ],
  },
  { buckets: 'window', groupBy: [0], rowsMax: 2 },
  { buckets: 'window', groupBy: [0], after: { bucketStart: START, subject: null, groups: ['m1'] } },
  { buckets: 'window', subjects: ['cus_1', 'cus_2'] },
  { buckets: whole, bySubject: true, groupBy: [0] },
];
const selectionOf = (meter: Meter, totalsFrom: number | null, more: Partial<UsageSelection>): UsageSelection => ({
  ...{ tenant: 't', meter, ...RANGE, buckets: 'window', recounted: [] },
  ...{ ...more, totalsFrom },
});

/** Whatever the reads of a meter say, in the same order for any `totalsFrom`. */
async function everyRead(meter: Meter, totalsFrom: number | null): Promise<unknown[]> {
  const { clickhouse } = stores;
  const told: unknown[] = [];
  for (const more of selections) {
    const selection = selectionOf(meter, totalsFrom, more);
    told.push(await readUsage(clickhouse, selection));
    const streamed: UsageRow[] = [];
    for await (const rows of streamUsage(clickhouse, selection)) streamed.push(...rows);
    told.push(streamed);
  }
  for (const withOthers of [true, false]) {
    const selection = selectionOf(meter, totalsFrom, { buckets: whole, groupBy: [0] });
    told.push(await readTopUsage(clickhouse, selection, { rowsMax: 1, withOthers }));
  }
  return told;
}

/** For each meter and bound of totals the same. */
async function expectSameByTotals(bounds: readonly (number | null)[]): Promise<void> {
  for (const meter of meters) {
    const expected = await everyRead(meter, null);
    expect(expected[0]).not.toEqual([]);
    for (const totalsFrom of bounds) {
      expect([meter.slug, totalsFrom, await everyRead(meter, totalsFrom)]).toEqual([meter.slug, totalsFrom, expected]);
    }
  }
}

const bounds = [0, RANGE.from, START - 1, START, START + 1, START + HOUR, RANGE.to];
const some = (from: number, length: number): UsageEvent[] =>
  Array.from({ length }, (_, i) => usageEvent(from + i, START - ((from + i) % 5) * HOUR));

describe('totals', () => {
  it('say what roll-ups say, for every aggregation, from any window on', async () => {
    append(1, ...some(0, 30));
    append(2, ...some(30, 10));
    append(5, ...some(40, 20));
    // The chunk is still open.
    append(9, ...some(60, 7));
    await count();
    await expectSameByTotals(bounds);
  });

  it('answer by themselves where a meter sums, and of no other meter', async () => {
    append(1, ...some(0, 30));
    await count();
    const expected = await Promise.all(
      meters.map((meter) => readUsage(stores.clickhouse, selectionOf(meter, null, {}))),
    );
    await stores.clickhouse.command('TRUNCATE TABLE usage_rollups');
    for (const [i, meter] of meters.entries()) {
      const isSummed = ['sum', 'count', 'avg'].includes(meter.slug);
      expect(await readUsage(stores.clickhouse, selectionOf(meter, 0, {}))).toEqual(isSummed ? expected[i] : []);
    }
  });

  it('say the same when the chunk is counted again by others', async () => {
    append(1, ...some(0, 30));
    await count({ flushEventsMax: 7 });
    append(2, ...some(30, 9));
    await count();
    append(6, ...some(40, 3));
    await count();
    await expectSameByTotals([0, START]);
  });

  it('of very many groups are told from the rest, and the roll-ups asked', async () => {
    append(1, ...Array.from({ length: 700 }, (_, i) => usageEvent(i, START, `m${i}`)));
    await count({ flushEventsMax: 100 });
    await expectSameByTotals([0]);
    await stores.clickhouse.command('TRUNCATE TABLE usage_rollups');
    const read = async (more: Partial<UsageSelection>) =>
      (await readUsage(stores.clickhouse, selectionOf(sum, 0, more))).map(({ eventCount }) => eventCount);
    // Without groups the rest is as good as any; with them it is not, even where a filter names a group that has a row.
    expect(await read({ buckets: whole })).toEqual([700n]);
    expect(await read({ buckets: whole, groupBy: [1] })).toEqual([]);
    expect(await read({ buckets: whole, filters: [{ dimension: 0, values: ['m1'] }] })).toEqual([]);
  });
});

/** An owner of a release without totals. */
const before = (): Partial<PartitionLoopParts> => {
  const { pool, clickhouse } = stores;
  const chunks = new (class extends ChunkStore {
    override write(bodies: readonly FlushBodies[]): Promise<void> {
      return super.write(bodies.map((each) => ({ ...each, totals: [] })));
    }
    override async readBack(of: PartitionChunk): Promise<StoredChunk> {
      return { ...(await super.readBack(of)), totals: (of as Seal).totals };
    }
  })(clickhouse, 1);
  const seals = new (class extends SealStore {
    override async acquire(...args: Parameters<SealStore['acquire']>): Promise<Acquisition> {
      const acquired = await super.acquire(...args);
      await pool.query('UPDATE tallyline.partition_progress SET totals_epoch = totals_epoch - 1');
      return acquired;
    }
    override async seal(seal: Seal): Promise<void> {
      await super.seal(seal);
      await pool.query(
        'UPDATE tallyline.chunk_seals SET totals_count = NULL, totals_checksum = NULL WHERE chunk = $1',
        [seal.chunk],
      );
    }
  })(new PostgresSealTables(pool, 1), NEWEST_RULE_SET);
  return { chunks, seals };
};

describe('an installation that comes from a release without totals', () => {
  const ahead = START + DAY;

  beforeEach(async () => {
    append(1, ...some(0, 20), usageEvent(3, ahead));
    tick(5);
    append(6, ...some(20, 5));
    await count(before());
  });

  it('reads none while such a release owns a partition', async () => {
    expect(await readTotalsFrom(stores.pool)).toBe(null);
  });

  it('reads them from the window on in which no chunk of that release can have usage', async () => {
    append(7, ...some(30, 20), usageEvent(5, ahead));
    tick(12);
    await count();
    const totalsFrom = await readTotalsFrom(stores.pool);
    // T was START when it sealed, and an event may be a day ahead.
    expect(totalsFrom).toBe(ahead + 1);
    await expectSameByTotals([totalsFrom]);
    // A bound that is a window too low would not do: the chunk without totals has usage in it.
    expect(await everyRead(sum, ahead)).not.toEqual(await everyRead(sum, null));
  });

  it('reads no more of them when such a chunk is opened again', async () => {
    append(7, ...some(30, 20));
    tick(12);
    await count();
    const sealed = new SealStore(new PostgresSealTables(stores.pool, 1), NEWEST_RULE_SET);
    await sealed.reopen(0, 0, { reason: 'asked', logStartOffset: 0 });
    expect(await readTotalsFrom(stores.pool)).toBe(null);
    await count();
    expect(await readTotalsFrom(stores.pool)).toBe(ahead + 1);
    // By now each chunk has been counted again, with totals.
    await expectSameByTotals([0, ahead + 1]);
  });
});

describe('an installation that has kept totals from the first', () => {
  it('reads them from the first window on', async () => {
    append(1, ...some(0, 20));
    tick(5);
    await count();
    expect(await readTotalsFrom(stores.pool)).toBe(0);
  });

  it('finds a lost total by its seal, and has it again after a repair', async () => {
    const { pool, clickhouse } = stores;
    append(1, ...some(0, 20));
    tick(5);
    append(6, ...some(20, 5));
    tick(12);
    await count();
    const intact = async (): Promise<boolean[]> => {
      const { vector } = await readSeals(pool);
      const found: boolean[] = [];
      for await (const seals of streamSeals(pool, { from: {}, to: vector })) {
        const stored = await readStoredChunks(clickhouse, seals, new AuditLog());
        found.push(...seals.map((seal, i) => isIntact(seal, stored[i]!)));
      }
      return found;
    };
    expect(await intact()).toEqual([true, true]);
    await clickhouse.command(
      "ALTER TABLE usage_totals DELETE WHERE chunk = 0 AND meter = 'sum' SETTINGS mutations_sync = 2",
    );
    expect(await intact()).toEqual([false, true]);
    const sealed = new SealStore(new PostgresSealTables(pool, 1), NEWEST_RULE_SET);
    await sealed.reopen(0, 0, { reason: 'asked', logStartOffset: 0 });
    await count();
    expect(await intact()).toEqual([true, true]);
    await expectSameByTotals([0]);
  });
});
