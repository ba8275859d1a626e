// docs/use/subscriptions.md, as a reader would run it: its catalog, and each of its blocks, on a `tallyline up`.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { blocksOf, runBlocks, shownIn } from '../support/processes/page-blocks.ts';
import { type RunningUp, startUp } from '../support/processes/up.ts';

const PAGE = 'docs/use/subscriptions.md';
const blocks = blocksOf(PAGE, 'sh');

let dataDir: string;
let up: RunningUp;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tallyline-subscriptions-page-'));
  const catalog = join(dataDir, 'catalog.yaml');
  await writeFile(catalog, blocksOf(PAGE, 'yaml')[0]!);
  up = await startUp(dataDir, ['--catalog', catalog]);
}, 300_000);
afterAll(async () => {
  await up?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

it('has examples that do what they say', async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  const printed = await runBlocks(blocks, dataDir, up);
  expect(shownIn(blocks)).not.toEqual([]);
  for (const beginning of shownIn(blocks)) expect(printed.join('')).toContain(beginning);
  // The first block sets up, and prints nothing of its own.
  const ofActs = printed[blocks.findIndex((block) => block.includes('act sub_42 undo')) - 1]!;
  const last = JSON.parse(ofActs.trim().split('\n').at(-1)!);
  expect([last.status, last.endsAt, last.version]).toEqual(['active', null, 11]);
}, 300_000);
