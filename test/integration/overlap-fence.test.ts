// Subscriptions and catalogs are held against each other (P3), whichever of the two is committed first: on a real
// Postgres, with one of them in the middle of its transaction.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { readSubscriptionBody } from '../../accounts/core/subscriptions/subscription-body.ts';
import { subscribeCustomers } from '../../accounts/subscribe-customers.ts';
import { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { applyCatalogFile, CatalogConflict } from '../../platform/catalog-publishing/apply-catalog.ts';
import { publishedVersion, tenantVersions } from '../../platform/catalog-store.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../platform/postgres/embedded/embedded.ts';
import { createPool, inTransaction } from '../../platform/postgres/pool.ts';
import { subscribe } from '../support/subscribe.ts';
import { until } from '../support/until.ts';

const logger = pino({ level: 'silent' });
const PAST = '2026-11-20T00:00:00Z';

let directory: string;
let postgres: EmbeddedPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyline-fence-'));
  postgres = await startEmbeddedPostgres(directory, logger);
  pool = createPool(postgres.url, logger);
  await migrate(pool, null, logger);
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** One that takes records, or is away. */
const logThatIs = (state: 'there' | 'away'): EventLog =>
  ({
    topicId: 'memory',
    partitions: 1,
    append: () => (state === 'there' ? Promise.resolve() : Promise.reject(new Error('the log is away'))),
  }) as unknown as EventLog;

const catalogOf = (baseMatch: string): string => `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, groupBy: { model: data.model }, window: 1h }
plans:
  - { slug: base, prices: [{ slug: base, meter: tokens, ${baseMatch}model: per_unit, unitAmount: "1" }] }
  - { slug: add, prices: [{ slug: add, meter: tokens, match: { model: l }, model: per_unit, unitAmount: "1" }] }
`;
const APART = catalogOf('match: { model: s }, ');
const WIDER = catalogOf('');

const apply = (tenant: string, text: string, log = logThatIs('there')) =>
  applyCatalogFile(pool, log, text, 'catalog.yml', { author: { tenant, actor: 'test' } });

/** As the stage `manage` makes one, by what is published. */
async function subscribeTo(tenant: string, plan: string, onMade = async (): Promise<void> => {}) {
  const published = (await tenantVersions(pool)).upTo(await publishedVersion(pool)).of(tenant);
  const catalogs = new RatingCatalog(published);
  const body = readSubscriptionBody({ customer: 'cus_1', plan, startsAt: PAST }, catalogs.newest);
  return inTransaction(pool, async (client) => {
    const wanted = { id: plan, body, changes: [], condition: null };
    const { outcomes } = await subscribeCustomers(client, { tenant, actor: 'test' }, [wanted], catalogs);
    await onMade();
    return outcomes[0]!;
  });
}

/** A customer with a subscription to the base plan, by a catalog in which nothing overlaps. */
async function newTenant(tenant: string): Promise<void> {
  await apply(tenant, APART);
  await subscribe(pool, { tenant, customer: 'cus_1', id: 'base', plan: 'base', startsAt: Date.parse(PAST) });
}

const isSomebodyWaiting = async (): Promise<boolean> => {
  const { rows } = await pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
  return rows.length > 0;
};

describe('P3: usage that a subscription and a catalog would have charged twice', () => {
  it('is charged once where the subscription is committed first: the catalog waits for it, and is refused', async () => {
    await newTenant('first');
    let applied: Promise<unknown> = Promise.resolve();
    const made = await subscribeTo('first', 'add', async () => {
      applied = apply('first', WIDER).catch((error: unknown) => error);
      await until(isSomebodyWaiting, 'the catalog waits');
    });
    expect(made.is).toBe('made');
    const refused = await applied;
    expect(refused).toBeInstanceOf(CatalogConflict);
    expect((refused as CatalogConflict).refusals).toEqual([
      {
        subject: 'customer cus_1 of tenant first',
        reason: expect.stringContaining('would both charge the same usage'),
      },
    ]);
  });

  it('is charged once where the catalog is stored first, also while nobody was told of it', async () => {
    await newTenant('second');
    await expect(apply('second', WIDER, logThatIs('away'))).rejects.toThrow('the log is away');
    const outcome = await subscribeTo('second', 'add');
    expect(outcome).toMatchObject({ is: 'refused', problem: { code: 'overlapping_prices' } });
  });

  it('is charged once where both are under way: one of the two is refused', async () => {
    await newTenant('third');
    const holder = await pool.connect();
    try {
      let applied: Promise<unknown> = Promise.resolve();
      await holder.query('BEGIN');
      await holder.query("SELECT pg_advisory_xact_lock_shared('7812340953')");
      applied = apply('third', WIDER).catch((error: unknown) => error);
      await until(isSomebodyWaiting, 'the catalog waits');
      await holder.query('COMMIT');
      const [refused, made] = await Promise.all([applied, subscribeTo('third', 'add')]);
      // Whichever was first, the other one is refused.
      const isRefused = made.is === 'refused';
      expect(refused instanceof CatalogConflict).toBe(!isRefused);
    } finally {
      holder.release();
    }
  });
});
