// Every stage as a process of its own, as compose and the chart run them. What a stage serves to whoever runs it is
// there, and all the metrics that alerts and dashboard rest on.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

let processes: StageProcesses;
const text = async (url: string): Promise<string> => (await fetch(url)).text();

beforeAll(async () => {
  processes = await startStores();
}, 300_000);

afterAll(() => processes?.stop());

describe('stages in processes of their own', () => {
  it('refuse stores that are not migrated, and start on those that are', async () => {
    await expect(processes.start('query')).rejects.toThrow(/tallyline migrate/);
    expect(await processes.tallyline('migrate')).toContain('applied clickhouse/0001_usage.sql');
    expect(await processes.tallyline('migrate')).toBe('nothing to do');
    await processes.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
    await Promise.all(['ingest', 'aggregator', 'aggregator', 'rater', 'query', 'manage'].map(processes.start));
  }, 300_000);

  it('say that they are alive and ready', async () => {
    for (const { name, url } of processes.running) {
      expect(await fetch(`${url}/healthz`)).toMatchObject({ status: 200 });
      await until(async () => (await fetch(`${url}/readyz`)).status === 200, `${name} is ready`);
    }
  });

  it('count what the gateway takes', async () => {
    const key = await processes.tallyline('keys', 'create', '--tenant', 'acme', '--operator');
    const authorization = `Bearer ${key}`;
    const answer = await fetch(`${processes.urlOf('ingest')}/v1/events`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify([{ id: '1', type: 'ping', subject: 'cus_1' }]),
    });
    expect(answer.status).toBe(200);
    await until(async () => {
      const event = await fetch(`${processes.urlOf('query')}/v1/events/1`, { headers: { authorization } });
      return ((await event.json()) as { state: string }).state === 'accepted';
    }, 'the event is counted');
    const status = await fetch(`${processes.urlOf('query')}/v1/status`, { headers: { authorization } });
    expect(await status.json()).toMatchObject({ partitions: [{ partition: 0 }, { partition: 1 }] });
  });

  it('manage accounts, of the same keys', async () => {
    const key = await processes.tallyline('keys', 'create', '--tenant', 'acme', '--scope', 'manage');
    const answer = await fetch(`${processes.urlOf('manage')}/v1/customers/cus_1`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Anna' }),
    });
    expect([answer.status, answer.headers.get('etag')]).toEqual([201, '"1"']);
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
          [
            'tallyline_watermark_lag_seconds',
            'tallyline_consumer_lag_records',
            'tallyline_dedup_index_keys',
            'tallyline_dedup_index_bytes',
          ].map((name) => `${name}{partition="${partition}"}`),
        ),
        'tallyline_events_total{stage="aggregator",outcome="accepted"} 1',
        'tallyline_metering_lag_seconds_bucket{le="5"} ',
        'tallyline_flush_duration_seconds_bucket{le="5",stage="aggregator"} ',
      ],
      rater: ['tallyline_line_items_total{kind="usage"} ', 'tallyline_line_items_total{kind="adjustment"} '],
      manage: [
        'tallyline_account_changes_total{kind="customer"} 1',
        'tallyline_account_changes_total{kind="subject"} 0',
        'tallyline_manage_responses_total{status="201"} 1',
        'tallyline_manage_request_duration_seconds_count 1',
        'tallyline_store_silent_seconds{store="Postgres"} ',
      ],
      query: ['process_start_time_seconds ', 'process_cpu_seconds_total ', 'nodejs_eventloop_lag_p99_seconds '],
    };
    for (const [name, lines] of Object.entries(names)) {
      const urls = processes.running.filter((stage) => stage.name === name).map(({ url }) => url);
      for (const line of lines) {
        await until(
          async () =>
            (await Promise.all(urls.map((url) => text(`${url}/metrics`)))).some((page) => page.includes(line)),
          `${name} exports ${line}`,
        );
      }
    }
  }, 300_000);

  it('drain when told to, and leave nothing that verify would find', async () => {
    expect(await processes.drain()).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await processes.tallyline('verify', '--no-log')).toMatch(/^I2: \d+ compared, 0 discrepancies$/m);
  }, 300_000);
});
