// Prices of several quantities, and what stands around a price, from events in the log to line items in Postgres: what
// they come to by hand, what late events change, and what `verify` recounts.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { verify } from '../../rater/audit/verify/verify.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { ratedAmounts } from '../support/processes/rated-amounts.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: tokens, eventType: call, aggregation: sum, value: data.n, window: 1h, groupBy: { model: data.model, tier: data.tier } }
  - { slug: peak, eventType: call, aggregation: max, value: data.n, window: 1h, groupBy: { model: data.model } }
  - { slug: paid, eventType: pay, aggregation: sum, value: data.amount, window: 1h }
  - { slug: payments, eventType: pay, aggregation: count, window: 1d }
plans:
  - slug: payg
    calendar: true
    prices:
      - slug: tokens
        meter: tokens
        model: matrix
        dimensions: [model, tier]
        cells:
          - { values: [large, fast], unitAmount: "2" }
          - { values: [large, "*"], unitAmount: "1", maximum: "30" }
          - { values: ["*", batch], model: package, packageSize: "10", packageAmount: "3", included: { units: "5" } }
      - { slug: rest, meter: tokens, model: per_unit, unitAmount: "0.5", otherwise: true }
      - slug: peak
        meter: peak
        model: matrix
        dimensions: [model]
        cells: [{ values: ["*"], model: stairstep, tiers: [{ upTo: "10", amount: "1" }, { upTo: null, amount: "4" }] }]
      - slug: payments
        meter: paid
        model: percentage
        rate: "0.02"
        included: { units: "100" }
        fee: { meter: payments, amount: "0.3", included: { units: "2" } }
        discounts: [{ rate: "0.5", from: "2020-01-01T00:00:00Z" }]
defaultPlan: payg
`,
  'the catalog of the test',
);

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(catalog);
  await installation.startAggregator();
}, 300_000);

afterAll(() => installation?.stop());

const DAY_MS = 86_400_000;
const day = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS;

let sent = 0;
const call = (model: string, tier: string, n: number): EventToSend => ({
  id: `call-${sent++}`,
  time: day + (sent % 5) * 3_600_000,
  data: { model, tier, n },
});
const pay = (amount: number): EventToSend => ({
  ...{ id: `pay-${sent++}`, type: 'pay', time: day + (sent % 5) * 3_600_000, data: { amount } },
});

const rated = (events: readonly EventToSend[]) => ratedAmounts(installation, events);

it('cells, a share and a fee cost what they cost by hand, late events too, and verify finds nothing', async () => {
  const calls = [
    call('large', 'fast', 3),
    call('large', 'slow', 40),
    call('large', 'batch', 1),
    call('small', 'batch', 12),
    call('small', 'fast', 10),
  ];
  expect(await rated([...calls, pay(150), pay(350), pay(100)])).toEqual({
    // 3 x 2.
    'tokens["large","fast"]': '6',
    // 41 x 1, and no more than 30: a batch of large is of the cell that names the leftmost.
    'tokens["large",*]': '30',
    // 12 less 5 that are included: a package.
    'tokens[*,"batch"]': '3',
    // What no cell matches: 10 x 0.5.
    rest: '5',
    // 40 at most.
    'peak[*]': '4',
    // Half of 2 % of what is above 100, and half of 0.30 for the third payment.
    payments: '5',
    'payments/fee': '0.15',
  });
  expect(await rated([call('small', 'batch', 8), call('small', 'fast', -4), pay(-200)])).toEqual({
    ...{ 'tokens["large","fast"]': '6', 'tokens["large",*]': '30', 'peak[*]': '4' },
    ...{ 'tokens[*,"batch"]': '6', rest: '3', payments: '3', 'payments/fee': '0.3' },
  });
  await installation.stopAggregator();
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  expect(log.discrepancies).toEqual([]);

  // It says so of a cell alone.
  const { pool } = installation.stores;
  await pool.query('ALTER TABLE tallyline.line_items DISABLE TRIGGER line_items_append_only');
  await pool.query(
    `UPDATE tallyline.line_items SET amount = amount + 1 WHERE price = 'tokens[*,"batch"]' AND revision = 0`,
  );
  const found = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  expect(found.discrepancies.filter(({ where }) => where.includes('batch'))).not.toEqual([]);
}, 120_000);
