// One key that reads as much as it can: others do not notice. On real processes, with reads that cost ClickHouse most
// of a second.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const READERS = 60;
/**
 * What another tenant waits at most: two cores do at most four of these reads at once, and one of them ends in this
 * time.
 */
const WAIT_MAX_MS = 5_000;
const DAY = '2026-11-16T00:00:00Z';
const END = '2026-11-23T00:00:00Z';
const ROWS = 4_000_000;

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly retryAfter: number;
  readonly ms: number;
}

let stores: StageProcesses;
let url: string;
const keys = { greedy: '', modest: '' };

async function read(path: string, key: string, signal?: AbortSignal): Promise<Answer> {
  const startedAt = performance.now();
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${key}` }, ...(signal && { signal }) });
  const body = (await response.json()) as { code?: string };
  return {
    status: response.status,
    code: body.code ?? null,
    retryAfter: Number(response.headers.get('retry-after') ?? 0),
    ms: performance.now() - startedAt,
  };
}

const heavy = `/v1/meters/input_tokens/usage?from=${DAY}&to=${END}&window=1h&groupBy=model&groupBy=subject`;
const small = `/v1/meters/requests/usage?from=${DAY}&to=${END}&window=total`;

beforeAll(async () => {
  stores = await startStores();
  await stores.tallyline('migrate');
  keys.greedy = await stores.tallyline('keys', 'create', '--tenant', 'greedy');
  keys.modest = await stores.tallyline('keys', 'create', '--tenant', 'modest');
  await stores.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  const clickhouse = createClickHouse(stores.clickhouse, pino({ level: 'silent' }));
  const rows = (tenant: string, meter: string, count: number): string => `
    INSERT INTO usage_rollups (tenant, meter, subject, window_start, group_values, generation, partition, chunk, epoch, version,
      value, event_count, unique_values, row_hash)
    SELECT '${tenant}', '${meter}', concat('cus_', toString(number % 20)), toDateTime('2026-11-16 00:00:00', 'UTC') + 3600 * (number % 168),
      '["m-large"]', 1, 0, intDiv(number, 168), 1, number, 1, 1, [], number FROM numbers(${count})`;
  await clickhouse.command(rows('greedy', 'input_tokens', ROWS));
  await clickhouse.command(rows('modest', 'requests', 1_000));
  await clickhouse.close();
  ({ url } = await stores.start('query'));
}, 300_000);
afterAll(() => stores?.stop());

/** Reads all the time until `stop`, as a client that does not wait after a refusal. */
function startGreedy(): { readonly answers: Answer[]; stop(): Promise<void> } {
  const answers: Answer[] = [];
  const stopping = new AbortController();
  const reader = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const answer = await read(heavy, keys.greedy, stopping.signal);
        answers.push(answer);
        if (answer.status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
      } catch (error) {
        if (!stopping.signal.aborted) throw error;
      }
    }
  };
  const readers = Array.from({ length: READERS }, reader);
  return {
    answers,
    stop: async () => {
      stopping.abort();
      await Promise.all(readers);
    },
  };
}

const metric = async (line: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.split('\n').find((each) => each.startsWith(line));
  return found === undefined ? 0 : Number(found.slice(found.lastIndexOf(' ')));
};

describe('many reads of one key', () => {
  it('leave another tenant its status and its usage, and get what is left', async () => {
    const greedy = startGreedy();
    try {
      await until(
        async () => (await metric('tallyline_reads{cost="usage",state="waiting"}')) > 30,
        'reads wait',
        20_000,
        50,
      );
      const others: Answer[] = [];
      for (let i = 0; i < 5; i++) {
        others.push(await read('/v1/status', keys.modest), await read(small, keys.modest));
      }
      expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
      expect(Math.max(...others.map(({ ms }) => ms))).toBeLessThan(WAIT_MAX_MS);
      await until(() => greedy.answers.some(({ status }) => status === 200), 'the greedy one gets answers', 20_000);
      for (const { status, code, retryAfter } of greedy.answers) {
        if (status === 200) continue;
        expect([429, 503]).toContain(status);
        expect(['rate_limited', 'overloaded', 'query_timeout']).toContain(code);
        expect(retryAfter).toBeGreaterThan(0);
      }
    } finally {
      await greedy.stop();
    }
  }, 300_000);

  it('are given up in ClickHouse once their clients are gone, and their places with them', async () => {
    await (async () => {
      const greedy = startGreedy();
      await until(
        async () => (await metric('tallyline_reads{cost="usage",state="running"}')) === 3,
        'reads run',
        20_000,
        50,
      );
      await greedy.stop();
    })();
    await until(
      async () =>
        (await metric('tallyline_reads{cost="usage",state="running"}')) === 0 &&
        (await metric('tallyline_reads{cost="usage",state="waiting"}')) === 0,
      'no read is under way',
      2_000,
      20,
    );
    const clickhouse = createClickHouse(stores.clickhouse, pino({ level: 'silent' }));
    try {
      const running = async (): Promise<number> => {
        const [row] = await clickhouse.query<{ n: string }>(
          "SELECT count() AS n FROM system.processes WHERE query LIKE '%usage_rollups AS r FINAL%' AND query NOT LIKE '%system.processes%'",
        );
        return Number(row!.n);
      };
      await until(async () => (await running()) === 0, 'ClickHouse works on none of them', 2_000, 50);
    } finally {
      await clickhouse.close();
    }
  }, 300_000);
});
