import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { formatChange } from '../../domain/catalog/catalog-diff.ts';
import { subscribe } from '../../test/support/subscribe.ts';
import {
  catalogVersion,
  catalogVersions,
  latestCatalog,
  publishedCatalog,
  publishedVersion,
  tenantVersions,
  versionsAt,
} from '../catalog-store.ts';
import type { EventLog } from '../event-log/event-log.ts';
import { AvroRegistry, decodeRecord } from '../event-log/record-codec.ts';
import { migrate } from '../migrations/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../postgres/embedded/embedded.ts';
import { createPool } from '../postgres/pool.ts';
import { type Applied, type ApplyOptions, applyCatalogFile, CatalogMoved, CatalogRefused } from './apply-catalog.ts';

const logger = pino({ level: 'silent' });
const NOW = Date.UTC(2026, 10, 20);
const LATER = Date.UTC(2026, 11, 1);

let directory: string;
let postgres: EmbeddedPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyline-catalog-'));
  postgres = await startEmbeddedPostgres(directory, logger);
  pool = createPool(postgres.url, logger);
  await migrate(pool, null, logger);
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  await pool.query('TRUNCATE tallyline.catalog_versions, tallyline.tenant_catalog_versions');
  await closing(null);
  // The store remembers versions by pool, as they never change; here they have just been done away with.
  await pool.end();
  pool = createPool(postgres.url, logger);
});

/** A log of three partitions in memory; `failFrom` makes appends to that partition and above fail. */
class MemoryLog implements EventLog {
  readonly topicId = 'memory';
  readonly partitions = 3;
  readonly versions: number[][] = [[], [], []];
  failFrom = 3;

  async append(partition: number, values: readonly Buffer[]): Promise<void> {
    if (partition >= this.failFrom) throw new Error('the log is away');
    for (const value of values) {
      const entry = decodeRecord(new AvroRegistry(), value);
      if (entry.kind !== 'catalog-change') throw new Error(`unexpected ${entry.kind}`);
      this.versions[partition]!.push(entry.version);
    }
  }
  bounds(): never {
    throw new Error('not used');
  }
  consume(): never {
    throw new Error('not used');
  }
  async close(): Promise<void> {}
}

const text = (unitAmount: string, window = '1h'): string => `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: ${window} }
plans:
  - { slug: p, calendar: true, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "${unitAmount}" } ] }
`;

const apply = (log: EventLog, file: string, effectiveAt = NOW, rerate = false): Promise<Applied> =>
  applyCatalogFile(pool, log, file, 'p.yaml', { effectiveAt, rerate });

/** A rater has announced that it closes windows up to then. */
const closing = (at: number | null): Promise<unknown> =>
  pool.query('UPDATE tallyline.rater_shards SET closing_up_to = $1', [at === null ? null : new Date(at)]);

describe('applying a catalog', () => {
  it('starts from version 0, the empty catalog', async () => {
    expect(await latestCatalog(pool)).toMatchObject({ version: 0, catalog: { meters: [], plans: [] } });
    expect(await publishedCatalog(pool)).toMatchObject({ version: 0 });
    expect(await catalogVersion(pool, 1)).toBeNull();
    expect(await catalogVersions(pool)).toEqual([]);
  });

  it('stores a version, tells every partition and publishes it; the same file again changes nothing', async () => {
    const log = new MemoryLog();
    const first = await apply(log, text('0.1'));
    expect(first).toMatchObject({ version: 1, effectiveAt: NOW, starts: [] });
    expect(first.changes.map(formatChange)).toContain(
      '+ plan p, price a: model per_unit, meter tokens, match {}, per customer, every 1 month, onChange by model, unitAmount 0.1',
    );
    expect(log.versions).toEqual([[1], [1], [1]]);
    expect(await publishedCatalog(pool)).toMatchObject({ version: 1, effectiveAt: NOW });

    // The same in other words.
    expect(await apply(log, `# comment\n${text('0.10')}`)).toEqual({
      version: 1,
      effectiveAt: NOW,
      isNew: false,
      isFirst: false,
      changes: [],
      starts: [],
    });
    expect(log.versions).toEqual([[1], [1], [1]]);

    const second = await apply(log, text('0.2'), LATER);
    expect(second.starts).toEqual([{ subject: 'plan p, price a', start: 'from 2026-12-01T00:00:00Z on' }]);
    expect(second.changes.map(formatChange)).toEqual(['~ plan p, price a: unitAmount 0.1 -> 0.2']);
    expect(log.versions).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    expect((await catalogVersions(pool)).map(({ version, effectiveAt }) => [version, effectiveAt])).toEqual([
      [1, NOW],
      [2, LATER],
    ]);
    expect(await publishedCatalog(pool)).toMatchObject({ version: 2 });
    const { rows } = await pool.query(
      'SELECT source, length(digest) AS digest FROM tallyline.catalog_versions WHERE version = 2',
    );
    expect(rows).toEqual([{ source: text('0.2'), digest: 32 }]);
  });

  it('reads a version back as it was written', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    const stored = (await catalogVersion(pool, 1))!;
    expect(stored.catalog).toEqual({
      currency: 'USD',
      meters: [
        {
          slug: 'tokens',
          eventType: 'llm',
          aggregation: 'sum',
          valuePath: ['n'],
          required: false,
          dimensions: [],
          window: '1h',
        },
      ],
      plans: [
        {
          slug: 'p',
          calendar: true,
          timezone: 'UTC',
          prices: [{ slug: 'a', meter: 'tokens', match: {}, model: 'per_unit', unitAmount: '0.1' }],
        },
      ],
      defaultPlan: null,
    });
    expect(await catalogVersion(pool, 1)).toBe(stored);
  });

  it('refuses a filter and a sum while a partition is read by a rule set that owners without them know', async () => {
    const log = new MemoryLog();
    const calculated = text('0.1').replace('data.n,', 'data.n - data.m, where: { data.status: ok },');
    await pool.query(
      `INSERT INTO tallyline.topic_generations (generation, topic, topic_id, partitions, chunk_offsets, slot_ms,
          horizon_ms, first_rule_set) VALUES (1, 'events', 'memory', 3, 1024, 30000, 1, 2)`,
    );
    await pool.query('INSERT INTO tallyline.partition_progress (generation, partition) VALUES (1, 0), (1, 1), (1, 2)');
    try {
      const refused = await apply(log, calculated).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(CatalogRefused);
      expect((refused as CatalogRefused).errors).toEqual([
        expect.stringMatching(/^meter tokens: has a filter or arithmetic, which takes rule set 3, and 2 is in force/),
      ]);
      expect(await latestCatalog(pool)).toMatchObject({ version: 0 });
      expect(log.versions).toEqual([[], [], []]);
      // What every release knows is applied.
      expect(
        await apply(
          log,
          text('0.1')
            .replace('tokens', 'other')
            .replace('meter: tokens', 'meter: other')
            .replace('slug: a,', 'slug: b,'),
        ),
      ).toMatchObject({
        version: 1,
      });
      await pool.query('UPDATE tallyline.topic_generations SET first_rule_set = 3');
      expect(await apply(log, calculated)).toMatchObject({ version: 2 });
    } finally {
      await pool.query('TRUNCATE tallyline.topic_generations CASCADE');
    }
  });

  it('changes nothing for a catalog that is wrong or refused', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    await expect(apply(log, text('1,5'))).rejects.toThrow(
      'p.yaml:5:97 plans[0].prices[0].unitAmount: must be a decimal string',
    );
    const refused = await apply(log, text('0.1', '1m')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CatalogRefused);
    expect((refused as CatalogRefused).errors).toEqual([
      expect.stringContaining("meter tokens: can't change (window 1h -> 1m, lineItems 1h -> 1m)"),
    ]);
    expect(await latestCatalog(pool)).toMatchObject({ version: 1 });
    expect(log.versions).toEqual([[1], [1], [1]]);
  });

  it('refuses a price whose slug means something else in a subscription that has a price of its own', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    const own = { slug: 'extra', model: 'flat', flatAmount: '5' } as const;
    const patch = { overrides: { extra: own } };
    await subscribe(pool, { tenant: 'acme', customer: 'cus_own', plan: 'p', startsAt: NOW, patch });
    const refused = await apply(log, text('0.1').replace('slug: a,', 'slug: extra,')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CatalogRefused);
    expect((refused as CatalogRefused).errors).toEqual([
      expect.stringMatching(/^plan p, price extra: can't be of meter "tokens": it is a fee in plan of a subscription/),
    ]);
    expect(await latestCatalog(pool)).toMatchObject({ version: 1 });
  });

  it.each([0, 1, 2])('finishes a publication that failed after %s of 3 partitions', async (failFrom) => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    log.failFrom = failFrom;
    await expect(apply(log, text('0.2'))).rejects.toThrow('the log is away');
    // Stored, so that an aggregator that met the control record can load it; not published.
    expect(await latestCatalog(pool)).toMatchObject({ version: 2 });
    expect(await publishedCatalog(pool)).toMatchObject({ version: 1 });
    log.failFrom = 3;
    expect(await apply(log, text('0.2'))).toMatchObject({ version: 2, changes: [] });
    expect(await publishedCatalog(pool)).toMatchObject({ version: 2 });
    for (const versions of log.versions) expect([...new Set(versions)]).toEqual([1, 2]);
  });

  it('publishes what was left open before a newer version', async () => {
    const log = new MemoryLog();
    log.failFrom = 0;
    await expect(apply(log, text('0.1'))).rejects.toThrow('the log is away');
    log.failFrom = 3;
    expect(await apply(log, text('0.2'))).toMatchObject({ version: 2 });
    expect(log.versions).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  it('holds from now on by the clock of Postgres, and never before what was rated', async () => {
    const log = new MemoryLog();
    const nowOfPostgres = async (): Promise<number> =>
      (await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now')).rows[0]!.now.getTime();
    const before = await nowOfPostgres();
    const { effectiveAt } = await applyCatalogFile(pool, log, text('0.1'), 'p.yaml');
    expect(effectiveAt).toBeGreaterThanOrEqual(before);
    expect(effectiveAt).toBeLessThanOrEqual(await nowOfPostgres());
    await closing(effectiveAt + 3_600_000);
    expect(await applyCatalogFile(pool, log, text('0.2'), 'p.yaml')).toMatchObject({
      effectiveAt: effectiveAt + 3_600_000,
    });
  });

  it('is refused an instant after which windows were rated, and says the earliest that works', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    await closing(NOW + 1);
    const refused = await apply(log, text('0.2'), NOW).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CatalogRefused);
    expect((refused as CatalogRefused).errors).toEqual([
      'effective date: usage was rated up to 2026-11-20T00:00:00.001Z, the earliest instant that works without rerate',
    ]);
    expect(await latestCatalog(pool)).toMatchObject({ version: 1 });
    expect(await apply(log, text('0.2'), NOW + 1)).toMatchObject({ version: 2, effectiveAt: NOW + 1 });
    expect(await apply(log, text('0.3'), NOW, true)).toMatchObject({ version: 3, effectiveAt: NOW });
    expect((await latestCatalog(pool)).closedUpTo).toBe(NOW);
  });

  it('is refused where two subscriptions of a customer would charge the same usage by it (P3)', async () => {
    const log = new MemoryLog();
    const plans = (...prices: [plan: string, match: string][]) =>
      `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, groupBy: { model: data.model }, window: 1h }
plans:
${prices
  .map(
    ([plan, match]) =>
      `  - { slug: ${plan}, prices: [{ slug: ${plan}, meter: tokens, ${match}model: per_unit, unitAmount: "1" }] }`,
  )
  .join('\n')}
`;
    await apply(log, plans(['base', 'match: { model: s }, '], ['add', 'match: { model: l }, ']));
    for (const plan of ['base', 'add'])
      await subscribe(pool, { tenant: 'acme', customer: 'cus_1', id: plan, plan, startsAt: NOW - 1 });
    const wider = plans(['base', ''], ['add', 'match: { model: l }, ']);
    const refused = await apply(log, wider).catch((error: unknown) => error);
    expect((refused as CatalogRefused).errors).toEqual([
      expect.stringMatching(
        /^customer cus_1 of tenant acme: from .* on price base of subscription base and price add of subscription add would both charge the same usage$|^customer cus_1 of tenant acme: from .* on price add of subscription add and price base of subscription base would both charge the same usage$/,
      ),
    ]);
    expect(await latestCatalog(pool)).toMatchObject({ version: 1 });
  });

  it('stores what was closed when it was made, and to which periods it applies', async () => {
    const log = new MemoryLog();
    const factsOf = ({ effectiveAt, closedUpTo, appliesTo }: CatalogVersion) => [effectiveAt, closedUpTo, appliesTo];
    await apply(log, text('0.1'));
    await closing(NOW - 7_200_000);
    await apply(log, text('0.2'));
    // A version that is made before its time can't know what will be closed then.
    const far = Date.UTC(2126, 0, 1);
    await applyCatalogFile(pool, log, text('0.3'), 'p.yaml', { effectiveAt: far, appliesTo: 'next' });
    expect((await catalogVersions(pool)).map(factsOf)).toEqual([
      [NOW, 0, 'running'],
      [NOW, NOW - 7_200_000, 'running'],
      [far, far, 'next'],
    ]);
  });

  it('reads a version that an earlier release stored', async () => {
    await pool.query(
      `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest)
       VALUES (1, 'epoch', '{"currency":"USD","meters":[],"plans":[],"subscriptions":[],"defaultPlan":null}', '', '')`,
    );
    const stored = await latestCatalog(pool);
    expect([stored.closedUpTo, stored.appliesTo]).toEqual([undefined, undefined]);
    expect(await apply(new MemoryLog(), 'currency: USD\n', 0)).toMatchObject({ version: 1, changes: [] });
  });

  it('keeps the date of what is there already, and says how it is moved', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    await apply(log, text('0.2'), LATER);
    expect(await apply(log, text('0.2'), LATER)).toMatchObject({ version: 2, changes: [] });
    await expect(apply(log, text('0.2'), NOW + 1000)).rejects.toThrow(
      'effective date: version 2 says the same, effective at 2026-12-01T00:00:00Z; to move what it brings, apply what',
    );
    // What was to come goes with the version that says what holds until then.
    expect((await apply(log, text('0.1'), NOW + 1000)).starts).toEqual([
      { subject: 'plan p, price a', start: 'from 2026-11-20T01:00:00Z on, in place of what version 2 was to bring' },
    ]);
    expect(await apply(log, text('0.2'), NOW + 86_400_000)).toMatchObject({
      version: 4,
      effectiveAt: NOW + 86_400_000,
    });
  });

  it('makes one version where several processes apply the same file at once', async () => {
    const log = new MemoryLog();
    const results = await Promise.all(Array.from({ length: 4 }, () => apply(log, text('0.1'))));
    expect(results.map(({ version }) => version)).toEqual([1, 1, 1, 1]);
    expect(results.filter(({ changes }) => changes.length > 0)).toHaveLength(1);
    expect(log.versions).toEqual([[1], [1], [1]]);
  });
});

describe('a catalog of one tenant', () => {
  const own = (tenant: string, log: EventLog, file: string, options: ApplyOptions = {}): Promise<Applied> => {
    const author = { tenant, actor: 'cli:test' };
    return applyCatalogFile(pool, log, file, 'p.yaml', { effectiveAt: NOW, author, ...options });
  };
  const numbersOf = async (tenant: string): Promise<number[]> =>
    (await tenantVersions(pool)).of(tenant).map(({ version }) => version);
  const changesOf = async (tenant: string) =>
    (
      await pool.query(
        `SELECT version, actor, after->'catalogVersion' AS "catalogVersion" FROM tallyline.account_changes
         WHERE tenant = $1 AND kind = 'catalog' ORDER BY version`,
        [tenant],
      )
    ).rows;

  it('is its own from its first version on, and the default from then on is everybody else’s', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    const first = await own('t1', log, text('0.2'));
    expect(first).toMatchObject({ version: 2, isNew: true });
    expect(first.changes.map(formatChange)).toEqual(['~ plan p, price a: unitAmount 0.1 -> 0.2']);
    await apply(log, text('0.3'));
    expect((await own('t1', log, text('0.4'))).changes.map(formatChange)).toEqual([
      '~ plan p, price a: unitAmount 0.2 -> 0.4',
    ]);
    expect(log.versions).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
    expect([await numbersOf('t1'), await numbersOf('other')]).toEqual([
      [1, 2, 4],
      [1, 3],
    ]);
    expect(await publishedVersion(pool)).toBe(4);
    expect(await publishedCatalog(pool)).toMatchObject({ version: 3 });
    expect((await catalogVersion(pool, 2))!.catalog.plans[0]!.prices[0]).toMatchObject({ unitAmount: '0.2' });
    expect(await changesOf('t1')).toEqual([
      { version: 1, actor: 'cli:test', catalogVersion: 2 },
      { version: 2, actor: 'cli:test', catalogVersion: 4 },
    ]);
  });

  it('is what held at a version, of each tenant the newest not above it', async () => {
    const log = new MemoryLog();
    await own('t2', log, text('0.2'));
    await apply(log, text('0.1'));
    await own('t2', log, text('0.3'));
    await own('t3', log, text('0.1'));
    expect(await Promise.all([1, 2, 3, 4].map((version) => versionsAt(pool, version)))).toEqual([
      { default: 0, own: new Map([['t2', 1]]) },
      { default: 2, own: new Map([['t2', 1]]) },
      { default: 2, own: new Map([['t2', 3]]) },
      {
        default: 2,
        own: new Map([
          ['t2', 3],
          ['t3', 4],
        ]),
      },
    ]);
    expect(await versionsAt(pool, 5)).toBeNull();
  });

  it('may say what the default does: from then on the default changes it no more', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    expect(await own('t4', log, text('0.1'))).toMatchObject({ version: 2, isNew: true, changes: [], starts: [] });
    expect(await own('t4', log, text('0.1'))).toMatchObject({ version: 2, isNew: false });
    await apply(log, text('0.9'));
    expect(await numbersOf('t4')).toEqual([1, 2]);
  });

  it('is refused by what its own history says, and not by that of others', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    await own(
      't5',
      log,
      text('0.1')
        .replace('tokens, eventType', 'own, eventType')
        .replace('meter: tokens', 'meter: own')
        .replace('slug: a', 'slug: b'),
    );
    // The default, and what the tenant had before its own.
    await expect(own('t5', log, text('0.1', '1m'))).rejects.toThrow("meter tokens: can't change");
    // The default knows nothing of what a tenant calls its meter.
    const other = text('0.1')
      .replace('tokens, eventType: llm, aggregation: sum', 'own, eventType: other, aggregation: max')
      .replace('meter: tokens', 'meter: own')
      .replace('slug: a', 'slug: c');
    expect(await apply(log, other)).toMatchObject({ isNew: true });
    await expect(own('t5', log, other)).rejects.toThrow("meter own: can't change");
  });

  it('is held to prices that its own customers have of their own, and the default to those of all who have it', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    const fee = { slug: 'extra', model: 'flat', flatAmount: '5' } as const;
    const patch = { overrides: { extra: fee } };
    for (const tenant of ['t6', 't7']) {
      await subscribe(pool, { tenant, customer: 'cus', plan: 'p', startsAt: NOW, patch });
    }
    const clashing = text('0.1').replace('slug: a,', 'slug: extra,');
    await expect(own('t6', log, clashing)).rejects.toThrow("price extra: can't be of meter");
    await expect(apply(log, clashing)).rejects.toThrow("price extra: can't be of meter");
    expect(await own('t8', log, clashing)).toMatchObject({ isNew: true });
    await pool.query("DELETE FROM tallyline.tenant_catalog_versions WHERE tenant = 't8'");
    for (const tenant of ['acme', 't6', 't7']) await own(tenant, log, text('0.2'));
    expect(await apply(log, clashing)).toMatchObject({ isNew: true });
  });

  it.each([0, 1, 2])(
    'that was left open after %s partitions is finished before anybody’s next one',
    async (failFrom) => {
      const log = new MemoryLog();
      await apply(log, text('0.1'));
      log.failFrom = failFrom;
      await expect(own(`t9_${failFrom}`, log, text('0.2'))).rejects.toThrow('the log is away');
      // Nobody acts on it, and nobody passes over it.
      expect(await publishedVersion(pool)).toBe(1);
      await expect(apply(log, text('0.3'))).rejects.toThrow('the log is away');
      expect((await catalogVersions(pool)).map(({ version }) => version)).toEqual([1]);
      log.failFrom = 3;
      expect(await apply(log, text('0.3'))).toMatchObject({ version: 3 });
      for (const versions of log.versions) expect([...new Set(versions)]).toEqual([1, 2, 3]);
      expect(await own(`t9_${failFrom}`, log, text('0.2'))).toMatchObject({ version: 2, isNew: false });
      expect(await publishedVersion(pool)).toBe(3);
    },
  );

  it('is made only where it follows what its maker has seen', async () => {
    const log = new MemoryLog();
    await apply(log, text('0.1'));
    const moved = async (options: ApplyOptions): Promise<unknown> =>
      own('t10', log, text('0.5'), options).catch((error: unknown) => error);
    expect(await moved({ follows: 9 })).toEqual(new CatalogMoved(1));
    expect(await own('t10', log, text('0.2'), { follows: 1 })).toMatchObject({ version: 2 });
    expect(await moved({ follows: 'none' })).toEqual(new CatalogMoved(2));
    expect(await moved({ follows: 1 })).toEqual(new CatalogMoved(2));
    // What is there already is never refused.
    expect(await own('t10', log, text('0.2'), { follows: 'none' })).toMatchObject({ version: 2, isNew: false });
    expect(await own('t10', log, text('0.2'), { follows: 1 })).toMatchObject({ version: 2, isNew: false });
    expect(await own('t10', log, text('0.3'), { follows: 2 })).toMatchObject({ version: 3 });
    expect(await own('t10', log, text('0.4'), { follows: 'any' })).toMatchObject({ version: 4 });
    expect(await own('t11', log, text('0.4'), { follows: 'none' })).toMatchObject({ version: 5 });
  });

  it('has a number that nothing else has, whoever publishes at once', async () => {
    const log = new MemoryLog();
    const tenants = ['t12', 't13', 't14', null];
    const applied = await Promise.all(
      tenants.map((tenant) => (tenant === null ? apply(log, text('0.1')) : own(tenant, log, text('0.1')))),
    );
    expect(applied.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4]);
    for (const versions of log.versions) expect(versions).toEqual([1, 2, 3, 4]);
  });

  it('keeps a release that does not know it from taking its number', async () => {
    await own('t15', new MemoryLog(), text('0.1'));
    await expect(
      pool.query(
        `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest)
         VALUES (1, now(), '{}', '', '')`,
      ),
    ).rejects.toThrow('catalog version 1 is not above all others');
  });

  it('waits for another publisher no longer than it is told to', async () => {
    const holder = await pool.connect();
    try {
      await holder.query("SELECT pg_advisory_lock('7812340952')");
      await expect(own('t16', new MemoryLog(), text('0.1'), { lockTimeoutMs: 20 })).rejects.toMatchObject({
        code: '55P03',
      });
    } finally {
      await holder.query("SELECT pg_advisory_unlock('7812340952')");
      holder.release();
    }
    expect(await own('t16', new MemoryLog(), text('0.1'), { lockTimeoutMs: 10_000 })).toMatchObject({ version: 1 });
  });
});
