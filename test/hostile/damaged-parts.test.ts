// A disk that flips bits in a live part of ClickHouse: whoever does not need the part goes on, everybody else says so,
// nobody bills by it, and `tallyline repair` brings every total back from the log.
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type ClickHouseDatabase, createClickHouse } from '../../platform/clickhouse/client.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { repairedTables } from '../../rater/audit/repair/part-search.ts';
import { isWhole } from '../support/day-sample.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
const EVENTS = 120;
const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS;
const range = `from=${new Date(hour).toISOString()}&to=${new Date(hour + HOUR_MS).toISOString()}`;
const usagePath = `/v1/meters/images/usage?${range}&groupBy=size`;

/** In a build all tables at once; else each by itself as well, and the marks and the primary index of all. */
const damages: readonly (readonly [file: string, tables: readonly string[]])[] = [
  ['data.bin', repairedTables],
  ...(isWhole ? repairedTables.map((table) => ['data.bin', [table]] as const) : []),
  ...(isWhole ? ['data.cmrk4', 'primary.cidx'].map((file) => [file, repairedTables] as const) : []),
];

let stores: StageProcesses;
let clickhouse: ClickHouseDatabase;
let key: string;
let usageBefore: unknown;
let itemsBefore: unknown;

async function get(path: string, stage = 'query') {
  const response = await fetch(stores.urlOf(stage) + path, { headers: { authorization: `Bearer ${key}` } });
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API says.
  return { status: response.status, body: (await response.json()) as any };
}
const usage = async (): Promise<unknown> => (await get(usagePath)).body.data;
const items = async (): Promise<unknown> => (await get('/v1/line-items')).body.data;

async function send(events: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const response = await fetch(`${stores.urlOf('ingest')}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect([200, 207]).toContain(response.status);
}

const image = (i: number, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{
    id: `evt_${i}`,
    type: 'image.generation',
    subject: `cus_${i % 5}`,
    time: new Date(hour + i * 1_000).toISOString(),
  },
  data: { size: i % 2 === 0 ? 'big' : 'small', images: i % 7, ...more },
});

/** Runs a command; whatever its status is. */
async function run(...args: string[]): Promise<{ readonly status: number; readonly output: string }> {
  try {
    return { status: 0, output: await stores.tallyline(...args) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, output: `${stdout}${stderr}` };
  }
}

/**
 * 64 bytes of every 128 from the middle of the file on, of the table's largest part. Merges of the table are stopped:
 * one that was under way has read the good bytes, and would put a good part in the damaged one's place.
 */
async function damage(table: string, file: string): Promise<string> {
  await clickhouse.command(`SYSTEM STOP MERGES ${table}`);
  const merges = 'SELECT 1 FROM system.merges WHERE table = {table:String}';
  await until(async () => (await clickhouse.query(merges, { table })).length === 0, 'no merge is under way', 20_000);
  const [part] = await clickhouse.query<{ name: string; path: string }>(
    `SELECT name, path FROM system.parts WHERE active AND table = {table:String} ORDER BY rows DESC LIMIT 1`,
    { table },
  );
  const path = join(part!.path, file);
  const { size } = statSync(path);
  const noise = Buffer.alloc(64, 0xa5);
  const descriptor = openSync(path, 'r+');
  for (let at = Math.floor(size / 3); at < size; at += 128)
    writeSync(descriptor, noise, 0, Math.min(64, size - at), at);
  closeSync(descriptor);
  await clickhouse.command('SYSTEM DROP MARK CACHE');
  return part!.name;
}

beforeAll(async () => {
  stores = await startStores(
    { TALLYLINE_ALLOWED_LATENESS: '0ms', TALLYLINE_AUDIT_INTERVAL: '200ms' },
    { withDocker: false },
  );
  await stores.tallyline('migrate');
  key = await stores.tallyline('keys', 'create', '--tenant', 'acme');
  await stores.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  for (const stage of ['ingest', 'query', 'aggregator', 'rater']) await stores.start(stage);
  clickhouse = createClickHouse(stores.clickhouse, pino({ level: 'silent' }));
  for (let i = 0; i < EVENTS; i += 20) await send(Array.from({ length: 20 }, (_, j) => image(i + j)));
  // A conflict each, so that there are rejects.
  await send(Array.from({ length: 10 }, (_, i) => image(i, { images: 99 })));
  const total = Array.from({ length: EVENTS }, (_, i) => i % 7).reduce((sum, images) => sum + images, 0);
  const isBilled = async (): Promise<boolean> => {
    const billed = ((await items()) as { meter: string; quantity: string }[]).filter(({ meter }) => meter === 'images');
    return billed.reduce((sum, { quantity }) => sum + Number(quantity), 0) === total;
  };
  await until(isBilled, 'everything is billed', 30_000, 200);
  await until(async () => (await get('/readyz', 'rater')).status === 200, 'the rater is ready', 20_000, 200);
  usageBefore = await usage();
  itemsBefore = await items();
}, 300_000);
afterAll(async () => {
  await clickhouse?.close();
  await stores?.stop();
});

describe('damage to a live part', () => {
  it.each(damages)(
    '%s of %p is told, is in nobody’s way, and is repaired from the log',
    async (file, tables) => {
      // Where the marks and the index were loaded before, they are not looked at again before a restart.
      const isRead = file === 'data.bin';
      const parts = new Map<string, string>();
      for (const table of tables) parts.set(table, await damage(table, file));
      // A merge fails on damaged data, but makes a good part where marks or an index are damaged on disk alone.
      if (isRead) for (const table of tables) await clickhouse.command(`SYSTEM START MERGES ${table}`);

      if (isRead && tables.includes('usage_rollups')) {
        const { status, body } = await get(usagePath);
        expect([status, body.code]).toEqual([503, 'usage_damaged']);
      }
      if (isRead && (tables.includes('usage_events') || tables.includes('event_rejects'))) {
        const seen = new Set<string>();
        for (let i = 0; i < EVENTS; i++) {
          const { status, body } = await get(`/v1/events/evt_${i}`);
          seen.add(`${status} ${body.code ?? body.state}`);
        }
        expect([...seen].sort()).toEqual(['200 accepted', '503 usage_damaged']);
      }
      for (const path of ['/v1/status', '/v1/line-items', '/v1/meters', '/readyz']) {
        expect([path, (await get(path)).status]).toEqual([path, 200]);
      }
      expect(await items()).toEqual(itemsBefore);

      // New owners meet the part; they report and wait, and do not end.
      await stores.drain('aggregator');
      await stores.drain('rater');
      const started = [await stores.start('aggregator'), await stores.start('rater')];
      // Of a window that is open.
      await send([{ ...image(0), id: 'evt_meanwhile', time: new Date().toISOString() }]);

      const verified = await run('verify');
      if (isRead) {
        expect(verified.status).toBe(1);
        for (const table of tables) expect(verified.output).toMatch(new RegExp(`^I2 .*${table}.*damaged`, 'm'));
        expect(verified.output).toMatch(/^I5: \d+ compared/m);
        expect((await get('/readyz')).body.degraded).toEqual([expect.stringMatching(/tallyline repair/)]);
        const metrics = await (await fetch(`${stores.urlOf('query')}/metrics`)).text();
        expect(metrics).toMatch(/^tallyline_damaged_parts\{.*part="/m);
      }
      expect(started.map(({ child }) => child.exitCode)).toEqual([null, null]);

      // It may be killed at any point and run again.
      const found = await stores.killAt(/are counted again from the log/, 'repair', '--yes');
      await stores.killAt(/is detached/, 'repair', '--yes');
      const repaired = await run('repair', '--yes');
      for (const table of tables) await clickhouse.command(`SYSTEM START MERGES ${table}`);
      for (const [table, part] of parts) expect(found).toContain(`part ${part} of ${table} is damaged`);
      expect(repaired.status).toBe(0);
      const left = await clickhouse.query<{ name: string; table: string }>(
        'SELECT table, name FROM system.parts WHERE active',
      );
      for (const { table, name } of left) expect(parts.get(table)).not.toBe(name);

      await until(
        async () => JSON.stringify(await usage()) === JSON.stringify(usageBefore),
        'the usage is back',
        20_000,
        100,
      );
      await until(async () => (await get('/readyz', 'rater')).status === 200, 'the rater is ready', 30_000, 200);
      expect(await items()).toEqual(itemsBefore);
      expect(await run('verify')).toMatchObject({ status: 0 });
      expect((await run('repair', '--yes')).output).toContain('nothing is damaged');
      expect(started.map(({ child }) => child.exitCode)).toEqual([null, null]);
    },
    300_000,
  );

  it('is not repaired where the log no longer holds what was counted: nothing is changed', async () => {
    const part = await damage('usage_events', 'data.bin');
    const pool = createPool(stores.postgres.url, pino({ level: 'silent' }), {
      applicationName: 'test',
      connectionsMax: 1,
    });
    /** All that a repair changes. */
    const state = async (): Promise<unknown> => {
      const { rows } = await pool.query(
        `SELECT (SELECT json_agg(seal ORDER BY generation, partition, chunk) FROM tallyline.chunk_seals seal) AS seals,
           (SELECT count(*) FROM tallyline.chunk_seals_reopened) AS reopened,
           (SELECT count(*) FROM tallyline.chunk_repairs) AS requests`,
      );
      const detached = await clickhouse.query('SELECT table, name FROM system.detached_parts ORDER BY table, name');
      return { rows, detached };
    };
    try {
      // What retention does, once everything is older than it.
      await pool.query(
        `UPDATE tallyline.log_partitions log SET start_offset = greatest(start_offset, progress.next_offset)
         FROM tallyline.partition_progress progress WHERE progress.partition = log.partition`,
      );
      // Owners seal what is open; then only a repair changes anything.
      await stores.drain('aggregator');
      const before = await state();
      const { status, output } = await run('repair', '--yes');
      expect(output).toContain(`part ${part} of usage_events is damaged`);
      expect(output).toMatch(/generation 1 partition \d+ chunk \d+ has rows in a damaged part, begins at offset \d+/);
      expect(output).toMatch(
        /the log holds only what is at or after \d+: it can't be counted again\. Nothing was changed\./,
      );
      expect(output).toContain('docs/operate/runbooks/disaster.md');
      expect(output).not.toContain('is detached');
      expect(status).toBe(1);
      expect(await state()).toEqual(before);
      const there = await clickhouse.query(
        "SELECT 1 FROM system.parts WHERE active AND table = 'usage_events' AND name = {part:String}",
        { part },
      );
      expect(there).toHaveLength(1);
    } finally {
      await pool.end();
    }
  }, 300_000);
});
