// A price by the rates of a book, from events in the log to line items in Postgres: what each bucket comes to by hand,
// what nobody has a rate of, what late events change, a newer list, and what `verify` recounts.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { importPriceList } from '../../cli/price-import.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { ratedAmounts } from '../support/processes/rated-amounts.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

const catalog = (large: string) =>
  soundCatalog(
    `currency: USD
meters:
  - { slug: input, eventType: call, aggregation: sum, value: data.in, window: 1h, groupBy: &by { model: data.model, tier: data.tier } }
  - { slug: output, eventType: call, aggregation: sum, value: data.out, window: 1h, groupBy: *by }
priceBooks:
  - slug: acme
    per: "1000"
    services: { batch: "0.5" }
    models:
      - { model: m-large, family: large, rates: ${large} }
      - { model: m-small, aliases: [m-small-10], rates: { input: "0.25" } }
plans:
  - slug: payg
    calendar: true
    prices:
      - slug: tokens
        model: price_book
        books: [acme]
        meters: { input: input, output: output }
        dimensions: { model: model, service: tier }
        markup: [{ factor: "2" }, { family: large, factor: "1.5" }]
        discounts: [{ rate: "0.5", from: "2020-01-01T00:00:00Z" }]
defaultPlan: payg
`,
    'the catalog of the test',
  );

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(catalog('{ input: "4", output: "20" }'));
  await installation.startAggregator();
}, 300_000);

afterAll(() => installation?.stop());

const DAY_MS = 86_400_000;
const day = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS;

let sent = 0;
const call = (model: string, tier: string, input: number, output: number): EventToSend => ({
  id: `call-${sent++}`,
  time: day + (sent % 5) * 3_600_000,
  data: { model, tier, in: input, out: output },
});

const rated = (events: readonly EventToSend[]) => ratedAmounts(installation, events);

it('each bucket of a model costs its rate with the mark-up, late events too, and verify finds nothing', async () => {
  const calls = [
    call('m-large', '', 1_000, 100),
    call('m-large', 'batch', 1_000, 0),
    call('m-small-10', '', 4_000, 500),
    call('m-other', '', 9_000, 9_000),
  ];
  const first = await rated(calls);
  expect(first).toEqual({
    // 4 x 1.5, half of it.
    'tokens/input["m-large",""]': '3',
    // Half of that: a batch.
    'tokens/input["m-large","batch"]': '1.5',
    // 4 x 0.25 x 2, half of it.
    'tokens/input["m-small-10",""]': '1',
    // 0.1 x 20 x 1.5, half of it. Of the small one, and of a model that no book has, nothing is charged.
    'tokens/output["m-large",""]': '1.5',
  });
  expect(await rated([call('m-large', '', -500, 0), call('m-small', '', 1_000, 0)])).toEqual({
    ...first,
    'tokens/input["m-large",""]': '1.5',
    'tokens/input["m-small",""]': '0.25',
  });

  // A newer list holds for windows that are not closed yet: what was charged stays.
  await installation.apply(catalog('{ input: "8", output: "20" }'));
  expect((await rated([call('m-large', '', 0, 100)]))['tokens/output["m-large",""]']).toBe('3');
  await installation.stopAggregator();
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  expect(log.discrepancies).toEqual([]);

  const { pool } = installation.stores;
  await pool.query('ALTER TABLE tallyline.line_items DISABLE TRIGGER line_items_append_only');
  await pool.query(
    `UPDATE tallyline.line_items SET amount = amount + 1 WHERE price = 'tokens/output["m-large",""]' AND revision = 0`,
  );
  const found = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  expect(found.discrepancies.filter(({ where }) => where.includes('tokens/output'))).not.toEqual([]);
}, 120_000);

it('a public list is told against the book that was applied, and its draft is a section of a catalog', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-prices-'));
  try {
    const file = join(directory, 'list.json');
    const rates = '"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07';
    await writeFile(file, `{ "m-new": { "litellm_provider": "acme", "mode": "chat", ${rates} } }`);
    const told: string[] = [];
    const notes: string[] = [];
    const { pool } = installation.stores;
    const terms = { slug: 'acme', providers: [], source: null, readAt: '2026-12-01', catalogFile: null };
    await importPriceList(
      file,
      { ...terms, tenant: null, outFile: null },
      async () => Object.assign(Object.create(pool) as typeof pool, { end: async () => undefined }),
      { line: (text) => void told.push(text), note: (text) => void notes.push(text) },
    );
    expect(told.join('\n')).toMatch(/m-new[^\n]*\n?[^\n]*input: "0\.15"/);
    // The new model, and the two that are not in the list.
    expect(notes.join('\n')).toMatch(/m-large/);
    expect(notes.at(-1)).toMatch(/^1 models, [1-9]\d* changes/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
