// `catalog diff` tries the meters of a file on what real stores hold of the last day.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type CatalogStores, diffCatalogFile } from '../../cli/catalog-application.ts';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { readRecentEvents } from '../../platform/usage-store/recent-events.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { type EventRow, insertEvents, insertGeneration, insertSeal } from '../support/usage-rows.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 20, 12);
const CHUNKS = 600;
/** The first chunk has two. */
const EVENTS = CHUNKS + 1;
const CHUNK_MS = (24 * HOUR) / CHUNKS;

let stores: MigratedStores;
let directory: string;
let file: string;

/** An event of each chunk, all in the one partition there is. */
const row = (chunk: number, more: Partial<EventRow> = {}): EventRow => {
  const at = NOW - 24 * HOUR + chunk * CHUNK_MS + 1;
  return { id: `e${chunk}`, eventTime: at, receivedAt: at, offset: chunk * 10, data: '{"tokens":1}', ...more };
};

beforeAll(async () => {
  stores = await startMigratedStores();
  const { pool, clickhouse } = stores;
  await insertGeneration(pool, 'topic', 1);
  const yesterday = row(-1, { id: 'old', type: 'too.old', offset: 0 });
  const rows = Array.from({ length: CHUNKS }, (_, chunk) => row(chunk + 1, chunk === 300 ? { data: '{}' } : {}));
  const odd = row(1, { id: 'odd', offset: 11, data: '{"tokens":"many","model":"m"}' });
  await insertEvents(clickhouse, [yesterday, ...rows, odd], 1);
  // The same row once more, as an owner that took over writes it.
  await insertEvents(clickhouse, [{ ...odd, epoch: 2 }], 1);
  for (let chunk = 0; chunk <= CHUNKS; chunk++) {
    const watermark = NOW - 24 * HOUR + chunk * CHUNK_MS + 1;
    const accepted = chunk === 1 ? 2 : 1;
    await insertSeal(pool, {
      ...{ partition: 0, chunk, endOffset: chunk * 10 + 10, watermark: chunk === 0 ? watermark - HOUR : watermark },
      ...{ accepted, catalogVersion: 0 },
    });
  }
  directory = await mkdtemp(join(tmpdir(), 'tallyline-catalog-trial-'));
  file = join(directory, 'prices.yaml');
  const meter = (slug: string, rest: string) => `  - { slug: ${slug}, aggregation: sum, ${rest} }\n`;
  await writeFile(
    file,
    `currency: USD\nmeters:\n${[
      meter('tokens', 'eventType: llm.completion, value: data.tokens, groupBy: { region: data.region }'),
      meter('old', 'eventType: too.old, value: data.tokens'),
    ].join('')}`,
  );
}, 300_000);

afterAll(async () => {
  await stores?.stop();
  await rm(directory, { recursive: true, force: true });
});

const open = async (clickhouse: CatalogStores['clickhouse'] = () => stores.clickhouse): Promise<CatalogStores> => ({
  pool: async () => stores.pool,
  eventLog: () => Promise.reject(new Error('a diff writes nothing')),
  clickhouse,
  close: async () => {},
});

async function diffed(json = false, clickhouse?: CatalogStores['clickhouse']): Promise<string[]> {
  const lines: string[] = [];
  await diffCatalogFile(
    file,
    { now: NOW, json },
    () => open(clickhouse),
    (line) => lines.push(line),
  );
  return lines;
}

describe('catalog diff', () => {
  it('tells what the meters of a file can not read of the last day, and what they never meet', async () => {
    const lines = await diffed();
    const at = lines.findIndex((line) => line.startsWith('tried on'));
    expect(lines[at - 1]).toMatch(
      /^windows of 15m, line items of 1h, for ever \(tokens, old\): for plans in every time zone/,
    );
    expect(lines.slice(0, at - 1).every((line) => line.startsWith('+ '))).toBe(true);
    expect(lines.slice(at)).toEqual([
      `tried on ${EVENTS} events of the ${EVENTS} of the last 24 hours:`,
      `! meter tokens (added): data.region is in none of ${EVENTS} events of type "llm.completion"`,
      `! meter tokens (added): can't read 1 of ${EVENTS} events of type "llm.completion"; gateways refuse such events`,
      expect.stringContaining('1 invalid_value, such as event "odd" (tenant acme): data.tokens must be'),
      '! meter old (added): there is no event of type "too.old" among them',
    ]);
  });

  it('says the same as one JSON object', async () => {
    const [line, ...more] = await diffed(true);
    expect(more).toEqual([]);
    expect(JSON.parse(line!)).toMatchObject({
      ...{ version: 0, refusals: [], notTried: null },
      changes: expect.arrayContaining([expect.objectContaining({ kind: 'added', subject: 'meter tokens' })]),
      trial: {
        accepted: EVENTS,
        meters: [
          { meter: 'tokens', neverMet: ['data.region'] },
          { meter: 'old', events: 0 },
        ],
      },
    });
  });

  it('shows the changes where ClickHouse is not there, and says that it is not', async () => {
    const nowhere = createClickHouse(
      { url: 'http://127.0.0.1:9', username: 'default', password: '', database: 'default' },
      pino({ level: 'silent' }),
    );
    const lines = await diffed(false, () => nowhere);
    expect(lines.at(-1)).toMatch(/^not tried on recent events: query: ClickHouse at 127\.0\.0\.1:9 does not answer/);
    expect(lines).toContain(
      '+ meter old: eventType too.old, aggregation sum, value data.tokens, groupBy {}, window 15m, lineItems 1h, required false, precision rounded, unreadable refuse, across sum',
    );
    const [line] = await diffed(true, () => nowhere);
    expect(JSON.parse(line!)).toMatchObject({ trial: null, notTried: expect.stringContaining('does not answer') });
    await nowhere.close();
  });
});

describe('recent events', () => {
  const read = () => readRecentEvents(stores.pool, stores.clickhouse, ['llm.completion'], NOW);

  it('are all of a day without very many, and no row twice', async () => {
    const { events, scanned, accepted } = await read();
    expect([events.length, scanned, accepted]).toEqual([EVENTS, EVENTS, EVENTS]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(EVENTS);
  });

  it('are those of some chunks of a day with more, evenly over the day', async () => {
    const { pool } = stores;
    await pool.query('UPDATE tallyline.chunk_seals SET accepted = 2000, event_count = 2000 WHERE accepted > 0');
    const { events, scanned, accepted } = await read();
    // Five chunks are a block, and every second block is taken.
    const taken = Array.from({ length: CHUNKS }, (_, n) => n + 1).filter((chunk) => Math.floor(chunk / 5) % 2 === 0);
    expect([scanned, accepted]).toEqual([taken.length * 2_000, CHUNKS * 2_000]);
    const chunks = events.filter(({ id }) => id !== 'odd').map(({ id }) => Number(id.slice(1)));
    expect(chunks.toSorted((a, b) => a - b)).toEqual(taken);
  });

  it('are none where none were asked for, or nothing is sealed', async () => {
    expect((await readRecentEvents(stores.pool, stores.clickhouse, [], NOW)).events).toEqual([]);
    const later = await readRecentEvents(stores.pool, stores.clickhouse, ['llm.completion'], NOW + 48 * HOUR);
    expect(later).toEqual({ accepted: 0, scanned: 0, events: [] });
  });
});
