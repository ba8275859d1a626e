// An installation whose owners are of two releases: one reads by rule set 1, one knows rule set 3. While events come,
// the one takes over from the other. What was counted before stays right, and says by which rules it was read; and what
// only the later one knows is refused until it has taken over.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { emptyCatalog, type Price } from '../../domain/catalog/catalog.ts';
import { CatalogRefused } from '../../platform/catalog-publishing/apply-catalog.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { aMeter, by } from '../support/a-meter.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { until } from '../support/until.ts';

const DAY = 86_400_000;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;
const meter = (slug: string, more: Parameters<typeof aMeter>[1] = {}) => aMeter(slug, { eventType: 'call', ...more });
const priced = (slug: string): Price => ({ slug, meter: slug, match: {}, model: 'per_unit', unitAmount: '0.01' });
const catalog = {
  ...emptyCatalog,
  meters: [
    meter('tokens', { valuePath: ['n'], dimensions: by('tier') }),
    meter('calls', { aggregation: 'count' }),
    meter('users', { aggregation: 'unique', valuePath: ['user'] }),
  ],
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: ['tokens', 'calls', 'users'].map(priced),
    },
  ],
  defaultPlan: 'payg',
};

/** What a meter of an earlier release would count without its filter. */
const filtered = {
  ...catalog,
  meters: [
    ...catalog.meters,
    meter('less', {
      ...{ valuePath: null, addends: [{ path: ['n'], factor: '0.5' }] },
      where: [{ path: ['tier'], isNot: true, values: ['0.0000001'] }],
    }),
  ],
};

/** Numbers as clients write them; what is sent is JSON.stringify of it. */
const oddities = [
  { n: 1, tier: 1e-7, user: 1e-7 },
  { n: 2, tier: '0.0000001', user: '0.0000001' },
  { n: '1e2', tier: 'a', user: 'u' },
  { n: 0.30000000000000004, tier: 'a', user: 'u' },
  { n: 'many', tier: 'a', user: 'u' },
  { n: 4, tier: ['a'], user: 'u' },
];
const odd = (subject: string): EventToSend[] =>
  oddities.map((data, i) => ({ id: `${subject}-${i}`, subject, time: FIRST_DAY + i, data }));

let installation: Installation;
let refusal: unknown;
const discrepancies = async (): Promise<string[]> => {
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  return log.discrepancies.map(
    ({ invariant, where, expected, found }) => `${invariant} ${where}: ${expected} / ${found}`,
  );
};
const ruleSets = async (): Promise<number[]> => {
  const { rows } = await installation.stores.pool.query<{ next_rule_set: number }>(
    'SELECT DISTINCT ON (partition) next_rule_set FROM tallyline.chunk_seals ORDER BY partition, chunk DESC',
  );
  return rows.map((row) => row.next_rule_set);
};
const usageOf = async (subject: string): Promise<Record<string, string>> => {
  const rows = await installation.stores.clickhouse.query<{ key: string; value: string }>(
    `SELECT concat(meter, ' ', group_values) AS key, toString(sum(value)) AS value FROM usage_rollups FINAL
      WHERE subject = {subject:String} AND meter != 'users' GROUP BY key
      UNION ALL SELECT 'users' AS key, toString(uniqExact(arrayJoin(unique_values))) AS value FROM usage_rollups FINAL
      WHERE subject = {subject:String} AND meter = 'users'`,
    { subject },
  );
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
};

beforeAll(async () => {
  installation = await Installation.start();
  // As a release of before rule sets makes it.
  await installation.stores.pool.query('UPDATE tallyline.topic_generations SET first_rule_set = 1');
  await installation.apply(catalog);
  const old = await installation.startOwner(1);
  await installation.send(odd('before'));
  await installation.untilSealed();

  let isUpgrading = true;
  const load = (async () => {
    for (let i = 0; isUpgrading; i++) {
      const some = Array.from({ length: 5 }, (_, j) => ({
        time: FIRST_DAY + i,
        data: oddities[(i + j) % 6]!,
        id: `during-${i}-${j}`,
      }));
      await installation.send(some.map((event) => ({ ...event, subject: 'during' })));
    }
  })();
  const next = await installation.startOwner(3);
  // One of them may hold all partitions for a while; as long as the old one is there, nobody asks for anything.
  await until(async () => (await ruleSets()).length === 2, 'both partitions are sealed', 180_000, 50);
  refusal = await installation.apply(filtered).catch((error: unknown) => error);
  await old.stop();
  await until(async () => (await ruleSets()).every((number) => number === 3), 'rule set 3 is in force', 180_000, 50);
  isUpgrading = false;
  await load;
  await installation.untilSealed();
  await installation.send(odd('after'));
  await installation.untilSealed();
  await installation.apply(filtered);
  await installation.send(odd('filtered'));
  await installation.untilSealed();
  await installation.rate();
  await next.stop();
}, 300_000);

afterAll(() => installation?.stop());

describe('an installation that went from rule set 1 to 3 under load', () => {
  it('has counted what came before as the earlier release did', async () => {
    // Four of the six are poison: lost for all meters.
    expect(await usageOf('before')).toEqual({
      'calls []': '2',
      'tokens ["1e-7"]': '1',
      'tokens ["0.0000001"]': '2',
      users: '2',
    });
  });

  it('counts what comes after by one text a number, rounds, and counts for the meters that can read it', async () => {
    expect(await usageOf('after')).toEqual({
      'calls []': '6',
      'tokens ["0.0000001"]': '3',
      'tokens ["a"]': '100.3',
      users: '2',
    });
  });

  it('takes a filter once no owner is left that would pass over it', async () => {
    expect(refusal).toBeInstanceOf(CatalogRefused);
    expect(String(refusal)).toContain(
      'meter less: has a filter or arithmetic, which takes rule set 3, and 1 is in force',
    );
    expect(await usageOf('filtered')).toMatchObject({ 'less []': '50.15', 'tokens ["a"]': '100.3' });
  });

  it('agrees with itself, and would not if seals did not say by which rules their chunks were read', async () => {
    const { pool } = installation.stores;
    expect(await discrepancies()).toEqual([]);
    await pool.query('UPDATE tallyline.chunk_seals SET rule_set = 1 WHERE rule_set = 3');
    expect((await discrepancies()).some((line) => line.startsWith('I2'))).toBe(true);
  });
});
