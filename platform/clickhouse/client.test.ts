import { once } from 'node:events';
import { readFile, truncate } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { startTestClickHouse, type TestClickHouse } from '../../test/support/processes/clickhouse.ts';
import { until } from '../../test/support/until.ts';
import { splitStatements } from '../migrations/sql-statements.ts';
import { projectFile } from '../process/project-root.ts';
import { ClickHouseError } from './click-house.ts';
import { type ClickHouseDatabase, createClickHouse } from './client.ts';
import type { DamagedPart } from './damage.ts';
import { type InsertBody, NativeBlock, tableColumns } from './native-block.ts';

const logger = pino({ level: 'silent' });
let server: TestClickHouse;
let clickhouse: ClickHouseDatabase;

beforeAll(async () => {
  server = await startTestClickHouse();
  clickhouse = createClickHouse(server, logger);
}, 300_000);
afterAll(async () => {
  await clickhouse?.close();
  await server?.stop();
});
beforeEach(async () => {
  await clickhouse.command('DROP TABLE IF EXISTS t');
});

const ofA = tableColumns({ a: 'UInt32' });
const numbersOf = (...values: number[]): InsertBody => {
  const block = new NativeBlock(ofA);
  for (const value of values) {
    block.whole(value);
    block.endRow();
  }
  return block.finish();
};

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
    const columns = tableColumns({
      k: 'FixedString(16)',
      index: 'UInt16',
      s: 'String',
    });
    const blocks = Array.from({ length: 16 }, (_, row) => {
      const key = Buffer.from(Array.from({ length: 16 }, (_, column) => row * 16 + column));
      const block = new NativeBlock(columns);
      block.bytes(key);
      block.whole(row);
      block.bytes(key);
      block.endRow();
      return block.finish();
    });
    await clickhouse.insert('t', columns, blocks.flat());
    const rows = await clickhouse.query<{ k: string; s: string }>(
      'SELECT hex(k) AS k, hex(s) AS s FROM t ORDER BY `index`',
    );
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      .toString('hex')
      .toUpperCase();
    expect(rows.map(({ k }) => k).join('')).toBe(all);
    expect(rows.map(({ s }) => s).join('')).toBe(all);
  });

  it('stores the values of every type of column, of low cardinality or not', async () => {
    await clickhouse.command(
      `CREATE TABLE t (i Int64, u UInt64, v UInt64, n UInt32, b Bool, at DateTime('UTC'), ms DateTime64(3, 'UTC'), d Decimal(76, 12),
         w Decimal(76, 12), s LowCardinality(String), j LowCardinality(String), a Array(String), none Array(String))
       ENGINE = MergeTree ORDER BY i`,
    );
    const columns = tableColumns({
      i: 'Int64',
      u: 'UInt64',
      v: 'UInt64',
      n: 'UInt32',
      b: 'Bool',
      at: "DateTime('UTC')",
      ms: "DateTime64(3, 'UTC')",
      d: 'Decimal(76, 12)',
      w: 'Decimal(76, 12)',
      s: 'String',
      j: 'String',
      a: 'Array(String)',
      none: 'Array(String)',
    });
    const blockOf = (...rows: readonly { i: number; d: bigint; w: number; a: string[] }[]): InsertBody => {
      const block = new NativeBlock(columns, { n: 4_000_000_000, none: 0 });
      for (const { i, d, w, a } of rows) {
        block.whole(i);
        block.words(-1, -2);
        block.integer(2n ** 63n + 5n);
        block.boolean(i > 0);
        block.seconds(i < 0 ? 0 : 1_700_000_000_999);
        block.millis(i);
        block.integer(d);
        block.wholeDecimal(w);
        block.text(`it's\t"é😀"\0 ${i}`);
        block.jsonTexts(a);
        block.texts(a);
        block.endRow();
      }
      return block.finish();
    };
    await clickhouse.insert('t', columns, [
      ...blockOf(
        { i: -(2 ** 40) - 1, d: -5n * 10n ** 11n, w: 2 ** 52, a: ["a'b\\", '', 'é\n'] },
        { i: 1, d: 1n, w: 0, a: [] },
      ),
      ...blockOf({ i: 2 ** 50 + 1, d: 10n ** 70n + 1n, w: 123_456_789_012, a: ['x'.repeat(300)] }),
    ]);
    expect(await clickhouse.query('SELECT * EXCEPT (s, a, j), [s, j] AS s, a FROM t ORDER BY i')).toEqual([
      {
        ...{ i: '-1099511627777', u: '18446744073709551614', v: '9223372036854775813', n: 4_000_000_000, b: false },
        ...{ at: '1970-01-01 00:00:00', ms: '1935-02-28 04:06:12.223', d: '-0.5', w: '4503599627370496', none: [] },
        ...{ s: ['it\'s\t"é😀"\0 -1099511627777', JSON.stringify(["a'b\\", '', 'é\n'])], a: ["a'b\\", '', 'é\n'] },
      },
      {
        ...{ i: '1', u: '18446744073709551614', v: '9223372036854775813', n: 4_000_000_000, b: true },
        ...{ at: '2023-11-14 22:13:20', ms: '1970-01-01 00:00:00.001', d: '0.000000000001', w: '0', none: [] },
        ...{ s: ['it\'s\t"é😀"\0 1', '[]'], a: [] },
      },
      {
        ...{ i: '1125899906842625', u: '18446744073709551614', v: '9223372036854775813', n: 4_000_000_000, b: true },
        ...{ at: '2023-11-14 22:13:20', ms: '2299-12-31 00:00:00.000', none: [], a: ['x'.repeat(300)] },
        d: `1${'0'.repeat(58)}.000000000001`,
        ...{ w: '123456789012', s: ['it\'s\t"é😀"\0 1125899906842625', JSON.stringify(['x'.repeat(300)])] },
      },
    ]);
  });

  it('reads the newest version of a row of the real tables', async () => {
    const schema = await readFile(projectFile('schemas/clickhouse/0001_usage.sql'), 'utf8');
    for (const statement of splitStatements(schema)) await clickhouse.command(statement);
    const columns = tableColumns({
      generation: 'UInt16',
      partition: 'UInt16',
      chunk: 'UInt32',
      version: 'UInt64',
      watermark: "DateTime64(3, 'UTC')",
      accepted: 'UInt64',
    });
    const row = (version: bigint, accepted: bigint): InsertBody => {
      const block = new NativeBlock(columns, { generation: 1, partition: 0, chunk: 7, version });
      block.millis(1_700_000_000_123);
      block.integer(accepted);
      block.endRow();
      return block.finish();
    };
    await clickhouse.insert('manifests', columns, row(2n, 2n ** 64n - 1n));
    await clickhouse.insert('manifests', columns, row(1n, 3n));
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
    await clickhouse.command('CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
    const cut = Buffer.concat(numbersOf(1, 2)).subarray(0, -1);
    const misfit = await rejection(clickhouse.insert('t', ofA, [cut]));
    expect(misfit.retriable).toBe(false);
    expect(await clickhouse.query('SELECT count() AS n FROM t')).toEqual([{ n: '0' }]);
    const stranger = createClickHouse({ ...server, password: 'wrong' }, logger);
    expect((await rejection(stranger.query('SELECT 1'))).code).toBe(516);
    await stranger.close();
  });

  it('calls a server that is away retriable', async () => {
    const away = createClickHouse({ ...server, url: 'http://127.0.0.1:1' }, logger);
    const error = await rejection(away.insert('t', ofA, numbersOf(1)));
    expect([error.code, error.retriable]).toEqual([null, true]);
    await away.close();
  });

  it('gives up what takes too long and what nobody waits for, streams too, and the server ends it', async () => {
    const endless = 'SELECT count() FROM numbers(20000000000) WHERE NOT ignore(sipHash64(number))';
    const late = await rejection(clickhouse.query(endless, {}, { timeoutMs: 200 }));
    expect([late.code, late.retriable]).toEqual([null, true]);
    expect(late.message).toMatch(/ClickHouse at 127\.0\.0\.1:\d+ does not answer: no answer within 200 ms/);
    const gone = new AbortController();
    const waiting = [
      clickhouse.query(endless, {}, { signal: gone.signal }),
      clickhouse.queryBinary(endless, {}, { signal: gone.signal }),
      (async () => {
        for await (const _ of clickhouse.stream(endless, {}, { signal: gone.signal }));
      })(),
    ].map(rejection);
    gone.abort();
    for (const error of await Promise.all(waiting)) expect(error.message).toMatch(/nobody waits/);
    const running = async (): Promise<unknown> =>
      clickhouse.query(
        "SELECT query FROM system.processes WHERE query LIKE '%20000000000%' AND query NOT LIKE '%processes%'",
      );
    await until(async () => JSON.stringify(await running()) === '[]', 'the server works on none of them');
  });

  it('has a deadline at a server that takes connections and answers nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const client = createClickHouse({ ...server, url: `http://127.0.0.1:${port}`, requestTimeoutMs: 100 }, logger);
    const streamed = async (): Promise<void> => {
      for await (const _ of client.stream('SELECT 1'));
    };
    for (const call of [
      client.query('SELECT 1'),
      client.insert('t', ofA, numbersOf(1)),
      client.command('SELECT 1'),
      streamed(),
    ]) {
      expect((await rejection(call)).message).toMatch(/no answer within 100 ms/);
    }
    await client.close();
    silent.close();
  });

  it('says which part is damaged, of reads alone', async () => {
    // In a container its files are out of reach.
    if (server.pid === null) return;
    await clickhouse.command('CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a');
    await clickhouse.command('INSERT INTO t SELECT number, toString(number) FROM numbers(2000)');
    const [part] = await clickhouse.query<{ path: string }>(
      "SELECT path FROM system.parts WHERE table = 't' AND active",
    );
    await truncate(join(part!.path, 'data.bin'), 100);
    const met: DamagedPart[] = [];
    const reader = createClickHouse({ ...server, onDamaged: (damaged) => met.push(damaged) }, logger);
    const damaged = { table: 't', part: 'all_1_1_0' };
    const error = await rejection(reader.query('SELECT max(b) FROM t'));
    expect([error.retriable, { ...error.damaged, part: 'all_1_1_0' }]).toEqual([false, damaged]);
    expect(error.damaged!.part).toMatch(/^all_1_1_\d$/);
    expect(met).toEqual([error.damaged]);
    expect((await rejection(reader.query('SELECT nothing'))).damaged).toBeNull();
    await reader.close();
  });

  it('inserts nothing for an empty body, and from a SELECT', async () => {
    await clickhouse.command('CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
    await clickhouse.insert('t', ofA, []);
    await clickhouse.command('INSERT INTO t SELECT number FROM numbers(5)');
    await clickhouse.command('INSERT INTO t VALUES (9), (10)');
    expect(await clickhouse.query('SELECT count() AS n, max(a) AS m FROM t')).toEqual([{ n: '7', m: 10 }]);
  });
});
