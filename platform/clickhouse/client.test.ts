import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { startTestClickHouse, type TestClickHouse } from '../../test/support/clickhouse.ts';
import { projectFile } from '../project-root.ts';
import { splitStatements } from '../sql-statements.ts';
import { ClickHouseError } from './click-house.ts';
import { type ClickHouseDatabase, createClickHouse } from './client.ts';

const logger = pino({ level: 'silent' });
let server: TestClickHouse;
let clickhouse: ClickHouseDatabase;

beforeAll(async () => {
  server = await startTestClickHouse();
  clickhouse = createClickHouse(server, logger);
}, 120_000);
afterAll(async () => {
  await clickhouse?.close();
  await server?.stop();
});
beforeEach(async () => {
  await clickhouse.command('DROP TABLE IF EXISTS t');
});

/** A value of bytes in TabSeparated: only the three bytes with a meaning there are escaped. */
function escaped(bytes: Buffer): Buffer {
  const out: number[] = [];
  for (const byte of bytes) {
    if (byte === 0x09) out.push(0x5c, 0x74);
    else if (byte === 0x0a) out.push(0x5c, 0x6e);
    else if (byte === 0x5c) out.push(0x5c, 0x5c);
    else out.push(byte);
  }
  return Buffer.from(out);
}

async function rejection(work: Promise<unknown>): Promise<ClickHouseError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ClickHouseError);
  return error as ClickHouseError;
}

describe('ClickHouse client', () => {
  it('stores every byte value unchanged', async () => {
    await clickhouse.command(
      'CREATE TABLE t (k FixedString(16), `index` UInt16, s String) ENGINE = MergeTree ORDER BY k',
    );
    const parts: Buffer[] = [];
    for (let row = 0; row < 16; row += 1) {
      const key = Buffer.from(Array.from({ length: 16 }, (_, column) => row * 16 + column));
      parts.push(escaped(key), Buffer.from(`\t${row}\t`), escaped(key), Buffer.from('\n'));
    }
    await clickhouse.insert('t', ['k', 'index', 's'], parts);
    const rows = await clickhouse.query<{ k: string; s: string }>(
      'SELECT hex(k) AS k, hex(s) AS s FROM t ORDER BY `index`',
    );
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      .toString('hex')
      .toUpperCase();
    expect(rows.map(({ k }) => k).join('')).toBe(all);
    expect(rows.map(({ s }) => s).join('')).toBe(all);
  });

  it('reads the newest version of a row of the real tables', async () => {
    const schema = await readFile(projectFile('schemas/clickhouse/0001_usage.sql'), 'utf8');
    for (const statement of splitStatements(schema)) await clickhouse.command(statement);
    const columns = [
      'generation',
      'partition',
      'chunk',
      'epoch',
      'version',
      'start_offset',
      'next_offset',
      'started_at',
      'watermark',
      'accepted',
    ];
    const row = (version: number, accepted: string) =>
      Buffer.from(`1\t0\t7\t1\t${version}\t0\t5\t1700000000.000\t1700000000.123\t${accepted}\n`);
    await clickhouse.insert('manifests', columns, [row(2, '18446744073709551615')]);
    await clickhouse.insert('manifests', columns, [row(1, '3')]);
    const rows = await clickhouse.query(
      'SELECT chunk, accepted, toUnixTimestamp64Milli(watermark) AS watermark FROM manifests FINAL WHERE generation = {generation:UInt16}',
      { generation: 1 },
    );
    expect(rows).toEqual([{ chunk: 7, accepted: '18446744073709551615', watermark: '1700000000123' }]);
  });

  it('keeps digits of decimals and 64-bit integers', async () => {
    expect(
      await clickhouse.query(
        "SELECT toDecimal256('12345678901234567890.000000000001', 12) AS d, toUInt64('9007199254740993') AS n",
      ),
    ).toEqual([{ d: '12345678901234567890.000000000001', n: '9007199254740993' }]);
  });

  it('binds parameters of every kind as values, never as SQL', async () => {
    const hostile = 'a\'b\\c\td\ne\rf`g"h; DROP TABLE t --{x:String}';
    expect(
      await clickhouse.query(
        'SELECT {s:String} AS s, {n:Int64} AS n, {a:Array(String)} AS a, {nothing:Nullable(String)} AS nothing',
        {
          s: hostile,
          n: -5n,
          a: [hostile, ''],
          nothing: null,
        },
      ),
    ).toEqual([{ s: hostile, n: '-5', a: [hostile, ''], nothing: null }]);
  });

  it('never lets a parameter or setting of one statement reach another', async () => {
    await clickhouse.query('SELECT {left:String} AS s', { left: 'over' });
    for (let turn = 0; turn < 8; turn += 1) {
      const error = await rejection(clickhouse.query('SELECT {left:String} AS s'));
      expect(error.code).toBe(456);
    }
    await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        expect(await clickhouse.query('SELECT {n:UInt32} AS n, sleep(0.02) AS slept', { n })).toEqual([
          { n, slept: 0 },
        ]);
      }),
    );
  });

  it('streams more rows than one answer holds, in order', async () => {
    let next = 0;
    let misplaced = 0;
    for await (const rows of clickhouse.stream('SELECT number, {label:String} FROM numbers(300000)', { label: 'x' })) {
      for (const [number, label] of rows) {
        if (number !== String(next) || label !== 'x') misplaced += 1;
        next += 1;
      }
    }
    expect([next, misplaced]).toEqual([300_000, 0]);
  });

  it('reads fixed-size columns as they lie in memory', async () => {
    const sql =
      'SELECT toFixedString(unhex(repeat({byte:String}, 16)), 16), number, toInt64(-1 - number) FROM numbers(20000)';
    const rows = await clickhouse.queryBinary(sql, { byte: '0A' });
    expect(rows.length).toBe(20_000 * 32);
    const last = rows.subarray(-32);
    expect([last.toString('hex', 0, 16), last.readBigUInt64LE(16), last.readBigInt64LE(24)]).toEqual([
      '0a'.repeat(16),
      19_999n,
      -20_000n,
    ]);
    expect(await clickhouse.queryBinary('SELECT number FROM numbers(0)')).toEqual(Buffer.alloc(0));
  });

  it('lets go of a stream that is not read to its end', async () => {
    for (let turn = 0; turn < 12; turn += 1) {
      for await (const rows of clickhouse.stream('SELECT number FROM system.numbers')) {
        expect(rows.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(await clickhouse.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('reports an error that comes after the first rows', async () => {
    const sql = 'SELECT throwIf(number = 250000) FROM numbers(300000) SETTINGS max_block_size = 1000';
    const streamed = async (): Promise<void> => {
      for await (const rows of clickhouse.stream(sql)) expect(rows.length).toBeGreaterThan(0);
    };
    expect((await rejection(streamed())).code).toBe(395);
    expect((await rejection(clickhouse.query(sql))).code).toBe(395);
    expect((await rejection(clickhouse.queryBinary(sql))).code).toBe(395);
  });

  it.each([
    ['an unknown table', 'SELECT * FROM nowhere', 60],
    ['an unknown column', 'SELECT nothing', 47],
    ['bad syntax', 'SELEC 1', 62],
  ])('names %s by its code, not retriable', async (_name, sql, code) => {
    const error = await rejection(clickhouse.query(sql));
    expect([error.code, error.retriable]).toEqual([code, false]);
  });

  it('refuses rows that do not fit, and a wrong password', async () => {
    await clickhouse.command('CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a');
    const misfit = await rejection(clickhouse.insert('t', ['a'], [Buffer.from('1\nx\n')]));
    expect(misfit.retriable).toBe(false);
    expect(await clickhouse.query('SELECT count() AS n FROM t')).toEqual([{ n: '0' }]);
    const stranger = createClickHouse({ ...server, password: 'wrong' }, logger);
    expect((await rejection(stranger.query('SELECT 1'))).code).toBe(516);
    await stranger.close();
  });

  it('calls a server that is away retriable', async () => {
    const away = createClickHouse({ ...server, url: 'http://127.0.0.1:1' }, logger);
    const error = await rejection(away.insert('t', ['a'], [Buffer.from('1\n')]));
    expect([error.code, error.retriable]).toEqual([null, true]);
    await away.close();
  });

  it('inserts nothing for an empty body, and from a SELECT', async () => {
    await clickhouse.command('CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
    await clickhouse.insert('t', ['a'], []);
    await clickhouse.command('INSERT INTO t SELECT number FROM numbers(5)');
    await clickhouse.command('INSERT INTO t VALUES (9), (10)');
    expect(await clickhouse.query('SELECT count() AS n, max(a) AS m FROM t')).toEqual([{ n: '7', m: 10 }]);
  });
});
