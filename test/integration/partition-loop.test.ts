// The life of a partition on the real stores: what is sealed, what a new owner replays, and what it does about damage.
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { decideRepairs, postgresRepairRequests } from '../../aggregator/chunk-repairs.ts';
import { ChunkStore, type FlushBodies } from '../../aggregator/chunk-store.ts';
import type { KeyFile } from '../../aggregator/core/key-run.ts';
import { newKeyFile } from '../../aggregator/key-files.ts';
import type { PartitionLoop, PartitionLoopParts } from '../../aggregator/partition-loop.ts';
import { PostgresSealTables } from '../../aggregator/postgres-seal-tables.ts';
import { type Acquisition, SealStore } from '../../aggregator/seal-store.ts';
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import type { ClickHouseDatabase } from '../../platform/clickhouse/client.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { encodeCatalogChange, encodeEventBatch, encodeTick } from '../../platform/event-log/record-codec.ts';
import { aPartitionLoop, drainLog, openTestGeneration, resetCounted } from '../support/a-partition-loop.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;
const START = Math.floor(Date.now() / HOUR) * HOUR - HOUR;
const logger = pino({ level: 'silent' });

const catalog: Catalog = {
  ...emptyCatalog,
  meters: [
    {
      slug: 'tokens',
      eventType: 'call',
      aggregation: 'sum',
      valuePath: ['n'],
      required: false,
      dimensions: [{ name: 'model', path: ['model'] }],
      window: '1h',
    },
  ],
};

function usageEvent(id: string, n: unknown = 1, model = "a'b\t\\c"): UsageEvent {
  const data = JSON.stringify({ n, model });
  return {
    tenant: 't',
    source: '',
    id,
    type: 'call',
    subject: `cus\n${id.length}`,
    eventTime: START,
    timeGiven: true,
    receivedAt: START,
    data,
    dedupKey: dedupKeyOf('t', '', id),
    payloadHash: payloadHashOf('call', 'cus', START, data),
  };
}

const batch = (offset: number, ...events: UsageEvent[]): LogRecord => ({
  offset,
  appendTime: START,
  value: encodeEventBatch(events),
});
const tick = (offset: number, appendTime = START): LogRecord => ({
  offset,
  appendTime,
  value: encodeTick({ sentAt: START }),
});

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouseDatabase;

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
}, 300_000);

afterAll(() => stores?.stop());

let log: LogRecord[];

beforeEach(async () => {
  log = [{ offset: 0, appendTime: START, value: encodeCatalogChange({ version: 1 }) }];
  await resetCounted(stores);
});

const newLoop = (more: Partial<PartitionLoopParts> = {}): PartitionLoop => aPartitionLoop(stores, catalog, log, more);
const drain = (loop: PartitionLoop, from?: number): Promise<void> => drainLog(loop, log, from);

const usage = async (): Promise<unknown> =>
  (
    await clickhouse.query<{ total: string; events: string }>(
      'SELECT sum(value) AS total, sum(event_count) AS events FROM usage_rollups FINAL',
    )
  )[0];
const seals = async (): Promise<unknown[]> =>
  (
    await pool.query(
      'SELECT chunk, epoch::int, start_offset::int AS start, end_offset::int AS end, accepted::int, duplicate::int, poison::int FROM tallyline.chunk_seals ORDER BY chunk',
    )
  ).rows;

describe('partition loop', () => {
  it('seals chunks that equal what is stored, and shows the open one', async () => {
    log.push(
      batch(1, usageEvent('a', 2), usageEvent('a', 2)),
      tick(2),
      batch(7, usageEvent('b', '0.5')),
      tick(8, START + 31_000),
    );
    await drain(newLoop());
    expect(await usage()).toEqual({ total: '2.5', events: '2' });
    expect(await seals()).toEqual([
      { chunk: 0, epoch: 1, start: 0, end: 7, accepted: 1, duplicate: 1, poison: 0 },
      { chunk: 1, epoch: 1, start: 7, end: 8, accepted: 1, duplicate: 0, poison: 0 },
    ]);
    const { rows } = await pool.query('SELECT watermark FROM tallyline.published_watermark');
    expect(rows).toEqual([{ watermark: new Date(START) }]);
  });

  it('stores and reads back names with every kind of separator in them', async () => {
    log.push(batch(1, usageEvent('a')), tick(9));
    await drain(newLoop());
    const rows = await clickhouse.query('SELECT subject, group_values FROM usage_rollups FINAL');
    expect(rows).toEqual([{ subject: 'cus\n1', group_values: JSON.stringify(["a'b\t\\c"]) }]);
    const [event] = await clickhouse.query<{ key: string; data: string }>(
      'SELECT hex(dedup_key) AS key, data FROM usage_events FINAL',
    );
    expect(event).toEqual({ key: usageEvent('a').dedupKey.toString('hex').toUpperCase(), data: usageEvent('a').data });
  });

  it('reads chunks back each by itself, however many are asked for at once', async () => {
    log.push(batch(1, usageEvent('a', 2)), tick(5), batch(6, usageEvent('b', 3), usageEvent('c', 4)), tick(20));
    await drain(newLoop());
    const chunks = new ChunkStore(clickhouse, 1);
    const place = { partition: 0, epoch: 1n, startOffset: 0, endOffset: 5 };
    const stored = await Promise.all(
      [
        { ...place, chunk: 0 },
        { ...place, chunk: 1 },
        { ...place, chunk: 2 },
        { ...place, chunk: 0, epoch: 2n },
        { ...place, chunk: 0, partition: 1 },
        { ...place, chunk: 0 },
      ].map((of) => chunks.readBack(of)),
    );
    const { rows } = await pool.query<{ count: string; checksum: string }>(
      'SELECT rollup_count AS count, rollup_checksum AS checksum FROM tallyline.chunk_seals ORDER BY chunk',
    );
    const sealed = rows.map(({ count, checksum }) => ({ count: Number(count), checksum: BigInt(checksum) }));
    expect(sealed).toHaveLength(2);
    const none = { count: 0, checksum: 0n };
    expect(stored.map(({ rollUps }) => rollUps)).toEqual([sealed[0], sealed[1], none, none, none, sealed[0]]);
  });

  it('replays the open chunk after a crash, and counts nothing twice', async () => {
    log.push(batch(1, usageEvent('a', 2)), batch(2, usageEvent('b', 3)));
    await drain(newLoop());
    log.push(batch(3, usageEvent('a', 2), usageEvent('c', 4)), tick(4));
    await drain(newLoop());
    expect(await usage()).toEqual({ total: '9', events: '3' });
    expect(await seals()).toEqual([{ chunk: 0, epoch: 2, start: 0, end: 4, accepted: 3, duplicate: 1, poison: 0 }]);
  });

  it('remembers keys of sealed chunks when a new owner takes over', async () => {
    log.push(batch(1, usageEvent('a')), tick(5));
    await drain(newLoop());
    log.push(batch(6, usageEvent('a')), tick(20));
    await drain(newLoop());
    expect(await usage()).toEqual({ total: '1', events: '1' });
    expect((await seals())[1]).toMatchObject({ chunk: 1, accepted: 0, duplicate: 1 });
  });

  it('remembers keys that went to files, its own and those it took over, and keeps no file open when it is released', async () => {
    const open = new Set<KeyFile>();
    const newFile = async (): Promise<KeyFile> => {
      const file = await newKeyFile(tmpdir());
      const close = file.close.bind(file);
      file.close = () => {
        open.delete(file);
        close();
      };
      open.add(file);
      return file;
    };
    const smallLoop = () => newLoop({ keySpace: { bytes: () => 1, newFile } });
    log.push(batch(1, usageEvent('a')), tick(5));
    const first = smallLoop();
    await drain(first);
    log.push(batch(6, usageEvent('b')), batch(7, usageEvent('a')));
    await drain(first, 6);
    log.push(batch(8, usageEvent('b'), usageEvent('c')));
    await drain(first, 8);
    await until(async () => open.size > 0, 'keys are in a file');
    first.release();
    await until(async () => open.size === 0, 'the files are given up');
    const second = smallLoop();
    await drain(second);
    log.push(batch(9, usageEvent('a'), usageEvent('b'), usageEvent('c'), usageEvent('d')), tick(30));
    await drain(second, 9);
    expect(await usage()).toEqual({ total: '4', events: '4' });
    expect(await seals()).toMatchObject([
      { accepted: 1, duplicate: 0 },
      { accepted: 2, duplicate: 2 },
      { accepted: 1, duplicate: 3 },
    ]);
    second.release();
    await until(async () => open.size === 0, 'the files are given up');
  });

  it('fences a zombie: its rows lose against the new owner’s, and it can’t seal', async () => {
    const zombie = newLoop();
    log.push(batch(1, usageEvent('a', 2)));
    await drain(zombie);
    const owner = newLoop();
    log.push(batch(2, usageEvent('b', 3)));
    await drain(owner);
    // The zombie is late with the same record, then meets the end of the chunk and must begin again from Postgres'
    // offset.
    await drain(zombie, 2);
    expect(await usage()).toEqual({ total: '5', events: '2' });
    log.push(tick(9));
    await drain(owner, 9);
    await drain(zombie, 9);
    expect(await usage()).toEqual({ total: '5', events: '2' });
    expect(await seals()).toHaveLength(1);
  }, 300_000);

  it.each(['usage_events', 'usage_rollups', 'usage_totals'])(
    'does not seal what is not stored in %s: it replays the chunk under a new epoch',
    async (table) => {
      log.push(batch(1, usageEvent('a', 2)));
      const loop = newLoop();
      await drain(loop);
      await clickhouse.command(`TRUNCATE TABLE ${table}`);
      log.push(tick(9));
      await drain(loop, 9);
      expect(await clickhouse.query(`SELECT count() AS rows FROM ${table} FINAL`)).toEqual([{ rows: '1' }]);
      expect(await usage()).toEqual({ total: '2', events: '1' });
      expect(await seals()).toMatchObject([{ chunk: 0, epoch: 2, accepted: 1 }]);
    },
  );

  it('of several chunks that end at once seals those before one that is not stored, and replays it and the rest', async () => {
    const damaged = new (class extends ChunkStore {
      private isDamaged = false;
      override async write(bodies: readonly FlushBodies[]): Promise<void> {
        await super.write(bodies);
        if (this.isDamaged || bodies.length === 1) return;
        this.isDamaged = true;
        expect(bodies).toHaveLength(3);
        await clickhouse.command("ALTER TABLE usage_events DELETE WHERE id = 'b' SETTINGS mutations_sync = 2");
      }
    })(clickhouse, 1);
    log.push(batch(1, usageEvent('a', 2)), batch(4, usageEvent('b', 3)), batch(8, usageEvent('c', 4)), tick(12));
    await drain(newLoop({ chunks: damaged }));
    expect(await usage()).toEqual({ total: '9', events: '3' });
    expect(await seals()).toMatchObject([
      { chunk: 0, epoch: 1, accepted: 1 },
      { chunk: 1, epoch: 2, accepted: 1 },
      { chunk: 2, epoch: 2, accepted: 1 },
    ]);
  });

  it('finds a sealed chunk damaged when it takes over, and repairs it from the log', async () => {
    log.push(batch(1, usageEvent('a', 2)), tick(5), batch(6, usageEvent('b', 3)), tick(11));
    await drain(newLoop());
    await clickhouse.command("ALTER TABLE usage_events DELETE WHERE id = 'a' SETTINGS mutations_sync = 2");
    log.push(batch(12, usageEvent('a', 2)));
    await drain(newLoop());
    expect(await usage()).toEqual({ total: '5', events: '2' });
    expect(await seals()).toMatchObject([
      { chunk: 0, accepted: 1, duplicate: 0 },
      { chunk: 1, accepted: 1, duplicate: 0 },
    ]);
    const { rowCount } = await pool.query('SELECT FROM tallyline.chunk_seals_reopened');
    expect(rowCount).toBe(2);
  });

  it('knows the keys of chunks that are reopened while it takes over, and so writes no wrong row before it is fenced', async () => {
    log.push(batch(1, usageEvent('a', 2)), tick(5), batch(6, usageEvent('b', 3)), tick(11));
    await drain(newLoop());
    const reopenedMeanwhile = new (class extends SealStore {
      override async acquire(...args: Parameters<SealStore['acquire']>): Promise<Acquisition> {
        const acquired = await super.acquire(...args);
        await this.reopen(0, 0, { reason: 'asked', logStartOffset: 0 });
        return acquired;
      }
    })(new PostgresSealTables(pool, 1), NEWEST_RULE_SET);
    log.push(batch(12, usageEvent('a', 2), usageEvent('c', 1)));
    const zombie = newLoop({ seals: reopenedMeanwhile });
    const next = await zombie.acquire();
    await zombie.count(log.filter(({ offset }) => offset >= next));
    expect(await clickhouse.query('SELECT id FROM usage_events FINAL WHERE offset = 12')).toEqual([{ id: 'c' }]);
  });

  it('leaves a damaged chunk and its seals alone where the log no longer holds its records', async () => {
    log.push(batch(1, usageEvent('a', 2)), tick(5));
    await drain(newLoop());
    const before = await seals();
    await clickhouse.command("ALTER TABLE usage_events DELETE WHERE id = 'a' SETTINGS mutations_sync = 2");
    const bounds = async () => ({ startOffset: 3, endOffset: 6 });
    await expect(newLoop({ bounds }).acquire()).rejects.toThrow("chunk 0 can't be replayed: it starts at offset 0");
    expect(await seals()).toEqual(before);
  });

  describe('asked to repair a chunk', () => {
    const ask = (chunk: number, epoch = 1) =>
      pool.query(
        "INSERT INTO tallyline.chunk_repairs (generation, partition, chunk, epoch, reason) VALUES (1, 0, $1, $2, 'asked')",
        [chunk, epoch],
      );
    const decide = (logStartOffset: number, partitions = [0]) =>
      decideRepairs(
        {
          requests: postgresRepairRequests(pool, 1),
          seals: new SealStore(new PostgresSealTables(pool, 1), NEWEST_RULE_SET),
          logStartOffset: async () => logStartOffset,
          logger,
        },
        partitions,
      );
    const outcomes = async () =>
      (await pool.query('SELECT chunk, outcome, detail FROM tallyline.chunk_repairs ORDER BY chunk')).rows;

    beforeEach(async () => {
      await pool.query('TRUNCATE tallyline.chunk_repairs');
      log.push(batch(1, usageEvent('a', 2)), tick(5), batch(6, usageEvent('b', 3)), tick(11));
    });

    it('replays it under a new epoch, while it goes on', async () => {
      const loop = newLoop();
      await drain(loop);
      const before = await seals();
      await clickhouse.command('ALTER TABLE usage_rollups DELETE WHERE chunk = 0 SETTINGS mutations_sync = 2');
      await ask(0);
      await decide(0, [1]);
      expect(await outcomes()).toEqual([{ chunk: 0, outcome: null, detail: null }]);
      await decide(0);
      await decide(0);
      expect(await outcomes()).toEqual([{ chunk: 0, outcome: 'reopened', detail: null }]);
      log.push(tick(17));
      await drain(loop, 12);
      expect(await usage()).toEqual({ total: '5', events: '2' });
      expect(await seals()).toMatchObject([
        { ...(before[0] as object), epoch: 3 },
        { ...(before[1] as object), epoch: 3 },
        { chunk: 2 },
      ]);
    });

    it('passes over a request for a seal that is no more', async () => {
      await drain(newLoop());
      const before = await seals();
      await ask(0, 7);
      await ask(5);
      await decide(0);
      expect(await outcomes()).toMatchObject([{ outcome: 'superseded' }, { outcome: 'superseded' }]);
      expect(await seals()).toEqual(before);
    });

    it('refuses where the log no longer holds its records, and says so', async () => {
      await drain(newLoop());
      const before = await seals();
      await ask(0);
      await ask(1);
      await decide(5);
      expect(await outcomes()).toEqual([
        { chunk: 0, outcome: 'refused', detail: expect.stringContaining('the log holds only what is at or after 5') },
        { chunk: 1, outcome: 'reopened', detail: null },
      ]);
      expect(await seals()).toEqual(before.slice(0, 1));
    });
  });

  it('keeps a record that can’t be read, with its bytes, and goes on', async () => {
    const bytes = Buffer.from([0xc3, 0x01, 9, 10, 13, 92, 0, 255]);
    log.push(
      { offset: 1, appendTime: START, value: bytes },
      batch(2, usageEvent('a'), usageEvent('b', 'many')),
      tick(9),
    );
    await drain(newLoop());
    expect(await usage()).toEqual({ total: '1', events: '1' });
    const rejects = await clickhouse.query(
      'SELECT offset, index, reason, code, hex(bytes) AS bytes FROM event_rejects FINAL ORDER BY offset',
    );
    expect(rejects).toMatchObject([
      { offset: '1', index: 0, reason: 'poison', code: 'malformed_record', bytes: bytes.toString('hex').toUpperCase() },
    ]);
    expect(await seals()).toMatchObject([{ chunk: 0, accepted: 2, poison: 1 }]);
  });

  it('halts where the log no longer holds what was not counted', async () => {
    const loop = newLoop({ bounds: async () => ({ startOffset: 5, endOffset: 9 }) });
    await expect(loop.acquire()).rejects.toMatchObject({ code: 'offset_out_of_range' });
  });

  it('halts on a leap of the log’s clock', async () => {
    log.push(tick(1, Date.now() + 2 * HOUR));
    await expect(drain(newLoop())).rejects.toThrow(/ahead of this machine's clock/);
  });

  it('refuses a topic that was made again', async () => {
    await expect(openTestGeneration(pool, 'two')).rejects.toMatchObject({ code: 'topic_mismatch' });
  });
});
