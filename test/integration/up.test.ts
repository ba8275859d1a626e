import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startTimeOf } from '../../platform/process/process-probe.ts';
import { type RunningUp, startUp, tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';

let dataDir: string;
let running: RunningUp | null = null;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-up-'));
});
afterEach(async () => {
  await running?.stop();
  running = null;
  await rm(dataDir, { recursive: true, force: true });
});

async function send(up: RunningUp, id: string): Promise<number> {
  const response = await fetch(`${up.url}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id, type: 'call', subject: 'cus_1', data: {} }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function stateOf(up: RunningUp, id: string): Promise<string> {
  const response = await fetch(`${up.url}/v1/events/${id}`, { headers: { authorization: `Bearer ${up.apiKey}` } });
  return ((await response.json()) as { state: string }).state;
}

async function untilCounted(up: RunningUp, id: string): Promise<string> {
  let state = 'unknown';
  const isCounted = async (): Promise<boolean> => {
    state = await stateOf(up, id);
    return state !== 'unknown';
  };
  await until(isCounted, `event ${id} is counted`, 30_000);
  return state;
}

/** A key of a customer, and the one that takes its place. */
async function rotatedKey(): Promise<{ limited: string; rotated: string }> {
  const of = ['--data-dir', dataDir];
  const rights = ['--scope', 'read', '--customer', 'cus_1', '--expires', '90d'];
  const { stdout: limited } = await tallyline(['keys', 'create', '--tenant', 'rotating', ...rights, ...of]);
  const { stdout: listed } = await tallyline(['keys', 'list', '--tenant', 'rotating', '--json', ...of]);
  const { stdout: rotated } = await tallyline(['keys', 'rotate', JSON.parse(listed).id, '--overlap', '1h', ...of]);
  return { limited, rotated };
}

describe('tallyline up', () => {
  it('serves, lets other commands find it, and ends in order', async () => {
    running = await startUp(dataDir);
    expect(await send(running, 'e1')).toBe(200);
    expect(await untilCounted(running, 'e1')).toBe('accepted');
    expect((await stat(join(dataDir, 'api-key'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'stages.json'))).mode & 0o777).toBe(0o600);

    const created = await tallyline(['keys', 'create', '--tenant', 'other', '--data-dir', dataDir]);
    expect(created.stdout).toMatch(/^tl_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}\n$/);
    // A name that was written to look like another row.
    const name = 'a\tb\nkey_forged\tdefault\t\u001b[2J';
    await tallyline(['keys', 'create', '--tenant', 'other', '--name', name, '--data-dir', dataDir]);
    const listed = await tallyline(['keys', 'list', '--data-dir', dataDir]);
    const rows = listed.stdout.trimEnd().split('\n');
    const shown = expect.stringMatching(/^tl_[0-9A-Za-z]{8}$/);
    const made = expect.stringMatching(/^2\d{3}-.*Z$/);
    expect(rows.map((row) => row.split('\t').slice(1))).toEqual([
      [shown, 'default', 'ingest read manage admin operator', made, 'active', 'never used', 'made by tallyline up'],
      [shown, 'other', 'ingest read', made, 'active', 'never used', ''],
      [shown, 'other', 'ingest read', made, 'active', 'never used', 'a\\tb\\nkey_forged\\tdefault\\t\\u001b[2J'],
    ]);
    const { limited, rotated } = await rotatedKey();
    const ofCustomer = (await tallyline(['keys', 'list', '--tenant', 'rotating', '--data-dir', dataDir])).stdout;
    const [oldRow, newRow] = ofCustomer
      .trimEnd()
      .split('\n')
      .map((row) => row.split('\t'));
    expect([limited.slice(0, 11), rotated.slice(0, 11)]).toEqual([oldRow![1], newRow![1]]);
    expect([oldRow![3], newRow![3]]).toEqual(['read of cus_1', 'read of cus_1']);
    expect(oldRow![5]).toMatch(/^active until .*, replaced by key_/);
    const asJson = await tallyline(['keys', 'list', '--json', '--tenant', 'other', '--data-dir', dataDir]);
    expect(
      asJson.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['', name]);
    expect((await tallyline(['migrate', '--data-dir', dataDir])).stdout).toBe('nothing to do\n');

    const second = await tallyline(['up', '--port', '0', '--data-dir', dataDir]);
    expect([second.status, second.stderr]).toEqual([
      1,
      expect.stringContaining(`in use by process ${running.child.pid}`),
    ]);

    const pids = Object.values(running.stages()).map(({ pid }) => pid);
    expect(pids).toHaveLength(6);
    expect(await running.stop()).toBe(0);
    expect(pids.filter((pid) => startTimeOf(pid) !== null)).toEqual([]);
    running = null;
  }, 300_000);

  it('starts a killed process again, whichever it is, and keeps what was acknowledged', async () => {
    running = await startUp(dataDir);
    const up = running;
    expect(await send(up, 'e1')).toBe(200);
    expect(await untilCounted(up, 'e1')).toBe('accepted');
    for (const name of ['aggregator', 'rater', 'clickhouse', 'postgres', 'edge']) {
      const { pid } = up.stages()[name]!;
      process.kill(pid, 'SIGKILL');
      await until(() => up.stages()[name]!.pid !== pid, `${name} runs again`, 30_000);
    }
    await until(async () => (await send(up, 'e2').catch(() => 0)) === 200, 'an event is taken again', 30_000);
    expect(['accepted', 'duplicate']).toContain(await untilCounted(up, 'e2'));
    expect(await untilCounted(up, 'e1')).toBe('accepted');
  }, 300_000);

  it('leaves no orphan when it is killed, and goes on where it was', async () => {
    const first = await startUp(dataDir);
    const pids = Object.values(first.stages()).map(({ pid }) => pid);
    expect(await send(first, 'e1')).toBe(200);
    first.child.kill('SIGKILL');
    await until(() => pids.every((pid) => startTimeOf(pid) === null), 'every process is gone', 30_000);
    running = await startUp(dataDir);
    expect(running.apiKey).toBe(first.apiKey);
    expect(await untilCounted(running, 'e1')).toBe('accepted');
  }, 300_000);

  it('refuses a port in use, a bad catalog and bad settings in words, leaving nothing behind', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const inUse = await tallyline(['up', '--port', String(port), '--data-dir', dataDir]);
    taken.close();
    expect([inUse.status, inUse.stderr]).toEqual([1, expect.stringContaining(`port ${port} on 127.0.0.1 is in use`)]);

    const settings = await tallyline(['up', '--port', 'x', '--data-dir', dataDir], { TALLYLINE_LINGERR: '5ms' });
    expect(settings.stderr).toMatch(
      /2 faults:\n {2}PORT is "x": .*\n {2}TALLYLINE_LINGERR is no setting: did you mean TALLYLINE_LINGER\?/,
    );

    const catalog = join(dataDir, 'catalog.yaml');
    await writeFile(catalog, 'meters: 5\n');
    const bad = await tallyline(['up', '--port', '0', '--data-dir', dataDir, '--catalog', catalog]);
    expect([bad.status, bad.stderr]).toEqual([1, expect.stringContaining('catalog.yaml:1')]);
    expect(bad.stdout).toBe('');
  }, 300_000);
});

describe('a single stage', () => {
  it('names the address it lacks', async () => {
    const { status, stderr } = await tallyline(['aggregator'], { CLICKHOUSE_URL: 'http://127.0.0.1:1' });
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('DATABASE_URL is not set: name a server, or run `tallyline up`'),
    ]);
  });
});
