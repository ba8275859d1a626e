// What each subject cost of line items (G4), over HTTP, on real stores: usage of several subjects that comes in time
// and late, of what adds up, of values that are told apart and of levels. Amounts add up to the items; whose they are
// is worked out from what was sent.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Catalog, emptyCatalog, type Meter, type Price } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { startQuery } from '../../query/main.ts';
import { aMeter } from '../support/a-meter.ts';
import { addCustomer, assignSubject } from '../support/assigned-subjects.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { ask } from '../support/processes/read-api.ts';
import { insertKey } from '../support/usage-rows.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;

const meter = (slug: string, aggregation: Meter['aggregation'], value: string) =>
  aMeter(slug, { eventType: 'call', aggregation, valuePath: [value] });
const price = (slug: string, of: string, more: object): Price =>
  ({ slug, meter: of, match: {}, model: 'per_unit', every: { days: 1 }, ...more }) as Price;
const catalog: Catalog = {
  ...{ ...emptyCatalog, defaultPlan: 'payg' },
  meters: [meter('tokens', 'sum', 'n'), meter('users', 'unique', 'user'), meter('seats', 'max', 'n')],
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: [
        price('tokens', 'tokens', {
          model: 'graduated',
          tiers: [
            { upTo: '7', unitAmount: '0.1', flatAmount: '0' },
            { upTo: null, unitAmount: '0.07', flatAmount: '0' },
          ],
        }),
        price('each', 'tokens', { per: 'subject', unitAmount: '0.01' }),
        price('users', 'users', { unitAmount: '1' }),
        price('seats', 'seats', { unitAmount: '2' }),
        { slug: 'base', model: 'flat', flatAmount: '3', every: { days: 1 } },
      ],
    },
  ],
};

const call = (id: string, subject: string, hour: number, n: number, user: string): EventToSend => ({
  ...{ id, subject, time: FIRST_DAY + hour * HOUR, data: { n, user } },
});

let installation: Installation;
let app: FastifyInstance;
const get = (path: string) => ask(app, path, 'acme');
beforeAll(async () => {
  installation = await Installation.start();
  const { pool } = installation.stores;
  await addCustomer(pool, 'org');
  for (const subject of ['a', 'b', 'c']) await assignSubject(pool, subject, 'org', FIRST_DAY);
  await installation.apply(catalog);
  await installation.startAggregator();
  await installation.send([
    ...[call('1', 'a', 1, 3, 'x'), call('2', 'b', 1, 1, 'x'), call('3', 'c', 1, 2, 'y')],
    ...[call('4', 'a', 2, 5, 'z'), call('5', 'c', 3, 1, 'x'), call('6', 'alone', 2, 4, 'x')],
  ]);
  await installation.untilSealed();
  await installation.rate();
  // Late, of an hour in which others had used something.
  await installation.send([call('7', 'b', 1, 7, 'w'), call('8', 'c', 2, -2, 'z')]);
  await installation.untilSealed();
  await installation.rate();
  await insertKey(pool, 'acme', 'key-acme');
  const logger = pino({ level: 'silent' });
  app = createHttpApp(logger);
  const { clickhouse, eventLog } = installation.stores;
  await startQuery(
    { settings: installation.settings, logger, registry: new Registry(), clock: Date.now },
    {
      ...{ app, pool, clickhouse, eventLog, keyring: createKeyring(pool, Date.now) },
      ...{ stores: { fault: () => null }, isFenced: false },
    },
  );
}, 300_000);
afterAll(async () => {
  await app?.close();
  await installation?.stop();
});

interface Row {
  readonly lineItem: string;
  readonly price: string;
  readonly windowStart: string;
  readonly subject: string | null;
  readonly quantity: string;
  readonly amount: string;
}
interface Item {
  readonly id: string;
  readonly customer: string;
  readonly price: string;
  readonly amount: string;
  readonly kind: string;
}

async function rowsOf(query: string): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor = '';
  do {
    const { body } = await get(`/v1/line-item-subjects?${query}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    rows.push(...body.data);
    cursor = body.nextCursor ?? '';
  } while (cursor !== '');
  return rows;
}
const itemsOf = async (customer: string): Promise<Item[]> =>
  (await get(`/v1/line-items?customer=${customer}`)).body.data;

const hourOf = ({ windowStart }: Row): number => (Date.parse(windowStart) - FIRST_DAY) / HOUR;
const shown = (rows: readonly Row[], of: string): string[] =>
  rows.filter((row) => row.price === of).map((row) => `${hourOf(row)} ${row.subject}: ${row.quantity}, ${row.amount}`);

describe('what each subject cost', () => {
  it('adds up to each line item, also of fees', async () => {
    const rows = await rowsOf('customer=org&limit=1000');
    const items = await itemsOf('org');
    expect(items.some(({ kind }) => kind === 'adjustment')).toBe(true);
    for (const { id, amount } of items) {
      const own = rows.filter((row) => row.lineItem === id);
      expect(own.length).toBeGreaterThan(0);
      const sum = own.reduce((all, row) => all.plus(Decimal.parse(row.amount)), Decimal.zero);
      expect([id, sum.toString()]).toEqual([id, Decimal.parse(amount).toString()]);
    }
    expect(new Set(rows.map(({ lineItem }) => lineItem)).size).toBe(items.length);
    expect(shown(rows, 'base')).toEqual(['0 null: 1, 3']);
  });

  it('is shared by what each used, late usage among those who used it late', async () => {
    const rows = await rowsOf('customer=org');
    expect(shown(rows, 'tokens').sort()).toEqual(
      [
        // 6 units at 0.1; then 5, of which the first is at 0.1; then 1 at 0.07.
        ...['1 a: 3, 0.3', '1 b: 1, 0.1', '1 c: 2, 0.2', '2 a: 5, 0.38', '3 c: 1, 0.07'],
        // Late: 7 more of b, and 2 less of c.
        ...['1 b: 7, 0.49', '2 c: -2, -0.14'],
      ].sort(),
    );
    expect(shown(rows, 'each').filter((row) => row.startsWith('1'))).toEqual(
      expect.arrayContaining(['1 a: 3, 0.03', '1 b: 7, 0.07']),
    );
  });

  it('is shared of values that are told apart, and of levels', async () => {
    const rows = await rowsOf('customer=org');
    // x, y: two values, of which x is both of a and b; w comes late. z is of a and, late, of c.
    expect(shown(rows, 'users').filter((row) => row.startsWith('1 '))).toEqual(
      expect.arrayContaining(['1 a: 1, 0.666666666667', '1 b: 1, 0.666666666666', '1 c: 1, 0.666666666667']),
    );
    expect(shown(rows, 'seats')).toEqual(expect.arrayContaining(['1 a: 3, 6', '1 b: 1, 2', '1 c: 2, 4', '2 a: 2, 4']));
  });

  it('is the customer’s own where it has no other subject', async () => {
    const rows = await rowsOf('customer=alone');
    expect(shown(rows, 'tokens')).toEqual(['2 alone: 4, 0.4']);
  });

  it('comes page by page, of one item, and as CSV, with the same rows', async () => {
    const rows = await rowsOf('customer=org&limit=1000');
    expect(await rowsOf('customer=org&limit=1')).toEqual(rows);
    expect(await rowsOf('customer=org&limit=2')).toEqual(rows);
    const [first] = rows.filter(({ price: of }) => of === 'tokens');
    const ofItem = rows.filter(({ lineItem }) => lineItem === first!.lineItem);
    expect(ofItem.length).toBeGreaterThan(1);
    expect(await rowsOf(`lineItem=${first!.lineItem}&limit=1`)).toEqual(ofItem);
    const headers = { authorization: 'Bearer key-acme', accept: 'text/csv' };
    const csv = await app.inject({ method: 'GET', url: '/v1/line-item-subjects?customer=org', headers });
    const lines = csv.body.trimEnd().split('\r\n');
    expect(lines[0]).toBe('lineItem,customer,price,windowStart,windowEnd,subject,quantity,amount,currency');
    expect(lines).toHaveLength(rows.length + 1);
    expect(lines[1]!.split(',').slice(0, 1)).toEqual([rows[0]!.lineItem]);
  });

  it('is refused without a line item or a customer, and of what there is not', async () => {
    const none = await get('/v1/line-item-subjects');
    expect([none.status, none.body.code]).toEqual([400, 'invalid_parameter']);
    const unknown = await get('/v1/line-item-subjects?lineItem=6f1c1f0a-52c5-5c6e-8a5e-0d4f6f0f3a51');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'not_found']);
    const others = await get(`/v1/line-item-subjects?lineItem=${(await itemsOf('org'))[0]!.id}&customer=alone`);
    expect(others.status).toBe(404);
    const bad = await get('/v1/line-item-subjects?customer=org&cursor=abc');
    expect([bad.status, bad.body.code]).toEqual([400, 'invalid_cursor']);
  });
});
