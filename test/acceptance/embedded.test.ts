// The acceptance run on `tallyline up`: a laptop without any server.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type RunningUp, startUp, tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';
import {
  catalogYaml,
  deliver,
  endAt,
  expectTraceTotals,
  moneyWritten,
  sealedOutcomes,
  sendTwice,
  type Target,
  traceBodies,
} from './trace-run.ts';

// Small chunks, so that what is counted is sealed, closed and billed within seconds.
const environment = {
  LOG_LEVEL: 'warn',
  TALLYLINE_CHUNK_SLOT: '2s',
  TALLYLINE_CHUNK_OFFSETS: '64',
  TALLYLINE_RATER_INTERVAL: '1s',
};

let dataDir: string;
let up: RunningUp;

const start = async (): Promise<void> => {
  up = await startUp(dataDir, ['--catalog', join(dataDir, 'catalog.yaml'), '--allowed-lateness', '1m'], environment);
};

const target = (): Target => ({
  ingestUrl: () => up.url,
  queryUrl: () => up.url,
  apiKey: up.apiKey,
  postgresUrl: () => up.stages().postgres!.url,
});

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-acceptance-'));
  await writeFile(join(dataDir, 'catalog.yaml'), catalogYaml);
  await start();
});
afterEach(async () => {
  await up?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const kill = (name: string) => async (): Promise<void> => {
  process.kill(up.stages()[name]!.pid, 'SIGKILL');
};

const verify = async (): Promise<void> => {
  const { status, stdout, stderr } = await tallyline(['verify', '--data-dir', dataDir]);
  expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('I5: ')]);
};

describe('tallyline up, with the whole trace', () => {
  it('counts and bills every token once, and says the same after a restart', async () => {
    const sent = await sendTwice(target());
    await expectTraceTotals(target(), sent);
    expect(sent.undisturbed).toBe(true);
    await verify();

    const money = await moneyWritten(target());
    expect(await up.stop()).toBe(0);
    await start();
    await expectTraceTotals(target(), sent);
    expect(await moneyWritten(target())).toEqual(money);

    const [first] = traceBodies(sent.path);
    await deliver(target(), [first!, { ...first, data: { other: 1 } }]);
    await until(
      async () =>
        (await sealedOutcomes(target())).duplicate === sent.events + 1 && (await sealedOutcomes(target())).other === 1,
      'the resent event is a duplicate, and a conflict with another payload',
      60_000,
      100,
    );
    await verify();
  }, 300_000);

  it('gives the same totals when every process is killed on the way, and all of them at once', async () => {
    const killAll = async (): Promise<void> => {
      up.child.kill('SIGKILL');
      await start();
    };
    const sent = await sendTwice(
      target(),
      new Map([
        [0.1, kill('aggregator')],
        [0.25, kill('edge')],
        [0.4, kill('rater')],
        [0.5, kill('clickhouse')],
        [0.65, kill('postgres')],
        [0.8, killAll],
      ]),
    );
    await expectTraceTotals(target(), sent);
    await verify();
  }, 400_000);

  it('keeps tenants with the same ids apart', async () => {
    const created = await tallyline(['keys', 'create', '--tenant', 'other', '--data-dir', dataDir]);
    const keys = [up.apiKey, created.stdout.trim()];
    const event = (tokens: number): string =>
      JSON.stringify({
        id: 'same',
        type: 'llm.completion',
        subject: 'same',
        time: new Date(endAt - 1).toISOString(),
        data: { model: 'm-large', input_tokens: tokens, output_tokens: 1 },
      });
    for (const [i, key] of keys.entries()) {
      const response = await fetch(`${up.url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: event(10 + i),
      });
      expect(response.status).toBe(200);
    }
    for (const [i, apiKey] of keys.entries()) {
      const each = { ...target(), apiKey };
      await until(
        async () => Object.keys(await moneyWritten(each)).length === 2,
        'both tenants are billed',
        60_000,
        100,
      );
      const inputAmount = Object.entries(await moneyWritten(each)).find(([name]) => name.endsWith('input-large'))![1];
      expect(inputAmount).toBe(BigInt(10 + i) * 300n);
    }
    expect(await sealedOutcomes(target())).toMatchObject({ accepted: 2, duplicate: 0, other: 0 });
  }, 300_000);
});
