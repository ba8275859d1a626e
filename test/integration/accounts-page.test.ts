// docs/use/accounts.md, as a reader would run it: each of its blocks, on a `tallyline up`.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { blocksOf, runBlocks, shownIn } from '../support/processes/page-blocks.ts';
import { type RunningUp, startUp } from '../support/processes/up.ts';

const blocks = blocksOf('docs/use/accounts.md', 'sh');

let dataDir: string;
let up: RunningUp;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-accounts-page-'));
  up = await startUp(dataDir);
}, 300_000);
afterAll(async () => {
  await up?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

it('has examples that do what they say', async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(7);
  const printed = await runBlocks(blocks, dataDir, up);
  for (const beginning of shownIn(blocks)) expect(printed.join('')).toContain(beginning);
  const [assigned] = printed.filter((text) => text.includes('"subject":"workspace_7"'));
  expect(JSON.parse(assigned!.split('\n')[0]!)).toMatchObject({ subject: 'workspace_7', customer: 'cus_42' });
}, 300_000);

it('runs on a key of accounts that only its user can read, and that outlives a restart', async () => {
  expect((await stat(join(dataDir, 'accounts-key'))).mode & 0o777).toBe(0o600);
  const ask = async (method: string, body?: unknown) => {
    const response = await fetch(`${up.url}/v1/customers/kept`, {
      method,
      headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return (await response.json()) as { name: string };
  };
  expect((await ask('PUT', { name: 'Kept' })).name).toBe('Kept');
  expect(await up.stop()).toBe(0);
  up = await startUp(dataDir);
  expect((await ask('GET')).name).toBe('Kept');
}, 300_000);
