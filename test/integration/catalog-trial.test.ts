// `catalog diff` tries the meters of a file on what real stores hold of the last day.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { type CatalogStores, diffCatalogFile } from '../../cli/catalog-application.ts';
import { CatalogRefused } from '../../platform/catalog-publishing/apply-catalog.ts';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { readRecentEvents, type WantedEvents } from '../../platform/usage-store/recent-events.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';
import {
  type EventRow,
  insertCatalog,
  insertEvents,
  insertGeneration,
  insertRollUps,
  insertSeal,
} from '../support/usage-rows.ts';

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
    { tenant: null, now: NOW, json },
    () => open(clickhouse),
    (line) => lines.push(line),
  );
  return lines;
}

/** Of a file that would be refused: what is printed all the same, and why. */
async function refusedDiff(json = false): Promise<{ readonly lines: string[]; readonly refused: readonly string[] }> {
  const lines: string[] = [];
  const options = { tenant: null, now: NOW, json };
  const print = (line: string) => lines.push(line);
  const error = await diffCatalogFile(file, options, () => open(), print).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CatalogRefused);
  return { lines, refused: (error as CatalogRefused).errors };
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
    const away = 'query: ClickHouse at 127\\.0\\.0\\.1:9 does not answer';
    expect(lines.at(-2)).toMatch(new RegExp(`^not tried on recent events: ${away}`));
    expect(lines.at(-1)).toMatch(new RegExp(`^usage that no price would take is not told: ${away}`));
    expect(lines).toContain(
      '+ meter old: eventType too.old, aggregation sum, value data.tokens, groupBy {}, window 15m, lineItems 1h, required false, precision rounded, unreadable refuse, across sum',
    );
    const [line] = await diffed(true, () => nowhere);
    expect(JSON.parse(line!)).toMatchObject({ trial: null, notTried: expect.stringContaining('does not answer') });
    await nowhere.close();
  });
});

describe('catalog diff of prices', () => {
  const catalog = (plans: string) => `currency: USD
meters:
  - { slug: tokens, eventType: llm.completion, aggregation: sum, value: data.tokens, groupBy: { model: data.model } }
plans:
${plans}`;
  const price = (slug: string, rest: string) =>
    `      - { slug: ${slug}, meter: tokens, ${rest}, model: per_unit, unitAmount: "1" }`;
  const pro = `  - slug: pro\n    prices:\n${price('small', 'match: { model: s }')}\n`;
  const add = `  - slug: add\n    prices:\n${price('large', 'match: { model: l }')}\n`;

  beforeAll(async () => {
    const { pool, clickhouse } = stores;
    await insertCatalog(pool, 1, soundCatalog(catalog(pro + add), 'f.yaml'), new Date(NOW - 1_000 * HOUR));
    const of = { tenant: 'acme', customer: 'cus_2', startsAt: NOW - 100 * HOUR };
    await subscribe(pool, { ...of, id: 's1', plan: 'pro' });
    await subscribe(pool, { ...of, id: 's2', plan: 'add' });
    const used = (subject: string, hour: number, model: string) => ({
      ...{ meter: 'tokens', subject, windowStart: NOW - hour * HOUR, groupValues: [model], value: '1' },
    });
    await insertRollUps(clickhouse, [
      ...[used('cus_1', 5, 'x'), used('cus_2', 2, 'x'), used('cus_2', 2, 's'), used('cus_2', 900, 'old')],
    ]);
  });

  it('tells usage of the last 30 days that no price would take, and where two would', async () => {
    const over = `${price('both', 'match: { model: l }')}\n`;
    await writeFile(file, catalog(`${pro}${over}${price('too', 'match: {}')}\n${add}`));
    const { lines, refused } = await refusedDiff();
    const told = lines.filter((line) => /price takes it|plan prices|charge/.test(line));
    expect(told).toEqual([
      '! meter tokens {model: "x"}: no price takes it in add (2 subjects, 2026-11-20T07:00:00Z to 2026-11-20T10:00:00Z)',
      '! meter tokens {model: "s"}: no price takes it in add (1 subject, 2026-11-20T10:00:00Z to 2026-11-20T10:00:00Z)',
      '! plan pro, prices small and too: both charge some usage of meter tokens',
      '! plan pro, prices both and too: both charge some usage of meter tokens',
    ]);
    expect(refused).toEqual([
      'customer cus_2 of tenant acme: from 2026-11-20T12:00:00Z on price large of subscription s2 and price both of ' +
        'subscription s1 would both charge the same usage',
    ]);
    const change = lines.indexOf('prices change for 1 of 2 subscriptions:');
    expect(lines.slice(change + 1, change + 3)).toEqual([
      '  both added for 1, the first from 2026-11-20T12:00:00Z on, such as customer cus_2 (tenant acme)',
      '  too added for 1, the first from 2026-11-20T12:00:00Z on, such as customer cus_2 (tenant acme)',
    ]);
    const [line] = (await refusedDiff(true)).lines;
    expect(JSON.parse(line!)).toMatchObject({
      refusals: [{ subject: 'customer cus_2 of tenant acme' }],
      customers: { lookedAt: 2, isComplete: true, changed: [{ customer: 'cus_2' }] },
      unpriced: { since: NOW - 720 * HOUR, isComplete: true, groups: [{ groups: { model: 'x' } }, {}] },
      overlaps: { isComplete: true, ofCustomers: [{ tenant: 'acme', customer: 'cus_2' }] },
    });
  });

  it('tells what customers come to in the periods that run, by the catalog that holds and by the file', async () => {
    const { pool } = stores;
    const fee = (amount: string) =>
      `  - { slug: fee, calendar: true, prices: [{ slug: fee, model: flat, flatAmount: "${amount}" }] }\n`;
    await insertCatalog(pool, 2, soundCatalog(catalog(pro + add + fee('30')), 'f.yaml'), new Date(NOW - 900 * HOUR));
    const since = Date.UTC(2026, 10, 1);
    await subscribe(pool, { tenant: 'acme', customer: 'cus_fee', id: 'fee', plan: 'fee', startsAt: since });
    await writeFile(file, catalog(pro + add + fee('60')));
    // 19.5 of 30 days at 30 and 10.5 at 60, and the fee of December, which is due as November ends.
    const lines = await diffed();
    const at = lines.findIndex((line) => line.startsWith('in the periods'));
    expect(lines.slice(at, at + 2)).toEqual([
      'in the periods that run, with usage so far, 1 customer: 60 -> 100.5 USD',
      '  customer cus_fee (tenant acme): 60 -> 100.5 up to 2026-12-01T00:00:00Z',
    ]);
    const [line] = await diffed(true);
    expect(JSON.parse(line!)).toMatchObject({
      customers: { amounts: [{ tenant: 'acme', customer: 'cus_fee', before: '60', after: '100.5' }] },
    });
  });

  it('tells nothing where prices take all usage, and none of it twice', async () => {
    const rest = (slug: string) => `${price(slug, 'otherwise: true')}\n`;
    await writeFile(file, catalog(`${pro}${rest('rest')}`));
    const lines = await diffed();
    expect(lines.filter((line) => /price takes it|plan prices|charge/.test(line))).toEqual([]);
  });
});

describe('recent events', () => {
  const ofAll = (...types: string[]): WantedEvents => ({ types, tenants: { except: [] } });
  const read = () => readRecentEvents(stores.pool, stores.clickhouse, ofAll('llm.completion'), NOW);

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

  it('are those of one tenant, or of all but some', async () => {
    const countOf = async (tenants: WantedEvents['tenants']) => {
      const wanted = { types: ['llm.completion'], tenants };
      return (await readRecentEvents(stores.pool, stores.clickhouse, wanted, NOW)).events.length;
    };
    const all = await countOf({ except: [] });
    expect(all).toBeGreaterThan(0);
    expect([await countOf({ tenant: 'acme' }), await countOf({ tenant: 'umbrella' })]).toEqual([all, 0]);
    expect([await countOf({ except: ['umbrella'] }), await countOf({ except: ['acme'] })]).toEqual([all, 0]);
  });

  it('are none where none were asked for, or nothing is sealed', async () => {
    expect((await readRecentEvents(stores.pool, stores.clickhouse, ofAll(), NOW)).events).toEqual([]);
    const later = await readRecentEvents(stores.pool, stores.clickhouse, ofAll('llm.completion'), NOW + 48 * HOUR);
    expect(later).toEqual({ accepted: 0, scanned: 0, events: [] });
  });
});
