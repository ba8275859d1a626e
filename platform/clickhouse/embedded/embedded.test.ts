import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { compiledCommand } from '../../../test/support/processes/clickhouse.ts';
import { createClickHouse } from '../client.ts';
import { type InsertBody, NativeBlock, tableColumns } from '../native-block.ts';
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from './embedded.ts';

const logger = pino({ level: 'silent' });
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-clickhouse-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** A plain HTTP request, as any other client of ClickHouse would send it. */
function ask(server: EmbeddedClickHouse, path: string, headers: Record<string, string>, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { method: 'POST', headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

const ofN = tableColumns({ n: 'UInt32' });
const numberOf = (n: number): InsertBody => {
  const block = new NativeBlock(ofN);
  block.whole(n);
  block.endRow();
  return block.finish();
};

describe('embedded ClickHouse', () => {
  it('keeps what was inserted when it is killed, on the same address, and when it is stopped', async () => {
    let server = await startEmbeddedClickHouse({ dataDir, command: compiledCommand() }, logger);
    const address = { port: Number(new URL(server.url).port), password: server.password };
    const clickhouse = createClickHouse(server, logger);
    await clickhouse.createDatabase();
    await clickhouse.command(
      'CREATE TABLE kept (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1',
    );
    for (let n = 0; n < 20; n += 1) await clickhouse.insert('kept', ofN, numberOf(n));
    process.kill(server.pid, 'SIGKILL');
    await expect(server.failed).rejects.toThrow('embedded ClickHouse ended (status SIGKILL)');

    server = await startEmbeddedClickHouse({ dataDir, command: compiledCommand(), ...address }, logger);
    expect(await clickhouse.query('SELECT count() AS count, max(n) AS max FROM kept')).toEqual([
      { count: '20', max: 19 },
    ]);
    await clickhouse.insert('kept', ofN, numberOf(20));
    await server.stop();

    server = await startEmbeddedClickHouse({ dataDir, command: compiledCommand(), ...address }, logger);
    expect(await clickhouse.query('SELECT count() AS count FROM kept')).toEqual([{ count: '21' }]);
    await clickhouse.close();
    await server.stop();
  }, 300_000);

  it('says in words that its directory is in use', async () => {
    const server = await startEmbeddedClickHouse({ dataDir, command: compiledCommand() }, logger);
    await expect(startEmbeddedClickHouse({ dataDir, command: compiledCommand() }, logger)).rejects.toThrow(
      /embedded ClickHouse ended \(status 1\)[\s\S]*Another server instance in same directory[\s\S]*is another process using it\?/,
    );
    await server.stop();
  }, 300_000);

  it('speaks the HTTP interface: credentials, compression, codes of errors', async () => {
    const server = await startEmbeddedClickHouse({ dataDir, command: compiledCommand() }, logger);
    const credentials = { 'x-clickhouse-user': server.username, 'x-clickhouse-key': server.password };
    try {
      expect((await ask(server, '/ping', {}, Buffer.alloc(0))).body.toString()).toBe('Ok.\n');
      const stranger = await ask(server, '/', {}, Buffer.from('SELECT 1'));
      expect([stranger.status, stranger.headers['x-clickhouse-exception-code']]).toEqual([401, '516']);
      const zipped = await ask(
        server,
        '/?enable_http_compression=1&default_format=CSV&query_id=q1',
        { ...credentials, 'content-encoding': 'gzip', 'accept-encoding': 'gzip' },
        gzipSync("SELECT 'zipped', 1"),
      );
      expect([zipped.status, zipped.headers['content-encoding'], zipped.headers['x-clickhouse-query-id']]).toEqual([
        200,
        'gzip',
        'q1',
      ]);
      expect(gunzipSync(zipped.body).toString()).toBe('"zipped",1\n');
      const unknown = await ask(server, '/?no_such_setting=1', credentials, Buffer.from('SELECT 1'));
      expect([unknown.status, unknown.body.toString()]).toEqual([
        404,
        expect.stringMatching(/^Code: 115\. DB::Exception: .*no_such_setting/),
      ]);
      const memory = await ask(
        server,
        '/?max_memory_usage=1000000',
        credentials,
        Buffer.from('SELECT groupArray(number) FROM numbers(10000000)'),
      );
      expect(memory.headers['x-clickhouse-exception-code']).toBe('241');
      const after = await ask(server, '/', credentials, Buffer.from("SELECT getSetting('max_memory_usage')"));
      expect(after.body.toString()).toBe('0\n');
    } finally {
      await server.stop();
    }
  }, 300_000);
});
