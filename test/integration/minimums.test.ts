// Minimums of a price and of a plan, from events in the log to line items in Postgres: what a closed period fell short
// of, what late events and corrections change, without usage too, and what `verify` recounts.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Decimal } from '../../domain/number/decimal.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { Installation } from '../support/processes/installation.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';
import { until } from '../support/until.ts';

const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: units, eventType: call, aggregation: sum, value: data.n, window: 1h }
plans:
  - slug: pro
    minimum: { amount: "50", every: { days: 1 } }
    prices:
      - { slug: base, model: flat, flatAmount: "10", every: { days: 1 } }
      - { slug: units, meter: units, model: per_unit, unitAmount: "1", every: { days: 1 }, minimum: "20" }
`,
  'the catalog of the test',
);

const DAY_MS = 86_400_000;
/** A day that is over, and closed. */
const day = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS;

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(catalog);
  await installation.startAggregator();
}, 300_000);

afterAll(() => installation?.stop());

type Amounts = Readonly<Record<string, string>>;

/** By price. */
async function amountsOf(customer: string): Promise<Amounts> {
  const { rows } = await installation.stores.pool.query<{ price: string; amount: string }>(
    'SELECT price, sum(amount) AS amount FROM tallyline.line_items WHERE customer = $1 GROUP BY price ORDER BY price',
    [customer],
  );
  return Object.fromEntries(rows.map(({ price, amount }) => [price, Decimal.parse(amount).toString()]));
}

async function causesOf(price: string): Promise<string[]> {
  const { rows } = await installation.stores.pool.query<{ text: string }>(
    `SELECT quantity || ' ' || kind || ' ' || cause AS text FROM tallyline.line_items
     WHERE customer = 'cus_1' AND price = $1 ORDER BY revision`,
    [price],
  );
  return rows.map(({ text }) => text);
}

/** The watermark may come a chunk later than the events, that of a partition without any of them. */
const untilRated = (customer: string, amounts: Amounts): Promise<void> =>
  until(
    async () => {
      await installation.rate();
      return JSON.stringify(await amountsOf(customer)) === JSON.stringify(amounts);
    },
    `${customer} is charged ${JSON.stringify(amounts)}`,
    60_000,
    100,
  );

let sent = 0;

async function send(n: number): Promise<void> {
  await installation.send([{ id: `call-${sent++}`, time: day + sent * 3_600_000, data: { n } }]);
  await installation.untilSealed();
}

it('what a closed day fell short of is charged, follows late usage both ways, and is recounted by verify', async () => {
  const { pool } = installation.stores;
  for (const customer of ['cus_1', 'cus_2'])
    await subscribe(pool, { tenant: 'acme', customer, plan: 'pro', startsAt: day, patch: { endsAt: day + DAY_MS } });
  await send(5);
  // 20 less 5 of the price; 50 less 10, 5 and 15 of the plan.
  await untilRated('cus_1', { '*/minimum': '20', base: '10', units: '5', 'units/minimum': '15' });
  // Without any usage.
  await untilRated('cus_2', { '*/minimum': '20', base: '10', 'units/minimum': '20' });

  await send(25);
  await untilRated('cus_1', { '*/minimum': '10', base: '10', units: '30', 'units/minimum': '0' });
  await send(-28);
  await untilRated('cus_1', { '*/minimum': '20', base: '10', units: '2', 'units/minimum': '18' });
  expect(await causesOf('units/minimum')).toEqual([
    '1 usage minimum_due',
    '-1 adjustment late_usage',
    '1 adjustment late_usage',
  ]);
  expect(await causesOf('*/minimum')).toEqual([
    '1 usage minimum_due',
    '0 adjustment late_usage',
    '0 adjustment late_usage',
  ]);

  await installation.stopAggregator();
  const scope = { from: null, to: null, tenant: null };
  const audit = () => verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  expect((await audit()).discrepancies).toEqual([]);
  await pool.query('ALTER TABLE tallyline.line_items DISABLE TRIGGER line_items_append_only');
  await pool.query(`UPDATE tallyline.line_items SET amount = amount + 1 WHERE price = '*/minimum' AND revision = 0`);
  expect((await audit()).discrepancies.filter(({ where }) => where.includes('*/minimum'))).not.toEqual([]);
}, 180_000);
