// A level of a subject that moves counts by the time that it is with each customer (G3): on real stores, up to the
// bill, where it was known from the first and where it becomes known after all was rated.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import { markBilledDue, markDue } from '../../platform/billing-store/due-customers.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { aMeter } from '../support/a-meter.ts';
import { addCustomer, assignSubject } from '../support/assigned-subjects.ts';
import { Installation } from '../support/processes/installation.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;

const catalog: Catalog = {
  ...{ ...emptyCatalog, meters: [aMeter('seats', { eventType: 'call', aggregation: 'max' })], defaultPlan: 'payg' },
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: [{ slug: 'seats', meter: 'seats', match: {}, model: 'per_unit', unitAmount: '1', every: { days: 1 } }],
    },
  ],
};

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start();
  for (const customer of ['one', 'two']) await addCustomer(installation.stores.pool, customer);
  await installation.apply(catalog);
  await installation.startAggregator();
}, 300_000);
afterAll(() => installation?.stop());

/** `customer` has the subject from then on; whoever was rated is due. */
async function assign(subject: string, customer: string, from: number): Promise<void> {
  const { pool } = installation.stores;
  await assignSubject(pool, subject, customer, from);
  const sides = [subject, 'one', 'two'].map((side) => ({ tenant: 'acme', customer: side, dueAt: from }));
  await markDue(pool, sides);
}

/** By customer, what the items of the first day come to; those of quantity 0 are none. */
async function billed(): Promise<Record<string, string[]>> {
  const { rows } = await installation.stores.pool.query<{ customer: string; items: string[] }>(
    `SELECT customer, array_agg(extract(hour FROM window_start AT TIME ZONE 'UTC')::int || ': ' || quantity::float8
       ORDER BY window_start, sequence) AS items
     FROM tallyline.line_items WHERE quantity <> 0 AND period_start = $1 GROUP BY customer`,
    [new Date(FIRST_DAY)],
  );
  return Object.fromEntries(rows.map(({ customer, items }) => [customer, items]));
}

const discrepancies = async (): Promise<string[]> => {
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  return log.discrepancies.map(
    ({ invariant, where, expected, found }) => `${invariant} ${where}: ${expected} / ${found}`,
  );
};

it('is given back with the window that the subject leaves with, and taken for what is left (G3)', async () => {
  await assign('ws', 'one', FIRST_DAY);
  await assign('ws', 'two', FIRST_DAY + 8 * HOUR);
  const seats = (id: string, hour: number, value: number) => ({
    ...{ id, subject: 'ws', time: FIRST_DAY + hour * HOUR, data: { seats: value } },
  });
  await installation.send([seats('a', 2, 12), seats('b', 10, 24)]);
  await installation.untilSealed();
  await installation.rate();
  // Eight hours of 24 and 16 of 24. Item by item as time goes on: with the eighth hour 8 of 12 are given back.
  expect(await billed()).toEqual({ one: ['2: 12', '8: -8'], two: ['10: 16'] });
  expect(await discrepancies()).toEqual([]);
  await assign('ws', 'one', FIRST_DAY + 20 * HOUR);
  await installation.rate();
  expect(await billed()).toEqual({ one: ['2: 12', '8: -8', '20: 2'], two: ['10: 16', '20: -4'] });
  expect(await discrepancies()).toEqual([]);
  // Nothing is missing any more.
  await assign('other', 'one', FIRST_DAY + 30 * HOUR);
  await installation.rate();
  expect(await billed()).toEqual({ one: ['2: 12', '8: -8', '20: 2'], two: ['10: 16', '20: -4'] });
}, 120_000);

it('makes due those who were billed of a period that ends later', async () => {
  const { pool } = installation.stores;
  const sides = ['one', 'two', 'ws', 'nobody'].map((customer) => ({ tenant: 'acme', customer }));
  await pool.query('TRUNCATE tallyline.due_customers');
  await markBilledDue(pool, sides, FIRST_DAY + 23 * HOUR);
  const due = async () => {
    const { rows } = await pool.query<{ customer: string; due_at: Date }>(
      'SELECT customer, due_at FROM tallyline.due_customers ORDER BY customer',
    );
    return rows.map(({ customer, due_at }) => `${customer} ${(due_at.getTime() - FIRST_DAY) / HOUR}`);
  };
  expect(await due()).toEqual(['one 23', 'two 23']);
  await markBilledDue(pool, sides, FIRST_DAY + 9 * DAY);
  expect(await due()).toEqual(['one 23', 'two 23']);
});
