import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import pino from 'pino';
import { startTestPostgres } from '../../../test/support/processes/postgres.ts';
import { RecordingHandler } from '../../../test/support/recording-handler.ts';
import { createPool } from '../../postgres/pool.ts';
import { projectFile } from '../../process/project-root.ts';
import { describeEventLog } from '../event-log.contract.ts';
import type { EventLog } from '../event-log.ts';
import { openPostgresEventLog } from './postgres-event-log.ts';
import { deleteExpired } from './retention.ts';
import { openTopic } from './topic.ts';

const logger = pino({ level: 'silent' });

interface Database {
  readonly pool: pg.Pool;
  stop(): Promise<void>;
}

async function startDatabase(): Promise<Database> {
  const server = await startTestPostgres();
  const pool = createPool(server.url, logger, { connectionsMax: 20 });
  await pool.query('CREATE SCHEMA tallyline');
  await pool.query(await readFile(projectFile('schemas/postgres/0003_event_log.sql'), 'utf8'));
  return {
    pool,
    stop: async () => {
      await pool.end();
      await server.stop();
    },
  };
}

const topicOptions = (partitions: number) => ({
  topic: randomUUID(),
  partitions,
  replicationFactor: 1,
  minInsyncReplicas: 1,
  retentionMs: 60_000,
});

async function deleteTopic(pool: pg.Pool, topic: string): Promise<void> {
  for (const table of ['log_records', 'log_partitions', 'log_members', 'log_groups', 'log_topics']) {
    await pool.query(`DELETE FROM tallyline.${table} WHERE topic = $1`, [topic]);
  }
}

describeEventLog('Postgres', async () => {
  const { pool, stop } = await startDatabase();
  const leaseMs = 2000;
  return {
    silenceMs: leaseMs,
    open: (topic) => openPostgresEventLog(pool, topic, logger, { heartbeatMs: 200, pollMs: 100, leaseMs }),
    deleteTopic: (topic) => deleteTopic(pool, topic),
    deleteRecordsBefore: async (topic, partition, offset) => {
      await pool.query('UPDATE tallyline.log_partitions SET start_offset = $3 WHERE topic = $1 AND partition = $2', [
        topic,
        partition,
        offset,
      ]);
      await pool.query('DELETE FROM tallyline.log_records WHERE topic = $1 AND partition = $2 AND "offset" < $3', [
        topic,
        partition,
        offset,
      ]);
    },
    stop,
  };
});

describe('the event log in Postgres', () => {
  let database: Database;
  const opened: EventLog[] = [];

  beforeAll(async () => {
    database = await startDatabase();
  }, 300_000);

  afterAll(async () => {
    await Promise.all(opened.map((log) => log.close()));
    await database.stop();
  });

  const open = async (...args: Parameters<typeof openPostgresEventLog>): Promise<EventLog> => {
    const log = await openPostgresEventLog(...args);
    opened.push(log);
    return log;
  };

  it('deletes records past their retention, only from the start, and moves the start offset with them', async () => {
    const { pool } = database;
    const options = topicOptions(1);
    const log = await open(pool, options, logger);
    await log.append(
      0,
      Array.from({ length: 2500 }, (_, i) => Buffer.from(String(i))),
    );
    const age = (from: number, to: number) =>
      pool.query(
        `UPDATE tallyline.log_records SET append_time = append_time - interval '61 s' WHERE topic = $1 AND "offset" >= $2 AND "offset" < $3`,
        [options.topic, from, to],
      );
    await age(0, 2100);
    // Old, but behind a younger one: the clock of the database stepped back. It stays until its turn comes.
    await age(2200, 2300);
    const topic = await openTopic(pool, options, logger);

    expect(await deleteExpired(pool, topic)).toBe(2100);
    expect(await log.bounds()).toEqual([{ partition: 0, startOffset: 2100, endOffset: 2500 }]);
    const { rows } = await pool.query(
      'SELECT count(*)::integer AS held, min("offset")::integer AS first FROM tallyline.log_records WHERE topic = $1',
      [options.topic],
    );
    expect(rows).toEqual([{ held: 400, first: 2100 }]);

    await age(2100, 2500);
    expect(await deleteExpired(pool, topic)).toBe(400);
    expect(await log.bounds()).toEqual([{ partition: 0, startOffset: 2500, endOffset: 2500 }]);
    await log.append(0, [Buffer.from('next')]);
    expect(await log.bounds()).toEqual([{ partition: 0, startOffset: 2500, endOffset: 2501 }]);
  });

  it('reads in pages bounded by records and by bytes, and takes one record however large', async () => {
    const { pool } = database;
    const log = await open(pool, topicOptions(1), logger, { pageRecordsMax: 4, pageBytesMax: 100 });
    const sizes = [10, 10, 10, 10, 10, 90, 20, 500, 1];
    await log.append(
      0,
      sizes.map((size) => Buffer.alloc(size)),
    );
    const pages: number[][] = [];
    const handler = new RecordingHandler();
    handler.onRecords = async (_, records) => {
      pages.push(records.map((record) => record.value.length));
      return undefined;
    };
    const consumption = await log.consume('pages', handler);
    await handler.until(() => handler.read(0).length === sizes.length, 'every record');
    await consumption.stop();
    expect(pages).toEqual([[10, 10, 10, 10], [10, 90], [20], [500], [1]]);
  });

  it('writes no gap when many processes append to one partition', async () => {
    const options = topicOptions(1);
    const pools = [createPool(databaseUrl(database.pool), logger), createPool(databaseUrl(database.pool), logger)];
    const logs = await Promise.all(pools.map((pool) => open(pool, options, logger)));
    await Promise.all(
      logs.flatMap((log) => Array.from({ length: 100 }, () => log.append(0, [Buffer.from('a'), Buffer.from('b')]))),
    );
    const { rows } = await database.pool.query(
      `SELECT count(*)::integer AS records, count(DISTINCT "offset")::integer AS offsets, max("offset")::integer AS last,
              bool_and(convert_from(value, 'utf8') = CASE "offset" % 2 WHEN 0 THEN 'a' ELSE 'b' END) AS pairs
       FROM tallyline.log_records WHERE topic = $1`,
      [options.topic],
    );
    expect(rows).toEqual([{ records: 400, offsets: 400, last: 399, pairs: true }]);
    await Promise.all(logs.map((log) => log.close()));
    await Promise.all(pools.map((pool) => pool.end()));
  });

  it('assigns anew after a lapsed lease, and takes over from a member that died without leaving', async () => {
    const { pool } = database;
    const options = topicOptions(1);
    const timing = { heartbeatMs: 100, leaseMs: 1000, pollMs: 50 };
    const log = await open(pool, options, logger, timing);
    const handler = new RecordingHandler();
    const consumption = await log.consume('lease', handler);
    await handler.until(() => handler.owned().length === 1, 'the partition');
    // The member's row goes, as when others found its lease run out.
    await pool.query('DELETE FROM tallyline.log_members WHERE topic = $1', [options.topic]);
    await handler.until(() => handler.ownerships.length === 2, 'assigned anew');
    expect(handler.ownerships[0]!.revoked).toBe(true);
    await consumption.stop();

    // A member that died without leaving: the next one gets its partition once the lease is over.
    await pool.query(
      `INSERT INTO tallyline.log_members (topic, "group", member, heartbeat_at, settled_generation) VALUES ($1, 'lease', $2, clock_timestamp(), 0)`,
      [options.topic, randomUUID()],
    );
    const second = await log.consume('lease', handler);
    await handler.until(() => handler.ownerships.length === 3, 'taken over from the dead member');
    await second.stop();
    expect(handler.violations).toEqual([]);
  });

  it('takes over from a killed member as soon as its connection is gone, long before its lease is', async () => {
    const { pool } = database;
    const options = topicOptions(1);
    const timing = { heartbeatMs: 50, leaseMs: 3_600_000, pollMs: 50 };
    const log = await open(pool, options, logger, timing);
    const handler = new RecordingHandler();
    const first = await log.consume('killed', handler);
    await handler.until(() => handler.owned().length === 1, 'the partition');
    await first.stop();

    const dead = new pg.Client({ connectionString: databaseUrl(pool) });
    await dead.connect();
    const { rows } = await dead.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await pool.query(
      `INSERT INTO tallyline.log_members (topic, "group", member, heartbeat_at, settled_generation, session_pid)
       VALUES ($1, 'killed', '00000000-0000-0000-0000-000000000000', clock_timestamp(), 1000000, $2)`,
      [options.topic, rows[0]!.pid],
    );
    const second = await log.consume('killed', handler);
    const others = await pool.query('SELECT FROM tallyline.log_members WHERE topic = $1', [options.topic]);
    expect(others.rowCount).toBe(2);
    await dead.end();
    await handler.until(() => handler.ownerships.length === 2, 'taken over from the killed member');
    await second.stop();
  });

  it('says that the database is unreachable', async () => {
    const pool = createPool('postgresql://nobody@127.0.0.1:1/none', logger);
    await expect(openPostgresEventLog(pool, topicOptions(1), logger)).rejects.toMatchObject({
      code: 'unavailable',
      retriable: true,
    });
    await pool.end();
  });

  it('gives up an append that gets no answer, and says so', async () => {
    const { pool } = database;
    const options = topicOptions(1);
    const log = await open(pool, options, logger, { appendTimeoutMs: 300 });
    const blocker = await pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM tallyline.log_partitions WHERE topic = $1 FOR UPDATE', [options.topic]);
    await expect(log.append(0, [Buffer.from('x')])).rejects.toMatchObject({ code: 'unavailable', retriable: true });
    await blocker.query('ROLLBACK');
    blocker.release();
    await log.append(0, [Buffer.from('y')]);
  });

  it('names the missing tables and how to make them', async () => {
    const { pool } = database;
    await pool.query('CREATE DATABASE unmigrated');
    const url = new URL(databaseUrl(pool));
    url.pathname = '/unmigrated';
    const bare = createPool(url.href, logger);
    await expect(openPostgresEventLog(bare, topicOptions(1), logger)).rejects.toThrow(/tallyline migrate/);
    await bare.end();
  });

  it('names a port that answers nothing', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const pool = createPool(`postgresql://nobody@127.0.0.1:${port}/none`, logger);
    await expect(openPostgresEventLog(pool, topicOptions(1), logger)).rejects.toMatchObject({ code: 'unavailable' });
    await pool.end();
    await new Promise((resolve) => server.close(resolve));
  });
});

function databaseUrl(pool: pg.Pool): string {
  return pool.options.connectionString!;
}
