// Conservation on the real processes of `tallyline up`: a sealed chunk loses its rows under a running installation; the
// auditor says so, the owner replays the chunk from the log, and in the end everything is as it was.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type ClickHouseDatabase, createClickHouse } from '../../platform/clickhouse/client.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { type RunningUp, startUp, tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;
const START = Math.floor(Date.now() / HOUR) * HOUR - 10 * HOUR;
const logger = pino({ level: 'silent' });
const environment = {
  LOG_LEVEL: 'info',
  TALLYLINE_PARTITIONS: '2',
  TALLYLINE_CHUNK_SLOT: '1s',
  TALLYLINE_RATER_INTERVAL: '200ms',
  TALLYLINE_AUDIT_INTERVAL: '500ms',
};
const catalog = `
currency: USD
meters:
  - { slug: tokens, eventType: call, aggregation: sum, value: data.tokens, window: 1h }
plans:
  - slug: standard
    calendar: true
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.001" }
defaultPlan: standard
`;

let dataDir: string;
let up: RunningUp;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-conservation-'));
  await writeFile(join(dataDir, 'catalog.yaml'), catalog);
  up = await startUp(dataDir, ['--catalog', join(dataDir, 'catalog.yaml'), '--allowed-lateness', '1s'], environment);
}, 300_000);
afterEach(async () => {
  await up?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const clickhouse = (): ClickHouseDatabase =>
  createClickHouse(parseSettings({ CLICKHOUSE_URL: up.stages().clickhouse!.url }).clickhouse!, logger);

async function send(count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => ({
    id: `call-${i}`,
    type: 'call',
    subject: `cus_${i % 5}`,
    time: new Date(START + (i % 8) * HOUR + i).toISOString(),
    data: { tokens: i },
  }));
  const response = await fetch(`${up.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(200);
}

/** The highest value of the metric, of any invariant and stage. */
async function discrepancies(): Promise<number> {
  const texts = await Promise.all(
    ['rater', 'aggregator'].map(async (stage) => (await fetch(`${up.stages()[stage]!.url}/metrics`)).text()),
  );
  const values = texts.join('\n').match(/(?<=^tallyline_invariant_discrepancy\{.*\} )\d+$/gm) ?? [];
  return Math.max(0, ...values.map(Number));
}

describe('tallyline up with a damaged chunk', () => {
  it('says so, replays it from the log, and agrees with itself again', async () => {
    await send(400);
    const pool = createPool(up.stages().postgres!.url, logger);
    const store = clickhouse();
    const billed = async (): Promise<unknown> =>
      (
        await pool.query(
          `SELECT customer, sum(quantity)::int AS tokens, sum(amount)::float AS amount, count(*)::int AS items
           FROM tallyline.line_items GROUP BY customer ORDER BY customer`,
        )
      ).rows;
    const total = (400 * 399) / 2;
    const billedTokens = async (): Promise<number> =>
      ((await billed()) as { tokens: number }[]).reduce((sum, row) => sum + row.tokens, 0);
    try {
      await until(async () => (await billedTokens()) === total, 'everything is billed', 120_000, 100);
      await until(async () => (await discrepancies()) === 0, 'the auditor has nothing to say', 120_000, 100);
      const before = await billed();

      await store.command('ALTER TABLE usage_rollups DELETE WHERE 1 SETTINGS mutations_sync = 2');
      await until(async () => (await discrepancies()) > 0, 'the metric rises', 120_000, 50);
      await until(
        async () => (await pool.query("SELECT FROM tallyline.chunk_repairs WHERE outcome = 'reopened'")).rowCount! >= 2,
        'both partitions are reopened',
        120_000,
        100,
      );
      const usage = async (): Promise<number> =>
        Number((await store.query<{ sum: string }>('SELECT sum(value) AS sum FROM usage_rollups FINAL'))[0]!.sum);
      await until(async () => (await usage()) === total, 'the roll-ups are back', 120_000, 100);
      await until(async () => (await discrepancies()) === 0, 'the metric is back at 0', 120_000, 100);
      expect(await billed()).toEqual(before);
      const { status, stdout } = await tallyline(['verify', '--data-dir', dataDir]);
      expect([status, stdout]).toEqual([0, expect.stringContaining('I5: ')]);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${up.log().slice(-10_000)}`, { cause: error });
    } finally {
      await store.close();
      await pool.end();
    }
  }, 600_000);
});
