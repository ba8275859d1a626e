// A part whose minmax_*.idx is damaged: ClickHouse loads it, and skips it where a read asks for a range of time.
// Nothing is billed without its rows, and a read that would miss them is told where that can be seen.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Registry } from 'prom-client';
import { mayLackUsage, readUnseenParts } from '../../platform/clickhouse/lost-parts.ts';
import { readFreshness } from '../../query/stores/freshness.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { RatingLoop, type StepOutcome } from '../../rater/rating/rating-loop.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage } from '../support/sealed-usage.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

const HOUR_MS = 3_600_000;
const HOURS = 4;
const LATENESS_MS = 5 * 60_000;
const start = Date.parse('2026-11-10T00:00Z');
/** A Monday. */
const weekStart = Date.parse('2026-11-09T00:00Z');
const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: calls, eventType: e, aggregation: sum, value: data.value, window: 1h }
plans:
  - slug: payg
    calendar: true
    timezone: UTC
    prices:
      - { slug: p, meter: calls, model: per_unit, unitAmount: "1" }
defaultPlan: payg
`,
  'the catalog of the test',
);

let stores: MigratedStores;

beforeAll(async () => {
  // The files of a container are out of reach.
  stores = await startMigratedStores({ withDocker: false });
}, 300_000);
afterAll(() => stores?.stop());
beforeEach(async () => {
  const usage = new SealedUsage(stores.pool, stores.clickhouse);
  await usage.reset();
  await usage.addTenant('acme');
  await usage.apply(1, catalog);
  const rows = Array.from({ length: HOURS }, (_, hour) => ({
    ...{ meter: 'calls', subject: 'cus_1', windowStart: start + hour * HOUR_MS, value: '1' },
  }));
  await usage.seal({ watermark: start + HOURS * HOUR_MS + LATENESS_MS, rows });
});

/** By a rater that has just started. */
async function step(): Promise<StepOutcome> {
  const { pool, clickhouse } = stores;
  return new RatingLoop({
    ...{ store: storedRating(pool, clickhouse), metrics: createRaterMetrics(new Registry()) },
    ...{ logger: pino({ level: 'silent' }), clock: Date.now, allowedLatenessMs: LATENESS_MS },
  }).step();
}

async function billed(): Promise<number> {
  const { rows } = await stores.pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM tallyline.line_items',
  );
  return rows[0]!.count;
}

/** Has the table's only part say that it is of this time, and loads it again, as a start of ClickHouse does. */
async function misplace(from: number, to: number): Promise<void> {
  const { clickhouse } = stores;
  const [part] = await clickhouse.query<{ path: string }>(
    "SELECT path FROM system.parts WHERE active AND database = currentDatabase() AND table = 'usage_rollups'",
  );
  await clickhouse.command('DETACH TABLE usage_rollups SYNC');
  const file = join(part!.path, readdirSync(part!.path).find((name) => name.startsWith('minmax_'))!);
  const span = Buffer.from(readFileSync(file));
  span.writeUInt32LE(from / 1_000, 0);
  span.writeUInt32LE(to / 1_000, 4);
  writeFileSync(file, span);
  await clickhouse.command('ATTACH TABLE usage_rollups');
}

describe('a part that ClickHouse believes to be of another time', () => {
  it.each([
    ['before its week', 1_000, 2_000],
    ['after its week', start + 90 * 24 * HOUR_MS, start + 91 * 24 * HOUR_MS],
    ['within it, but too narrow', start + HOUR_MS, start + 2 * HOUR_MS],
  ])('%s: nothing is billed', async (_, from, to) => {
    expect(await readUnseenParts(stores.clickhouse)).toEqual([]);
    await misplace(from, to);
    expect([await step(), await billed()]).toEqual(['mismatch', 0]);
    const isElsewhere = from < weekStart || to >= weekStart + 7 * 24 * HOUR_MS;
    const { lost } = await readFreshness(stores.pool, stores.clickhouse, { topicId: 'test', partitions: 1 });
    expect(lost.map((part) => mayLackUsage(part, start, start + HOUR_MS))).toEqual(isElsewhere ? [true] : []);
    expect(lost.map((part) => mayLackUsage(part, 0, weekStart))).toEqual(isElsewhere ? [false] : []);
  });

  it('and no more: all is billed', async () => {
    await misplace(start, start + (HOURS - 1) * HOUR_MS);
    expect([await step(), await billed()]).toEqual(['rated', HOURS]);
  });
});
