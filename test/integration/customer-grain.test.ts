// Money by customer (G1, G2), on a real Postgres and a real ClickHouse engine: what the subjects of a customer come to
// together, whose a subject's windows are when it moves, and what holds when it moves while a step of a rater runs.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { AccountAct, AccountContext } from '../../accounts/account-route.ts';
import { catalogsNow } from '../../accounts/catalog-now.ts';
import { subjectRoutes } from '../../accounts/routes/subject-routes.ts';
import { subscriptionRoutes } from '../../accounts/routes/subscription-routes.ts';
import type { Across } from '../../domain/aggregation/aggregation-rules.ts';
import { type Catalog, emptyCatalog, type Meter, type Price } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { Problem } from '../../domain/problem.ts';
import { Random } from '../../domain/random.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { Findings } from '../../rater/audit/watch/findings.ts';
import { PeriodWatch } from '../../rater/audit/watch/period-watch.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop, type StepOutcome } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { aMeter } from '../support/a-meter.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { subscribe } from '../support/subscribe.ts';

const HOUR_MS = 3_600_000;
const tenant = 'acme';
const logger = pino({ level: 'silent' });
const at = (text: string): number => Date.parse(`2026-${text}Z`);

/** Each aggregation with each `across` that it has. */
const joined: readonly (readonly [Meter['aggregation'], Across])[] = [
  ...(['sum', 'count'] as const).map((each) => [each, 'sum'] as const),
  ...(['max', 'min', 'latest'] as const).flatMap((each) => [[each, 'sum'] as const, [each, 'max'] as const]),
  ...([['unique', 'union'] as const, ['unique', 'sum'] as const] as const),
  ['avg', 'pooled'],
];
const slugOf = (aggregation: string, across: string): string => `${aggregation}-${across}`;
const meters: readonly Meter[] = joined.map(([aggregation, across]) =>
  aMeter(slugOf(aggregation, across), {
    ...{ eventType: 'e', aggregation, across, valuePath: aggregation === 'count' ? null : ['value'] },
  }),
);
const perUnit = (meter: string, per: 'customer' | 'subject'): Price => ({
  ...{ slug: `${meter}-${per}`, model: 'per_unit', meter, match: {}, unitAmount: '1' },
  ...(per === 'subject' && { per }),
});
const catalog: Catalog = {
  ...{ ...emptyCatalog, meters, defaultPlan: 'payg' },
  plans: [
    {
      ...{ slug: 'payg', billingPeriod: 'month', calendar: true, timezone: 'UTC' },
      prices: [
        ...meters.flatMap(({ slug }) => [perUnit(slug, 'customer'), perUnit(slug, 'subject')]),
        { slug: 'fee', model: 'flat', flatAmount: '100' },
      ],
    },
    {
      ...{ slug: 'double', calendar: true, timezone: 'UTC' },
      prices: [{ ...perUnit('sum-sum', 'customer'), unitAmount: '2' } as Price],
    },
  ],
};

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouse;
let usage: SealedUsage;

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
}, 300_000);
afterAll(() => stores?.stop());

beforeEach(async () => {
  usage = new SealedUsage(pool, clickhouse);
  await usage.reset();
  await usage.addTenant(tenant);
  await usage.apply(1, catalog);
  for (const id of ['org', 'firm']) {
    await pool.query(
      `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
       VALUES ($1, $2, 0, 1, 'default', 'self', '', now(), now())`,
      [tenant, id],
    );
  }
});

const putSubject = subjectRoutes.find(({ method }) => method === 'PUT')!.act;

const changeOfSubscription = subscriptionRoutes.find(({ path }) => path.endsWith('/change'))!.act;

/** As the stage `manage` does it; resolves to the code of the problem where it is refused. */
async function manage(
  act: AccountAct,
  path: Readonly<Record<string, string>>,
  body: object,
  done: string,
): Promise<string> {
  const context = {
    change: <Result>(work: Parameters<AccountContext['change']>[0]) =>
      inTransaction(pool, (client) =>
        work({ query: (text, values) => client.query(text, values), changed: () => {} }),
      ) as Promise<Result>,
    catalogs: () => catalogsNow()(pool, 'acme'),
  } as unknown as AccountContext;
  const request = {
    ...{ author: { tenant, actor: 'cli:test' }, path, parameters: {} },
    ...{ body, ifMatch: undefined, idempotencyKey: JSON.stringify(body) },
  };
  try {
    await act(context, request);
    return done;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

const assign = (subject: string, customer: string, from: number, rerate = false): Promise<string> =>
  manage(putSubject, { subject }, { customer, from: new Date(from).toISOString(), rerate }, 'assigned');

const step = (store: RatingStore = storedRating(pool, clickhouse)): Promise<StepOutcome> =>
  new RatingLoop({
    ...{ store, metrics: createRaterMetrics(new Registry()), logger, clock: Date.now },
    ...{ allowedLatenessMs: 0, batchCustomersMax: 2 },
  }).step();

async function rateAll(): Promise<void> {
  for (let steps = 0; steps < 10; steps++) if ((await step()) !== 'behind') return;
  throw new Error('the rater is behind again and again');
}

/** What the auditor finds wrong. */
async function discrepancies(): Promise<number> {
  const counts = new Map<string, number>();
  const findings = new Findings(logger, (invariant, count) => counts.set(invariant, count));
  const store = storedRating(pool, clickhouse);
  const watch = new PeriodWatch({ pool, store, findings, pause: async () => {} });
  await watch.round(new TenantVersions([{ version: 1, effectiveAt: 0, catalog }]));
  findings.exportCounts();
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** By customer, price and subject; what comes to 0 is left out. */
async function billed(prices = '%'): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; amount: string }>(
    `SELECT concat_ws(' ', customer, price, nullif(subject, '')) AS name, sum(amount) AS amount
     FROM tallyline.line_items WHERE price LIKE $1 GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1`,
    [prices],
  );
  return Object.fromEntries(rows.map(({ name, amount }) => [name, Decimal.parse(amount).toString()]));
}

const counted = (subject: string, windowStart: number, value: string, meter = 'sum-sum'): UsageRow => ({
  ...{ tenant, meter, subject, windowStart, value, latestEventTime: windowStart },
});

describe('what several subjects come to', () => {
  interface Event {
    readonly subject: string;
    readonly hour: number;
    readonly value: number;
  }
  const start = at('11-10T00:00');

  const UNIT = 10n ** 12n;
  /** November has so many windows of an hour. */
  const hours = Array.from({ length: 30 * 24 }, (_, hour) => at('11-01T00:00') + hour * HOUR_MS);
  /** To the nearest whole number, half to even. */
  const nearest = (n: bigint, d: bigint): bigint => {
    const floor = (n - (((n % d) + d) % d)) / d;
    const twice = 2n * (n - floor * d);
    return twice > d || (twice === d && floor % 2n !== 0n) ? floor + 1n : floor;
  };

  /** Of a level, the part of the month's hours that are the customer's; what is not closed yet goes on (G3). */
  function held(level: bigint, isHeld: (time: number) => boolean, closedUpTo: number): bigint {
    const whole = BigInt(hours.length);
    const is = hours.map((time) => isHeld(Math.min(time, closedUpTo - HOUR_MS)));
    const upTo = (count: number): bigint => (count === hours.length ? level : nearest(level * BigInt(count), whole));
    return is.reduce((sum, each, i) => {
      if (!each) return sum;
      return sum + (is[i + 1] ? 0n : upTo(i + 1)) - (is[i - 1] ? 0n : upTo(i));
    }, 0n);
  }

  /** The slow way: event by event, from the words of G2, G3 and A7. */
  function expectedOf(
    events: readonly Event[],
    ownerAt: (subject: string, time: number) => string,
    closedUpTo: number,
  ) {
    const expected: Record<string, string> = {};
    const shown = (units: bigint): string => new Decimal(units, 12).toString();
    const byCustomer = new Map<string, Event[]>();
    for (const event of events) {
      const owner = ownerAt(event.subject, start + event.hour * HOUR_MS);
      byCustomer.set(owner, [...(byCustomer.get(owner) ?? []), event]);
    }
    const unitsOf = (aggregation: string, some: readonly Event[]): bigint => {
      const sum = some.reduce((total, { value }) => total + value, 0);
      if (aggregation === 'avg') return nearest(BigInt(sum) * UNIT, BigInt(some.length));
      return BigInt(amountOf(aggregation, some)) * UNIT;
    };
    const amountOf = (aggregation: string, some: readonly Event[]): number => {
      const values = some.toSorted((a, b) => a.hour - b.hour).map(({ value }) => value);
      if (aggregation === 'sum') return values.reduce((a, b) => a + b, 0);
      if (aggregation === 'count') return values.length;
      if (aggregation === 'latest') return values.at(-1)!;
      if (aggregation === 'unique') return new Set(values).size;
      return aggregation === 'max' ? Math.max(...values) : Math.min(...values);
    };
    for (const [customer, all] of byCustomer) {
      const subjects = [...new Set(all.map(({ subject }) => subject))];
      const of = (name: string) => all.filter(({ subject }) => subject === name);
      for (const [aggregation, across] of joined) {
        const isLevel = ['max', 'min', 'latest'].includes(aggregation);
        const each = subjects.map((subject) => {
          const value = unitsOf(aggregation, of(subject));
          return isLevel ? held(value, (time) => ownerAt(subject, time) === customer, closedUpTo) : value;
        });
        // biome-ignore lint/complexity/useMathMinMax: Math takes no bigint.
        const together = across === 'sum' ? each.reduce((a, b) => a + b, 0n) : each.reduce((a, b) => (b > a ? b : a));
        const price = slugOf(aggregation, across);
        const pooled = across === 'union' || across === 'pooled' ? unitsOf(aggregation, all) : together;
        if (pooled !== 0n) expected[`${customer} ${price}-customer`] = shown(pooled);
        for (const [i, subject] of subjects.entries()) {
          if (each[i] !== 0n) expected[`${customer} ${price}-subject ${subject}`] = shown(each[i]!);
        }
      }
      expected[`${customer} fee`] = '100';
    }
    return expected;
  }

  it.each([1, 2, 3, 4])(
    'is by the meter’s across, in each step and whoever moves: %d',
    async (seed) => {
      const random = new Random(seed);
      const moves = [
        { subject: 's1', customer: 'org', from: start + random.int(0, 5) * HOUR_MS },
        { subject: 's2', customer: 'org', from: start },
        { subject: 's2', customer: 'firm', from: start + random.int(2, 8) * HOUR_MS },
        { subject: 's3', customer: 'firm', from: start + random.int(0, 10) * HOUR_MS },
      ];
      for (const { subject, customer, from } of moves) expect(await assign(subject, customer, from)).toBe('assigned');
      const ownerAt = (subject: string, time: number): string =>
        moves
          .filter((move) => move.subject === subject && move.from <= time)
          .sort((a, b) => a.from - b.from)
          .at(-1)?.customer ?? subject;
      const events: Event[] = [];
      for (let hour = 0; hour < 9; hour += 3) {
        // One event of a subject in an hour, now and then of an hour that was billed.
        const added: Event[] = [];
        for (const subject of ['s1', 's2', 's3', 'org', 'alone']) {
          for (const each of [hour, hour + 1, hour + 2, hour - 2]) {
            const isTaken = [...events, ...added].some((one) => one.subject === subject && one.hour === each);
            if (each < 0 || isTaken || random.chance(0.4)) continue;
            added.push({ subject, hour: each, value: random.int(-4, 9) });
          }
        }
        events.push(...added);
        const rows = added.flatMap(({ subject, hour: of, value }) =>
          meters.map((meter): UsageRow => {
            const row = counted(
              subject,
              start + of * HOUR_MS,
              meter.aggregation === 'count' ? '1' : String(value),
              meter.slug,
            );
            return meter.aggregation === 'unique' ? { ...row, value: '1', uniqueValues: [String(value)] } : row;
          }),
        );
        await usage.seal({ watermark: start + (hour + 3) * HOUR_MS, rows });
        await rateAll();
        expect(await billed()).toEqual(expectedOf(events, ownerAt, start + (hour + 3) * HOUR_MS));
        expect(await discrepancies()).toBe(0);
      }
    },
    120_000,
  );
});

describe('a subject that moves', () => {
  const [before, after] = [at('11-30T23:00'), at('12-01T00:00')];
  const rows = () =>
    [before - HOUR_MS, before, after, after + HOUR_MS].map((time, i) => counted('s', time, String(10 ** i)));
  const rated = async (from: number): Promise<Record<string, string>> => {
    expect(await assign('s', 'org', from)).toBe('assigned');
    await usage.seal({ watermark: after + 2 * HOUR_MS, rows: rows() });
    await rateAll();
    expect(await discrepancies()).toBe(0);
    return billed('sum-sum-customer');
  };

  it.each([
    // T1: the window that holds the first assignment is that customer's.
    ['within a window', before + 1, { 'org sum-sum-customer': '1110', 's sum-sum-customer': '1' }],
    ['at the start of a window', before, { 'org sum-sum-customer': '1110', 's sum-sum-customer': '1' }],
    ['just before a window', before - 1, { 'org sum-sum-customer': '1111' }],
    ['at the start of a period', after, { 'org sum-sum-customer': '1100', 's sum-sum-customer': '11' }],
    ['just before a period', after - 1, { 'org sum-sum-customer': '1110', 's sum-sum-customer': '1' }],
    ['when all of it is over', after + 2 * HOUR_MS, { 's sum-sum-customer': '1111' }],
  ])('%s', async (_, from, expected) => {
    expect(await rated(from)).toEqual(expected);
  });

  it('again within a window is of who had it at the window’s start (A7)', async () => {
    await assign('s', 'org', before - HOUR_MS);
    expect(await assign('s', 'firm', before + 1)).toBe('assigned');
    await usage.seal({ watermark: after + 2 * HOUR_MS, rows: rows() });
    await rateAll();
    expect(await billed('sum-sum-customer')).toEqual({ 'firm sum-sum-customer': '1100', 'org sum-sum-customer': '11' });
  });

  it('takes with it the fee of a plan that is charged by usage, where it had none before', async () => {
    await assign('s', 'org', before + 1);
    await usage.seal({ watermark: after, rows: [counted('s', before, '1')] });
    await rateAll();
    expect(await billed()).toMatchObject({ 'org fee': '100' });
    expect(await billed()).not.toHaveProperty('s fee');
  });
});

describe('while a step runs', () => {
  const hour = at('11-10T10:00');
  const closed = hour + HOUR_MS;
  const sealHour = () => usage.seal({ watermark: closed, rows: [counted('s', hour, '5'), counted('org', hour, '1')] });
  const asOrg = { 'org sum-sum-customer': '6' };
  const apart = { 'org sum-sum-customer': '1', 's sum-sum-customer': '5' };
  const money = () => billed('sum-sum-customer');

  /** The store, with something that happens once before one of its calls. */
  const hooked = (name: 'readBillingPeriods' | 'readServerRun' | 'announceClosing', once: () => Promise<void>) => {
    const stored = storedRating(pool, clickhouse);
    let isDone = false;
    const call = stored[name] as (...args: never[]) => Promise<unknown>;
    return {
      ...stored,
      [name]: async (...args: never[]) => {
        if (!isDone) {
          isDone = true;
          await once();
        }
        return call(...args);
      },
    } as RatingStore;
  };

  it('a move to before what was rated, that is to be rated again, bills it to the one and takes it from the other', async () => {
    await sealHour();
    expect(await step()).toBe('rated');
    expect(await money()).toEqual(apart);
    expect(await assign('s', 'org', hour)).toBe('already_rated');
    expect(await assign('s', 'org', hour, true)).toBe('assigned');
    // Whoever is due is not held to what it would be charged.
    expect(await discrepancies()).toBe(0);
    await rateAll();
    expect(await money()).toEqual(asOrg);
    expect(await discrepancies()).toBe(0);
  });

  it('a move before what it closes is announced is billed to who has it then', async () => {
    await sealHour();
    const store = hooked('announceClosing', async () => {
      expect(await assign('s', 'org', hour)).toBe('assigned');
    });
    expect(await step(store)).toBe('rated');
    expect(await money()).toEqual(asOrg);
    expect(await discrepancies()).toBe(0);
  });

  it('a move after its work was put together, to an instant that is not closed, changes nothing of it', async () => {
    await sealHour();
    const store = hooked('readBillingPeriods', async () => {
      expect(await assign('s', 'org', hour)).toBe('already_rated');
      expect(await assign('s', 'org', closed)).toBe('assigned');
    });
    expect(await step(store)).toBe('rated');
    expect(await money()).toEqual(apart);
    await usage.seal({ watermark: closed + HOUR_MS, rows: [counted('s', closed, '7')] });
    await rateAll();
    expect(await money()).toEqual({ 'org sum-sum-customer': '8', 's sum-sum-customer': '5' });
    expect(await discrepancies()).toBe(0);
  });

  it('a move that was made before the locks is found under them, and the windows come again', async () => {
    await sealHour();
    const stored = storedRating(pool, clickhouse);
    // As if the step had read who has what before the assignment, and locked after it.
    const store: RatingStore = {
      ...stored,
      readAssignmentsAround: (
        (reads = 0) =>
        async (names) => {
          const found = await stored.readAssignmentsAround(names);
          if (reads++ === 0) {
            await pool.query('UPDATE tallyline.rater_shards SET closing_up_to = NULL');
            expect(await assign('s', 'org', hour)).toBe('assigned');
          }
          return found;
        }
      )(),
    };
    expect(await step(store)).toBe('rated');
    expect(await money()).toEqual(asOrg);
    expect(await discrepancies()).toBe(0);
  });

  it('a change of plan that was made before the locks is found under them, and the customer comes again', async () => {
    await subscribe(pool, { tenant, customer: 'org', plan: 'payg', startsAt: at('11-01T00:00') });
    // Whoever has a subscription is looked at from when on the catalog holds.
    await pool.query('UPDATE tallyline.catalog_versions SET effective_at = $1', [new Date(at('11-01T00:00'))]);
    await sealHour();
    const stored = storedRating(pool, clickhouse);
    let reads = 0;
    // As if the step had read what the customer has before the change, and locked it after.
    const store: RatingStore = {
      ...stored,
      readSubscriptions: async (customers) => {
        const found = await stored.readSubscriptions(customers);
        if (found.length === 0 || reads++ > 0) return found;
        await pool.query('UPDATE tallyline.rater_shards SET closing_up_to = NULL');
        const change = { at: new Date(hour).toISOString(), plan: 'double' };
        expect(await manage(changeOfSubscription, { id: 'org' }, change, 'changed')).toBe('changed');
        return found;
      },
    };
    expect(await step(store)).toBe('rated');
    expect(reads).toBe(2);
    expect(await money()).toEqual({ 'org sum-sum-customer': '2', 's sum-sum-customer': '5' });
    expect(await discrepancies()).toBe(0);
  });

  it('a move waits for the batch that has its customers, and is refused by what that has closed', async () => {
    await sealHour();
    const stored = storedRating(pool, clickhouse);
    const outcomes: Promise<string>[] = [];
    const store: RatingStore = {
      ...stored,
      inRating: (work) =>
        stored.inRating((transaction) =>
          work({
            ...transaction,
            async readWrittenPrices(periods) {
              // Begun while the locks are held, and answered when they are not.
              outcomes.push(assign('s', 'org', hour), assign('s', 'org', closed));
              return transaction.readWrittenPrices(periods);
            },
          }),
        ),
    };
    expect(await step(store)).toBe('rated');
    const told = await Promise.all(outcomes);
    expect(told.filter((_, i) => i % 2 === 0)).toEqual(told.filter((_, i) => i % 2 === 0).map(() => 'already_rated'));
    expect(await money()).toEqual(apart);
    expect(await discrepancies()).toBe(0);
  });

  it('a move of what has no plan is refused as well: its windows were looked at', async () => {
    await pool.query('TRUNCATE tallyline.catalog_versions, tallyline.tenant_catalog_versions');
    await usage.apply(1, { ...catalog, defaultPlan: null });
    await subscribe(pool, { tenant, customer: 'org', plan: 'payg', startsAt: at('11-01T00:00') });
    await sealHour();
    const store = hooked('readBillingPeriods', async () => {
      expect(await assign('s', 'org', hour)).toBe('already_rated');
    });
    expect(await step(store)).toBe('rated');
    expect(await money()).toEqual({ 'org sum-sum-customer': '1' });
  });

  it('two raters and moves at any moment bill each window to one customer', async () => {
    const random = new Random(7);
    const subjects = ['s', 't', 'u'];
    let value = 1;
    for (let n = 0; n < 12; n++) {
      const start = hour + n * HOUR_MS;
      await usage.seal({
        watermark: start + HOUR_MS,
        rows: subjects.map((subject) => counted(subject, start, String(value++))),
      });
      const moving = subjects.map((subject) =>
        assign(subject, random.pick(['org', 'firm', subject]), start + random.int(-1, 1) * HOUR_MS).catch(
          () => 'unknown',
        ),
      );
      await Promise.allSettled([step(), step(), ...moving]);
    }
    await rateAll();
    const total = Object.values(await money()).reduce((sum, amount) => sum + Number(amount), 0);
    expect(total).toBe(((value - 1) * value) / 2);
    expect(await discrepancies()).toBe(0);
  }, 120_000);
});
