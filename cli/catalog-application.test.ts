import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { CatalogRefused } from '../platform/catalog-publishing/apply-catalog.ts';
import { publishedCatalog } from '../platform/catalog-store.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { openPostgresEventLog } from '../platform/event-log/postgres/postgres-event-log.ts';
import { migrate } from '../platform/migrations/migrate.ts';
import { createPool } from '../platform/postgres/pool.ts';
import { projectFile } from '../platform/process/project-root.ts';
import { startTestPostgres, type TestPostgres } from '../test/support/processes/postgres.ts';
import { applyCatalogFrom, type CatalogStores, diffCatalogFile } from './catalog-application.ts';

const logger = pino({ level: 'silent' });
const now = Date.UTC(2026, 10, 20);
const terms = { tenant: null, now, json: false };
const sample = projectFile('deploy/catalogs/ai-api.yaml');

let directory: string;
let postgres: TestPostgres;
let pool: pg.Pool;
let eventLog: EventLog;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyline-catalog-command-'));
  postgres = await startTestPostgres();
  pool = createPool(postgres.url, logger);
  await migrate(pool, null, logger);
  const topic = { topic: 'usage', partitions: 3, replicationFactor: 1, minInsyncReplicas: 1, retentionMs: 86_400_000 };
  eventLog = await openPostgresEventLog(pool, topic, logger);
}, 300_000);

afterAll(async () => {
  await eventLog?.close();
  await pool?.end();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

const open = async (): Promise<CatalogStores> => ({
  pool: async () => pool,
  eventLog: async () => eventLog,
  clickhouse: () => null,
  close: async () => {},
});
const unreachable = (): Promise<CatalogStores> => Promise.reject(new Error('the stores were asked for'));

async function lines(command: (out: (line: string) => void) => Promise<void>): Promise<string[]> {
  const printed: string[] = [];
  await command((line) => printed.push(line));
  return printed;
}

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe('catalog apply and diff', () => {
  it('show the changes, make them, and then find nothing to change', async () => {
    const diff = await lines((out) => diffCatalogFile(sample, terms, open, out));
    expect(diff).toContain(
      '+ plan team, price base-fee: model flat, every 1 month, charge in_advance, proration second, giveBack true, quantity once, flatAmount 200',
    );
    expect(await publishedCatalog(pool)).toMatchObject({ version: 0 });

    const applied = await lines((out) => applyCatalogFrom(sample, { effectiveAt: now }, open, out));
    const notTold = [
      'not tried on recent events: CLICKHOUSE_URL is not set',
      'usage that no price would take is not told: CLICKHOUSE_URL is not set',
    ];
    expect(diff.slice(-2)).toEqual(notTold);
    const changes = diff.filter((line) => /^[+~-] /.test(line));
    expect(diff.slice(changes.length, -2)).toEqual([
      expect.stringMatching(/^windows of 1h, line items of 1h, for ever/),
    ]);
    expect(applied).toEqual([
      ...changes,
      'applied as version 1, effective at 2026-11-20T00:00:00Z',
      'defaultPlan: pay-as-you-go for all usage that nothing priced',
    ]);
    expect((await eventLog.bounds()).map(({ endOffset }) => endOffset)).toEqual([1, 1, 1]);

    expect(await lines((out) => diffCatalogFile(sample, terms, open, out))).toEqual([
      'nothing to change: version 1 says the same',
      ...notTold,
    ]);
    expect(await lines((out) => applyCatalogFrom(sample, {}, open, out))).toEqual([
      'nothing to change: version 1, effective at 2026-11-20T00:00:00Z, says the same',
    ]);
  });

  it('say what is wrong with a file before they ask for any store', async () => {
    const bad = await file('bad.yaml', 'currency: USD\nmetres: []\nplans: 7\n');
    for (const run of [
      (path: string) => diffCatalogFile(path, terms, unreachable, () => {}),
      (path: string) => applyCatalogFrom(path, {}, unreachable, () => {}),
    ]) {
      await expect(run(bad)).rejects.toThrow(`${bad}:2:1 metres: unknown key`);
      await expect(run(bad)).rejects.toThrow(`${bad}:3:8 plans: must be a list, got number 7`);
      await expect(run(join(directory, 'none.yaml'))).rejects.toThrow('there is no such file');
      await expect(run(directory)).rejects.toBeInstanceOf(CatalogRefused);
      const binary = await file('binary.yaml', Buffer.from([0x63, 0xff, 0xfe]));
      await expect(run(binary)).rejects.toThrow('is not UTF-8 text');
    }
  });

  it('refuse what would change the meaning of a slug, and change nothing', async () => {
    const other = await file('other.yaml', 'currency: EUR\n');
    await expect(diffCatalogFile(other, terms, open, () => {})).rejects.toThrow(
      "currency: is USD and can't become EUR",
    );
    const before = await publishedCatalog(pool);
    await expect(applyCatalogFrom(other, { effectiveAt: now }, open, () => {})).rejects.toThrow("can't become EUR");
    expect(await publishedCatalog(pool)).toEqual(before);
  });

  it('show and make the catalog of one tenant, by what it has', async () => {
    const author = { tenant: 'acme', actor: 'cli:test' };
    const ofAcme = { ...terms, tenant: 'acme' };
    const own = await file(
      'own.yaml',
      (await readFile(sample, 'utf8')).replace('flatAmount: "200.00"', 'flatAmount: "250"'),
    );
    const change = '~ plan team, price base-fee: flatAmount 200 -> 250';
    const [same] = await lines((out) => diffCatalogFile(sample, ofAcme, open, out));
    expect(same).toBe("the default's version 1 says the same: it would be acme's own from then on");
    expect((await lines((out) => diffCatalogFile(own, ofAcme, open, out)))[0]).toBe(change);
    const applied = await lines((out) => applyCatalogFrom(own, { effectiveAt: now, author }, open, out));
    expect(applied.slice(0, 2)).toEqual([change, 'applied as version 2, effective at 2026-11-20T00:00:00Z']);
    const told = await Promise.all(
      [ofAcme, terms].map(async (of) => (await lines((out) => diffCatalogFile(own, of, open, out)))[0]),
    );
    expect(told).toEqual(['nothing to change: version 2 says the same', change]);
    const { rows } = await pool.query("SELECT actor, tenant FROM tallyline.account_changes WHERE kind = 'catalog'");
    expect(rows).toEqual([{ tenant: 'acme', actor: 'cli:test' }]);
  });
});
