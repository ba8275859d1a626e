// Several raters on a real Postgres and a real ClickHouse engine: who holds which shards, that nobody who was taken
// over writes anything, and that what is billed is what one rater bills.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { HeldShard } from '../../domain/accounts/shard.ts';
import { SHARDS, shardOf } from '../../domain/accounts/shard.ts';
import { readProgress, readProgressOf } from '../../platform/billing-store/rater-progress.ts';
import { shardsOf } from '../../platform/billing-store/rater-shards.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { HeldShards } from '../../rater/rating/held-shards.ts';
import { RatingLoop, type StepOutcome } from '../../rater/rating/rating-loop.ts';
import type { RatingStore } from '../../rater/store/rating-store.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { migrateUpTo } from '../support/earlier-schema.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { startTestPostgres } from '../support/processes/postgres.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';

const HOUR_MS = 3_600_000;
const LEASE_MS = 600_000;
const START = Date.parse('2026-11-10T00:00:00Z');
const logger = pino({ level: 'silent' });
const tenant = 'acme';

const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: units, eventType: e, aggregation: sum, value: data.value, window: 1h }
plans:
  - slug: payg
    calendar: true
    timezone: UTC
    prices:
      - { slug: units, meter: units, model: graduated, tiers: [{ upTo: "3", unitAmount: "0.07" }, { upTo: null, unitAmount: "0.013" }] }
  - slug: pro
    afterEnd: none
    calendar: true
    timezone: UTC
    prices:
      - { slug: fee, model: flat, flatAmount: "10" }
      - { slug: units, meter: units, model: per_unit, unitAmount: "0.003" }
defaultPlan: payg
`,
  'the catalog of the test',
);

let stores: MigratedStores;
let pool: pg.Pool;
let clickhouse: ClickHouse;
let usage: SealedUsage;
let store: RatingStore;

beforeAll(async () => {
  stores = await startMigratedStores();
  ({ pool, clickhouse } = stores);
  store = storedRating(pool, clickhouse);
}, 300_000);
afterAll(() => stores?.stop());

/** As if the time of its lease had passed. */
const leaseEnds = (rater: string) =>
  pool.query("UPDATE tallyline.raters SET leased_until = now() - interval '1 second' WHERE name = $1", [rater]);

const heldBy = async (rater: string): Promise<HeldShard[]> => shardsOf((await store.readShards(rater)).own);

/** Takes its share, with a lease. */
async function hold(rater: string): Promise<readonly HeldShard[]> {
  await store.prolongLease(rater, LEASE_MS);
  await new HeldShards(store, rater, createRaterMetrics(new Registry())).hold();
  return heldBy(rater);
}

describe('a shard', () => {
  beforeEach(async () => {
    usage = new SealedUsage(pool, clickhouse);
    await usage.reset();
  });

  it('is told by Postgres as by Node, whatever the names', async () => {
    const names = fc
      .string({ unit: 'binary', maxLength: 12 })
      .filter((name) => !name.includes('\0') && name.isWellFormed());
    const plain = fc.string({ unit: 'grapheme-ascii' });
    const escaped = fc.string({
      unit: fc.constantFrom('"', '\\', '/', '\n', '\t', '\b', '\u001f', '\u007f', '\u2028', '<'),
    });
    const any = fc.oneof(names, plain, escaped);
    const pairs = fc.sample(fc.tuple(any, any), 3_000);
    const { rows } = await pool.query<{ shard: number }>(
      `SELECT tallyline.shard_of(one, other) AS shard
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (one, other, place) ORDER BY place`,
      [pairs.map(([one]) => one), pairs.map(([, other]) => other)],
    );
    expect(rows.map(({ shard }) => shard)).toEqual(pairs.map(([one, other]) => shardOf(one, other)));
  });

  it('is shared out among raters, and taken from one whose lease is over', async () => {
    expect(await hold('a')).toHaveLength(SHARDS);
    expect(await hold('b')).toEqual([]);
    expect(await hold('a')).toHaveLength(32);
    const first = await hold('b');
    expect(first).toHaveLength(32);
    await leaseEnds('a');
    const all = await hold('b');
    expect(all).toHaveLength(SHARDS);
    // Each of them was held by a or by nobody before, and what b had it has by the same epoch.
    expect(
      all.filter(({ shard, epoch }) => first.some((each) => each.shard === shard && each.epoch === epoch)),
    ).toEqual(first);
    expect(await heldBy('a')).toEqual([]);
  });

  it('is not taken from a rater whose lease lasts, nor by an epoch that was', async () => {
    const held = await hold('a');
    await store.takeShards('b', held);
    expect(await heldBy('a')).toEqual(held);
    await store.endLease('a');
    await store.takeShards(
      'b',
      held.map(({ shard, epoch }) => ({ shard, epoch: epoch - 1 })),
    );
    expect(await heldBy('b')).toEqual([]);
    await store.takeShards('b', held);
    expect(await heldBy('b')).toEqual(held.map(({ shard, epoch }) => ({ shard, epoch: epoch + 1 })));
  });

  it('is not taken while a transaction has it locked', async () => {
    const held = await hold('a');
    const [first, ...others] = held;
    await store.inRating(async (transaction) => {
      await transaction.lockShards([first!]);
      expect(await transaction.areHeld([first!])).toBe(true);
      await leaseEnds('a');
      expect(await hold('b')).toHaveLength(SHARDS - 1);
      expect(await heldBy('a')).toEqual([first]);
      expect(await transaction.areHeld(others)).toBe(false);
    });
    expect(await hold('b')).toHaveLength(SHARDS);
  });

  it('is changed by nobody who was taken over', async () => {
    const held = await hold('a');
    const { progress } = (await store.readShards('a')).own[0]!;
    const to = { sealVector: { 1: { 0: 1 } }, watermark: START, closedUpTo: START, catalogVersion: 1 };
    await leaseEnds('a');
    await hold('b');
    expect(await store.announceClosing(held, START)).toBe(false);
    expect(await store.advanceProgress({ shards: held, progress }, to)).toEqual([]);
    await store.giveBackShards('a', held);
    expect(await heldBy('b')).toHaveLength(SHARDS);
    const { rows } = await pool.query('SELECT DISTINCT closing_up_to, watermark FROM tallyline.rater_shards');
    expect(rows).toEqual([{ closing_up_to: null, watermark: null }]);
    expect(await store.inRating((transaction) => transaction.areHeld(held))).toBe(false);
  });

  it('is moved by no statement that arrives late', async () => {
    const shards = await hold('a');
    const from = await readProgress(pool);
    const [one, two] = [START, START + HOUR_MS].map((watermark) => ({ ...from, watermark, closedUpTo: watermark }));
    expect(await store.advanceProgress({ shards, progress: from }, one!)).toHaveLength(SHARDS);
    expect(await store.advanceProgress({ shards: shards.slice(1), progress: one! }, two!)).toHaveLength(SHARDS - 1);
    expect(await store.advanceProgress({ shards, progress: from }, one!)).toEqual([]);
    expect(await readProgress(pool)).toEqual(one);
    const customer = ['a', 'b', 'c'].find((name) => shardOf(tenant, name) !== shards[0]!.shard)!;
    expect(await readProgressOf(pool, [{ tenant, customer }])).toEqual(two);
  });
});

/** Customers that are their own subjects, some with a subscription, and some with subjects of other names. */
const customers = Array.from({ length: 40 }, (_, i) => `cus_${i}`);
const subjects = [...customers, ...Array.from({ length: 20 }, (_, i) => `device_${i}`)];

async function install(): Promise<void> {
  usage = new SealedUsage(pool, clickhouse);
  await usage.reset();
  await usage.addTenant(tenant);
  await usage.apply(1, catalog);
  const startsAt = Date.parse('2026-11-01T00:00:00Z');
  for (const customer of customers.slice(0, 6)) await subscribe(pool, { tenant, customer, plan: 'pro', startsAt });
  await pool.query(
    `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
     SELECT 'acme', 'cus_' || i, 0, 1, 'default', 'self', '', now(), now() FROM generate_series(0, 7) AS i
     ON CONFLICT DO NOTHING`,
  );
  await pool.query(
    `INSERT INTO tallyline.assigned_subjects (tenant, subject, version, created_at, updated_at)
     SELECT 'acme', 'device_' || i, 1, now(), now() FROM generate_series(0, 19) AS i`,
  );
  await pool.query(
    `INSERT INTO tallyline.subject_assignments (tenant, subject, starts_at, customer)
     SELECT 'acme', 'device_' || i, '2026-11-01', 'cus_' || i % 8 FROM generate_series(0, 19) AS i`,
  );
}

/** An hour of all subjects, and some usage of the hour before that comes late. */
async function sealHour(hour: number): Promise<void> {
  const row = (subject: string, i: number, at: number): UsageRow => ({
    ...{ meter: 'units', subject, windowStart: START + at * HOUR_MS },
    value: `${((i * 7 + at) % 11) + 0.125}`,
  });
  const late =
    hour === 0 ? [] : subjects.filter((_, i) => i % 9 === hour).map((subject, i) => row(subject, i, hour - 1));
  await usage.seal({
    watermark: START + (hour + 1) * HOUR_MS,
    rows: [...subjects.map((subject, i) => row(subject, i, hour)), ...late],
  });
}

/** Each line item, to the digit; of late usage it depends on the steps what is an adjustment. */
async function bills(): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ name: string; said: string }>(
    `SELECT customer || ' ' || price || ' ' || window_start AS name, trim_scale(sum(quantity)) || ' for ' || trim_scale(sum(amount)) AS said
     FROM tallyline.line_items GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, said }) => [name, said]));
}

interface LoopOptions {
  readonly store?: RatingStore;
  readonly stepWindowsMax?: number;
  readonly clock?: () => number;
}

const loopOf = (rater: string, options: LoopOptions = {}): RatingLoop =>
  new RatingLoop({
    ...{ store, rater, metrics: createRaterMetrics(new Registry()), logger, clock: Date.now, allowedLatenessMs: 0 },
    ...{ batchCustomersMax: 2, ...options },
  });

async function rateAll(loops: readonly RatingLoop[]): Promise<void> {
  for (;;) {
    const outcomes = await Promise.all(loops.map((loop) => loop.step()));
    if (outcomes.every((outcome) => outcome === 'idle')) return;
  }
}

describe('several raters', () => {
  let expected: Record<string, string>;
  const HOURS = 4;
  beforeAll(async () => {
    await install();
    const loop = loopOf('alone');
    for (let hour = 0; hour < HOURS; hour++) {
      await sealHour(hour);
      await rateAll([loop]);
    }
    expected = await bills();
    // Each customer has an item an hour, and six have a fee.
    expect(Object.keys(expected)).toHaveLength(customers.length * HOURS + 6);
  }, 300_000);
  beforeEach(install);

  it('bill what one does', async () => {
    const names = ['a', 'b', 'c'];
    for (const name of names) await store.prolongLease(name, LEASE_MS);
    const loops = names.map((name) => loopOf(name));
    for (let hour = 0; hour < HOURS; hour++) {
      await sealHour(hour);
      await rateAll(loops);
    }
    expect(await bills()).toEqual(expected);
    const held = await Promise.all(names.map(heldBy));
    expect(held.map(({ length }) => length).sort()).toEqual([20, 22, 22]);
  });

  it('bill what one does where a step holds but a few windows in memory', async () => {
    const loops = ['a', 'b'].map((name) => loopOf(name, { stepWindowsMax: 7 }));
    for (const name of ['a', 'b']) await store.prolongLease(name, LEASE_MS);
    for (let hour = 0; hour < HOURS; hour++) await sealHour(hour);
    await rateAll(loops);
    expect(await bills()).toEqual(expected);
  });

  it('bill what one does where steps take so long that each ends after some of its shards', async () => {
    let now = START;
    const clock = (): number => {
      now += 20_000;
      return now;
    };
    const [slow, other] = ['slow', 'other'].map((name) => loopOf(name, { stepWindowsMax: 7, clock }));
    await store.prolongLease('slow', LEASE_MS);
    for (let hour = 0; hour < HOURS; hour++) await sealHour(hour);
    expect(await slow!.step()).toBe('unfinished');
    // What it has rated is told, and what it has not is behind.
    const { own } = await store.readShards('slow');
    expect(own.map(({ progress }) => progress.closedUpTo).sort()).toEqual([START + HOURS * HOUR_MS, null]);
    // Whoever comes need not wait until all is rated.
    await store.prolongLease('other', LEASE_MS);
    expect(await slow!.step()).toBe('unfinished');
    expect(await heldBy('slow')).toHaveLength(SHARDS / 2);
    await rateAll([slow!, other!]);
    expect(await heldBy('other')).toHaveLength(SHARDS / 2);
    expect(await bills()).toEqual(expected);
  });

  it('bill what one does where one of them dies and one stands still for longer than its lease', async () => {
    const names = ['dies', 'stands', 'goes on'];
    for (const name of names) await store.prolongLease(name, LEASE_MS);
    await sealHour(0);
    await rateAll(names.map((name) => loopOf(name)));
    for (let hour = 1; hour < HOURS; hour++) await sealHour(hour);

    let batches = 0;
    const dying = loopOf('dies', {
      store: {
        ...store,
        inRating: (work) => (++batches > 2 ? Promise.reject(new Error('the rater is gone')) : store.inRating(work)),
      },
    });
    await expect(dying.step()).rejects.toThrow('the rater is gone');
    await leaseEnds('dies');

    // After it has read what is stored, and before the transaction that writes.
    let goOn = (): void => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let standing = (): void => {};
    const stands = new Promise<void>((resolve) => {
      standing = resolve;
    });
    const paused = loopOf('stands', {
      store: {
        ...store,
        readBillingPeriods: async (wanted) => {
          const read = await store.readBillingPeriods(wanted);
          standing();
          await gate;
          return read;
        },
      },
    });
    const outcome: Promise<StepOutcome> = paused.step();
    await stands;
    await leaseEnds('stands');
    await rateAll([loopOf('goes on')]);
    expect(await heldBy('goes on')).toHaveLength(SHARDS);
    const rated = await bills();
    goOn();
    expect(await outcome).toBe('behind');
    expect(await bills()).toEqual(rated);
    expect(rated).toEqual(expected);
  });
});

describe('a rater whose shards are not equally far', () => {
  beforeEach(install);

  const farOf = (vector: Readonly<Record<string, number>>, shards: string) =>
    pool.query(`UPDATE tallyline.rater_shards SET seal_vector = $1 WHERE ${shards}`, [JSON.stringify({ 1: vector })]);

  it('brings all of them to the same seals in one step', async () => {
    await sealHour(0);
    await rateAll([loopOf('a')]);
    // Some were taken from a rater that had not come as far.
    await pool.query(
      `UPDATE tallyline.rater_shards SET seal_vector = '{}', watermark = NULL, closed_up_to = NULL WHERE shard % 3 = 0`,
    );
    for (const hour of [1, 2, 3]) await sealHour(hour);
    expect(await loopOf('b').step()).toBe('rated');
    expect((await pool.query('SELECT DISTINCT seal_vector, watermark FROM tallyline.rater_shards')).rows).toHaveLength(
      1,
    );
    expect(Object.keys(await bills())).toHaveLength(customers.length * 4 + 6);
  });

  it('waits while fewer chunks are sealed than one of them was rated by, and moves none back', async () => {
    await sealHour(0);
    const loop = loopOf('a');
    await rateAll([loop]);
    await farOf({ 0: 2 }, 'shard = 9');
    expect(await loop.step()).toBe('mismatch');
    await farOf({ 0: 1 }, 'shard = 9');
    expect(await loop.step()).toBe('idle');
  });
});

describe('a batch', () => {
  beforeEach(install);

  /** A rater that waits where the hook says, with the shards taken from it or not. */
  async function standing(
    hook: (store: RatingStore, wait: () => Promise<void>) => RatingStore,
    meanwhile: () => Promise<void>,
  ) {
    await store.prolongLease('stands', LEASE_MS);
    await sealHour(0);
    let [goOn, stands] = [(): void => {}, (): void => {}];
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const isStanding = new Promise<void>((resolve) => {
      stands = resolve;
    });
    const wait = async (): Promise<void> => {
      stands();
      await gate;
    };
    const outcome = loopOf('stands', { store: hook(store, wait) }).step();
    await isStanding;
    await leaseEnds('stands');
    await meanwhile();
    goOn();
    return outcome;
  }

  it('is not written by whoever was taken over, though nobody else has rated', async () => {
    const beforeTransaction = (of: RatingStore, wait: () => Promise<void>): RatingStore => ({
      ...of,
      inRating: async (work) => {
        await wait();
        return of.inRating(work);
      },
    });
    const outcome = await standing(beforeTransaction, async () => {
      expect(await hold('takes')).toHaveLength(SHARDS);
    });
    expect(outcome).toBe('behind');
    expect(await bills()).toEqual({});
  });

  it('keeps its shards until it is written', async () => {
    const inTransaction = (of: RatingStore, wait: () => Promise<void>): RatingStore => ({
      ...of,
      inRating: (work) =>
        of.inRating((transaction) =>
          work({
            ...transaction,
            lockBillingPeriods: async (locked) => {
              await wait();
              return transaction.lockBillingPeriods(locked);
            },
          }),
        ),
    });
    const outcome = await standing(inTransaction, async () => {
      expect(await hold('takes')).toEqual([]);
    });
    expect(outcome).toBe('rated');
    expect(await hold('takes')).toHaveLength(SHARDS);
  });
});

describe('an installation of the release before', () => {
  it('has shards that are as far as all were, and tells stages of that release what they read', async () => {
    const postgres = await startTestPostgres();
    const before = createPool(postgres.url, logger);
    try {
      await migrateUpTo(before, '0021_rater_shards.sql');
      const vector = { 1: { 0: 17, 1: [16, 3] } };
      await before.query(
        `UPDATE tallyline.rater_progress SET seal_vector = $1, watermark = '2026-11-10T10:00Z', catalog_version = 3,
           closed_up_to = '2026-11-10T09:00Z', closing_up_to = '2026-11-10T10:00Z'`,
        [JSON.stringify(vector)],
      );
      await migrate(before, null, logger);
      const read = `SELECT seal_vector, watermark, closed_up_to, catalog_version FROM tallyline.rater_progress`;
      const was = { seal_vector: vector, watermark: new Date('2026-11-10T10:00Z'), catalog_version: 3 };
      expect((await before.query(read)).rows).toEqual([{ ...was, closed_up_to: new Date('2026-11-10T09:00Z') }]);
      const { rows } = await before.query('SELECT * FROM tallyline.rater_shards ORDER BY shard');
      expect(rows).toEqual(
        Array.from({ length: SHARDS }, (_, shard) => ({
          ...{ shard, owner: null, epoch: '0', ...was },
          ...{ closed_up_to: new Date('2026-11-10T09:00Z'), closing_up_to: new Date('2026-11-10T10:00Z') },
        })),
      );
      // One shard goes ahead: what is rated is the least of them, and what is closed the most.
      await before.query(
        `UPDATE tallyline.rater_shards SET seal_vector = '{"1": {"0": 18, "1": [16, 3]}}', watermark = '2026-11-10T11:00Z',
           closed_up_to = '2026-11-10T11:00Z' WHERE shard = 5`,
      );
      expect((await before.query(read)).rows).toEqual([{ ...was, closed_up_to: new Date('2026-11-10T09:00Z') }]);
      const closing = 'SELECT greatest(closed_up_to, closing_up_to) AS closing FROM tallyline.rater_progress';
      expect((await before.query(closing)).rows).toEqual([{ closing: new Date('2026-11-10T11:00Z') }]);
      // A rater of that release ends here, and it is no error that passes by itself.
      await expect(
        before.query("UPDATE tallyline.rater_progress SET closing_up_to = '2026-11-10T12:00Z'"),
      ).rejects.toMatchObject({ code: '55000' });
    } finally {
      await before.end();
      await postgres.stop();
    }
  }, 300_000);
});
