// Every stage as a process of its own, as compose and the chart run them: addresses in files, two aggregators, no Kafka. What
// a stage serves to whoever runs it is there, and all the metrics that alerts and dashboard rest on.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/project-root.ts';
import { compiledCommand, startTestClickHouse, type TestClickHouse } from '../support/clickhouse.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

interface Running {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

let directory: string;
let postgres: TestPostgres;
let clickhouse: TestClickHouse;
let environment: NodeJS.ProcessEnv;
const running: Running[] = [];
const [node, main] = compiledCommand();

async function tallyline(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(node, [main, ...args], { env: environment });
  return stdout.trim();
}

/** Resolves once the stage says where it serves. */
async function start(name: string): Promise<Running> {
  const child = spawn(node, [main, name], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('ready ')) resolve(line.slice('ready '.length));
    });
    child.once('exit', (status) => reject(new Error(`${name} ended with ${status}:\n${errors}`)));
  });
  const stage = { name, url, child, ended };
  running.push(stage);
  return stage;
}

const urlOf = (name: string): string => running.find((stage) => stage.name === name)!.url;
const text = async (url: string): Promise<string> => (await fetch(url)).text();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyline-stages-'));
  [postgres, clickhouse] = await Promise.all([startTestPostgres(), startTestClickHouse()]);
  const address = new URL(clickhouse.url);
  Object.assign(address, {
    username: clickhouse.username,
    password: clickhouse.password,
    pathname: clickhouse.database,
  });
  // With the newline that an editor leaves.
  await writeFile(join(directory, 'database-url'), `${postgres.url}\n`);
  await writeFile(join(directory, 'clickhouse-url'), `${address.href}\n`);
  environment = {
    PATH: process.env.PATH,
    PORT: '0',
    DATABASE_URL_FILE: join(directory, 'database-url'),
    CLICKHOUSE_URL_FILE: join(directory, 'clickhouse-url'),
    TALLYLINE_PARTITIONS: '2',
    TALLYLINE_CHUNK_SLOT: '500ms',
    TALLYLINE_FLUSH_INTERVAL: '100ms',
    TALLYLINE_TICK_INTERVAL: '100ms',
    TALLYLINE_RATER_INTERVAL: '200ms',
  };
}, 60_000);

afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all(running.map(({ ended }) => ended));
  await Promise.all([postgres?.stop(), clickhouse?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

describe('stages in processes of their own', () => {
  it('refuse stores that are not migrated, and start on those that are', async () => {
    await expect(start('query')).rejects.toThrow(/tallyline migrate/);
    expect(await tallyline('migrate')).toContain('applied clickhouse/0001_usage.sql');
    expect(await tallyline('migrate')).toBe('nothing to do');
    await tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
    await Promise.all(['ingest', 'aggregator', 'aggregator', 'rater', 'query'].map(start));
  }, 60_000);

  it('say that they are alive and ready', async () => {
    for (const { name, url } of running) {
      expect(await fetch(`${url}/healthz`)).toMatchObject({ status: 200 });
      await until(async () => (await fetch(`${url}/readyz`)).status === 200, `${name} is ready`);
    }
  });

  it('count what the gateway takes', async () => {
    const key = await tallyline('keys', 'create', '--tenant', 'acme');
    const authorization = `Bearer ${key}`;
    const answer = await fetch(`${urlOf('ingest')}/v1/events`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify([{ id: '1', type: 'ping', subject: 'cus_1' }]),
    });
    expect(answer.status).toBe(200);
    await until(async () => {
      const event = await fetch(`${urlOf('query')}/v1/events/1`, { headers: { authorization } });
      return ((await event.json()) as { state: string }).state === 'accepted';
    }, 'the event is counted');
    const status = await fetch(`${urlOf('query')}/v1/status`, { headers: { authorization } });
    expect(await status.json()).toMatchObject({ partitions: [{ partition: 0 }, { partition: 1 }] });
  });

  it('export the metrics that alerts and dashboard rest on', async () => {
    const names: Readonly<Record<string, readonly string[]>> = {
      ingest: [
        'tallyline_events_total{stage="ingest",outcome="accepted"} 1',
        'tallyline_ingest_request_duration_seconds_count 1',
        'tallyline_event_log_append_duration_seconds_bucket{le="5"} 1',
      ],
      // Both aggregators together: each comes to have one of the two partitions.
      aggregator: [
        ...[0, 1].flatMap((partition) =>
          ['tallyline_watermark_lag_seconds', 'tallyline_consumer_lag_records', 'tallyline_dedup_index_keys'].map(
            (name) => `${name}{partition="${partition}"}`,
          ),
        ),
        'tallyline_events_total{stage="aggregator",outcome="accepted"} 1',
        'tallyline_metering_lag_seconds_bucket{le="5"} ',
        'tallyline_flush_duration_seconds_bucket{le="5",stage="aggregator"} ',
      ],
      rater: ['tallyline_line_items_total{kind="usage"} ', 'tallyline_line_items_total{kind="adjustment"} '],
      query: ['process_start_time_seconds ', 'process_cpu_seconds_total ', 'nodejs_eventloop_lag_p99_seconds '],
    };
    for (const [name, lines] of Object.entries(names)) {
      const urls = running.filter((stage) => stage.name === name).map(({ url }) => url);
      for (const line of lines) {
        await until(
          async () =>
            (await Promise.all(urls.map((url) => text(`${url}/metrics`)))).some((page) => page.includes(line)),
          `${name} exports ${line}`,
        );
      }
    }
  }, 60_000);

  it('drain when told to, and leave nothing that verify would find', async () => {
    for (const { child } of running) child.kill('SIGTERM');
    expect(await Promise.all(running.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0]);
    expect(await tallyline('verify', '--no-log')).toMatch(/^I2: \d+ compared, 0 discrepancies$/m);
  }, 60_000);
});
