// A rehearsal of docs/operate/runbooks/disaster.md: ClickHouse loses everything, then Postgres comes back from a
// backup. Each event is counted once all the same, in processes that know nothing of each other but the stores.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const logger = pino({ level: 'silent' });
let processes: StageProcesses;
let pool: pg.Pool;
let authorization: string;
/** Distinct events sent so far: e0, e1, … */
let sent = 0;

beforeAll(async () => {
  processes = await startStores();
  pool = createPool(processes.postgres.url, logger);
  await processes.tallyline('migrate');
  await processes.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  authorization = `Bearer ${await processes.tallyline('keys', 'create', '--tenant', 'acme')}`;
  await Promise.all([processes.startReady('ingest'), processes.start('aggregator')]);
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await processes?.stop();
});

async function send(count: number, from = sent): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => ({
    id: `e${from + i}`,
    type: 'llm.completion',
    subject: `cus_${i % 5}`,
    data: { model: 'm-large', input_tokens: 10, output_tokens: 5 },
  }));
  const answer = await fetch(`${processes.urlOf('ingest')}/v1/events`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(answer.status).toBe(200);
  sent = Math.max(sent, from + count);
}

async function countOf(sql: string): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(sql);
  return Number(rows[0]!.count);
}
const accepted = (): Promise<number> =>
  countOf('SELECT coalesce(sum(accepted), 0) AS count FROM tallyline.chunk_seals');
const allSealed = (): Promise<void> =>
  until(async () => (await accepted()) === sent, 'every event is sealed as accepted', 30_000, 20);

/** Events stored in ClickHouse, each once. */
async function usageEvents(): Promise<number> {
  const clickhouse = createClickHouse(processes.clickhouse, logger);
  const rows = await clickhouse.query<{ count: string }>('SELECT count() AS count FROM usage_events FINAL');
  await clickhouse.close();
  return Number(rows[0]!.count);
}

describe('disaster', () => {
  it('ClickHouse lost its disk: the log is replayed', async () => {
    await send(100);
    await allSealed();
    await processes.drain('aggregator');
    const clickhouse = createClickHouse(processes.clickhouse, logger);
    for (const table of ['usage_events', 'usage_rollups', 'event_rejects', 'manifests']) {
      await clickhouse.command(`TRUNCATE TABLE ${table}`);
    }
    await clickhouse.close();

    await processes.start('aggregator');
    await send(20);
    await until(async () => (await usageEvents()) === sent, 'every event is stored again', 30_000, 50);
    await allSealed();
    expect(await countOf('SELECT count(*) FROM tallyline.chunk_seals_reopened')).toBeGreaterThan(0);
  }, 300_000);

  it('Postgres comes back from a backup: what was sealed since is sealed again, what is sent again is a duplicate', async () => {
    await pool.query(
      `CREATE TABLE backup_progress AS SELECT * FROM tallyline.partition_progress;
       CREATE TABLE backup_seals AS SELECT * FROM tallyline.chunk_seals`,
    );
    // Later owners: ClickHouse gets rows of epochs that the backup knows nothing of.
    for (let owner = 0; owner < 3; owner++) {
      await processes.drain('aggregator');
      await processes.start('aggregator');
      await send(10);
      await allSealed();
    }
    await processes.drain('aggregator');
    await pool.query(
      `DELETE FROM tallyline.chunk_seals; INSERT INTO tallyline.chunk_seals SELECT * FROM backup_seals;
       UPDATE tallyline.partition_progress progress
         SET (epoch, next_offset, next_chunk, watermark, catalog_version)
           = (backup.epoch, backup.next_offset, backup.next_chunk, backup.watermark, backup.catalog_version)
         FROM backup_progress backup WHERE (progress.generation, progress.partition) = (backup.generation, backup.partition)`,
    );
    expect(await accepted()).toBeLessThan(sent);

    await send(20, 0);
    await processes.start('aggregator');
    await allSealed();
    await until(
      async () => (await countOf('SELECT sum(duplicate) AS count FROM tallyline.chunk_seals')) === 20,
      'the events that were sent again are duplicates',
      30_000,
      20,
    );
    expect(await accepted()).toBe(sent);
    expect(await usageEvents()).toBe(sent);
  }, 300_000);
});
