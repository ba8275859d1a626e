// A part whose small files are damaged: ClickHouse moves it aside when it starts, without a word, and its rows are gone
// from every answer. Nobody is given too little meanwhile, the process says what is the matter, and `tallyline repair`
// ends it.
import { readdirSync, rmSync, truncateSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { isWhole } from '../support/day-sample.ts';
import { type RunningUp, startUp, tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
const EVENTS = 60;
const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 2 * HOUR_MS;
const usagePath = `/v1/meters/images/usage?from=${new Date(hour).toISOString()}&to=${new Date(hour + HOUR_MS).toISOString()}`;

/** Each of these is looked at when a part is loaded; minmax_*.idx is not (skipped-parts.test.ts). */
const files = isWhole
  ? [/^count\.txt$/, /^partition\.dat$/, /^columns\.txt$/, /^serialization\.json$/]
  : [/^count\.txt$/];

let up: RunningUp;
let dataDir: string;
let before: unknown;

async function get(path: string, base = up.url) {
  const response = await fetch(base + path, { headers: { authorization: `Bearer ${up.apiKey}` } });
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API says.
  return { status: response.status, body: (await response.json()) as any };
}

function store() {
  const { username, password, pathname, origin } = new URL(up.stages().clickhouse!.url);
  const address = { url: origin, username, password, database: pathname.slice(1) };
  return createClickHouse(address, pino({ level: 'silent' }));
}

/** Empties a small file of the largest part of a table; null where parts have none. */
async function empty(table: string, file: RegExp): Promise<string | null> {
  const clickhouse = store();
  try {
    await clickhouse.command(`OPTIMIZE TABLE ${table} FINAL`);
    const [part] = await clickhouse.query<{ name: string; path: string }>(
      'SELECT name, path FROM system.parts WHERE active AND table = {table:String} ORDER BY rows DESC LIMIT 1',
      { table },
    );
    const name = readdirSync(part!.path).find((each) => file.test(each));
    if (name === undefined) return null;
    truncateSync(join(part!.path, name), 0);
    return part!.name;
  } finally {
    await clickhouse.close();
  }
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-lost-'));
  up = await startUp(dataDir, ['--catalog', projectFile('deploy/catalogs/ai-api.yaml'), '--allowed-lateness', '0s'], {
    TALLYLINE_PARTITIONS: '2',
    TALLYLINE_CHUNK_SLOT: '500ms',
    TALLYLINE_FLUSH_INTERVAL: '100ms',
    TALLYLINE_TICK_INTERVAL: '100ms',
  });
  const events = Array.from({ length: EVENTS }, (_, i) => ({
    ...{ id: `evt_${i}`, type: 'image.generation', subject: `cus_${i % 5}` },
    ...{ time: new Date(hour + i * 1_000).toISOString(), data: { size: 'big', images: 1 } },
  }));
  const response = await fetch(`${up.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(200);
  const isClosed = async (): Promise<boolean> => {
    const { data } = (await get(usagePath)).body;
    return data?.[0]?.value === String(EVENTS) && data[0].state === 'closed';
  };
  await until(isClosed, 'everything is counted and closed', 60_000, 100);
  before = (await get(usagePath)).body.data;
}, 300_000);
afterAll(async () => {
  await up?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('a part that ClickHouse does not load', () => {
  it.each(files)(
    'for its %s is missed by nobody who reads',
    async (file) => {
      const part = await empty('usage_rollups', file);
      if (part === null) return;
      const { pid } = up.stages().clickhouse!;
      process.kill(pid, 'SIGKILL');
      await until(() => up.stages().clickhouse!.pid !== pid, 'ClickHouse runs again', 30_000, 20);

      const seen = new Map<string, unknown>();
      const isTold = async (): Promise<boolean> => {
        const { status, body } = await get(usagePath);
        if (status === 200) expect(body.data).toEqual(before);
        seen.set(`${status} ${body.code ?? ''}`, body.detail);
        return body.code === 'usage_damaged';
      };
      await until(isTold, 'a read is told what is missing', 30_000, 10);
      expect(String(seen.get('503 usage_damaged'))).toMatch(/^Windows of the seven days from \d{4}-\d\d-\d\d/);
      const other = usagePath.replaceAll(/T\d\d:/g, 'T00:').replaceAll(/\d{4}-\d\d-\d\d/g, '2026-01-01');
      expect((await get(other.replace(/to=2026-01-01/, 'to=2026-01-02'))).status).toBe(200);
      await until(
        async () => JSON.stringify((await get('/readyz')).body.degraded ?? '').includes(part),
        'the part is named',
        30_000,
        100,
      );

      const repaired = await tallyline(['repair', '--yes', '--data-dir', dataDir]);
      expect([repaired.stderr, repaired.status]).toEqual([expect.anything(), 0]);
      expect(repaired.stdout).toContain('is dropped: nothing of it is missing');
      const isBack = async (): Promise<boolean> => (await get(usagePath)).status === 200;
      await until(isBack, 'usage is answered again', 10_000, 50);
      expect((await get(usagePath)).body.data).toEqual(before);
      expect((await tallyline(['verify', '--data-dir', dataDir])).status).toBe(0);
    },
    300_000,
  );
});
