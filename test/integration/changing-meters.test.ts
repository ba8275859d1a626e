// Meters that change under their slugs, on real stores, by real owners, up to the bill: another path, filter and type,
// another dimension; and one of which nothing was counted becomes another meter. What usage must come to is worked out
// from what was sent. Their rules are those of docs/inside/meters-in-time.md.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Catalog, emptyCatalog, type Meter, type Price } from '../../domain/catalog/catalog.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { recountedSpans } from '../../domain/sealing/recount-runs.ts';
import { CatalogRefused } from '../../platform/catalog-publishing/apply-catalog.ts';
import { latestCatalog } from '../../platform/catalog-store.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { readRecount, requestRecount } from '../../platform/recount-store/recounts.ts';
import { readGroupPage, readUsedGroups, streamGroupSubjects } from '../../platform/usage-store/group-subjects.ts';
import { readRecountRuns } from '../../platform/usage-store/seals.ts';
import { readUsage, type UsageSelection } from '../../platform/usage-store/usage-query.ts';
import { readTotalsFrom } from '../../platform/usage-store/usage-totals.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { aMeter, by } from '../support/a-meter.ts';
import { type EventToSend, Installation } from '../support/processes/installation.ts';
import { until } from '../support/until.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIRST_DAY = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;

const meter = (slug: string, more: Parameters<typeof aMeter>[1] = {}) =>
  aMeter(slug, { eventType: 'call', dimensions: by('model'), window: '1h', ...more });
const tokens = meter('tokens', { valuePath: ['tokens'] });
const users = meter('users', { aggregation: 'unique', valuePath: ['user'], dimensions: [] });
const peak = meter('peak', { aggregation: 'max', valuePath: ['tokens'] });
// Nothing is ever sent to them.
const unused = meter('unused', { eventType: 'never', aggregation: 'count', valuePath: null });
const charged = meter('charged', { eventType: 'never', valuePath: ['tokens'] });

const priced = (slug: string, of: string, more: object): Price =>
  ({ slug, meter: of, match: {}, model: 'per_unit', unitAmount: '1', ...more }) as Price;
const before: Catalog = {
  ...{ ...emptyCatalog, meters: [tokens, users, peak, unused, charged], defaultPlan: 'payg' },
  plans: [
    {
      ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
      prices: [
        priced('of-m0', 'tokens', { match: { model: 'm0' } }),
        priced('rest', 'tokens', { otherwise: true }),
        priced('of-charged', 'charged', {}),
      ],
    },
  ],
};
const isOk: Meter['where'] = [{ path: ['status'], isNot: false, values: ['ok'] }];
/** `area` comes before `model` by its name, and behind it in the rows. */
const after: Catalog = {
  ...before,
  meters: [
    { ...tokens, valuePath: ['used'], where: isOk, dimensions: by('area', 'model') },
    { ...users, eventType: 'login', dimensions: by('area') },
    { ...peak, dimensions: by('area', 'model', 'zone') },
    unused,
    charged,
  ],
  plans: [
    {
      ...before.plans[0]!,
      prices: [...before.plans[0]!.prices, priced('of-m1-nowhere', 'tokens', { match: { model: 'm1', area: '' } })],
    },
  ],
};

const eventsOf = (name: string, from: number): EventToSend[] =>
  Array.from({ length: 48 }, (_, i) => ({
    ...{
      id: `${name}-${i}`,
      type: i % 6 === 5 ? 'login' : 'call',
      subject: `cus_${i % 3}`,
      time: from + (i % 5) * HOUR + i,
    },
    data: {
      ...{ tokens: i + 1, used: 100 + i, user: `u${i % 7}`, model: `m${i % 2}` },
      ...(i % 4 > 1 && { area: i % 4 === 2 ? 'eu' : 'us' }),
      ...(i % 5 > 0 && { status: i % 5 === 1 ? 'failed' : 'ok' }),
    },
  }));
const OLD = eventsOf('old', FIRST_DAY);
/** In the same windows, and a day later. */
const NEW = [...eventsOf('new', FIRST_DAY), ...eventsOf('newer', FIRST_DAY + DAY)];

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(before);
  await installation.startAggregator();
  await installation.send(OLD);
  await installation.untilSealed();
  await installation.apply(after);
  await installation.send(NEW);
  await installation.untilSealed();
  await installation.rate();
}, 300_000);
afterAll(() => installation?.stop());

const definition = async (slug: string): Promise<Meter> =>
  (await latestCatalog(installation.stores.pool)).catalog.meters.find((each) => each.slug === slug)!;

/** By group; by roll-ups, and by totals where these can say it. */
async function usageOf(slug: string, by: readonly string[], filter: Record<string, string> = {}) {
  const { pool, clickhouse } = installation.stores;
  const of = await definition(slug);
  const dimension = (name: string): number => of.dimensions.findIndex((each) => each.name === name);
  const selection: UsageSelection = {
    ...{ tenant: 'acme', meter: of, recounted: recountedSpans(await readRecountRuns(pool), null) },
    ...{ from: FIRST_DAY, to: FIRST_DAY + 2 * DAY, buckets: [{ start: FIRST_DAY, stepMs: 2 * DAY }] },
    groupBy: by.map(dimension),
    filters: Object.entries(filter).map(([name, value]) => ({ dimension: dimension(name), values: [value] })),
  };
  const read = async (totalsFrom: number | null) => {
    const rows = await readUsage(clickhouse, { ...selection, totalsFrom });
    return Object.fromEntries(rows.map(({ groups, quantity }) => [groups.join('/'), formatQuantity(quantity)]));
  };
  const byRollUps = await read(null);
  expect(await read(await readTotalsFrom(pool))).toEqual(byRollUps);
  return byRollUps;
}

type Data = Readonly<Record<string, unknown>>;
const area = ({ area = '' }: Data) => String(area);

/** What each event says to `tokens`, by the definition of before or after. */
const readOf = (event: EventToSend, isNew: boolean) => {
  const data = event.data as Data;
  const isRead = event.type === 'call' && (!isNew || data.status === 'ok');
  return {
    isRead,
    value: Number(isNew ? data.used : data.tokens),
    model: String(data.model),
    area: isNew ? area(data) : '',
  };
};
type TokensRead = ReturnType<typeof readOf>;

function summed(readings: readonly TokensRead[], keyOf: (reading: TokensRead) => string | null) {
  const sums: Record<string, string> = {};
  for (const reading of readings.filter(({ isRead }) => isRead)) {
    const key = keyOf(reading);
    if (key !== null) sums[key] = String(Number(sums[key] ?? 0) + reading.value);
  }
  return sums;
}
const asCounted = [...OLD.map((event) => readOf(event, false)), ...NEW.map((event) => readOf(event, true))];
const asRecounted = [...OLD, ...NEW].map((event) => readOf(event, true));

const discrepancies = async (): Promise<string[]> => {
  const scope = { from: null, to: null, tenant: null };
  const log = await verify({ ...installation.stores, group: `verify-${process.hrtime.bigint()}` }, scope);
  return log.discrepancies.map(
    ({ invariant, where, expected, found }) => `${invariant} ${where}: ${expected} / ${found}`,
  );
};

const priceOf = ({ model, area }: TokensRead): string =>
  model === 'm0' ? 'of-m0' : area === '' ? 'of-m1-nowhere' : 'rest';

async function billed(): Promise<Record<string, string>> {
  const { rows } = await installation.stores.pool.query<{ price: string; quantity: string }>(
    'SELECT price, sum(quantity)::float8::text AS quantity FROM tallyline.line_items GROUP BY price',
  );
  return Object.fromEntries(rows.map(({ price, quantity }) => [price, quantity]));
}

describe('a meter that reads events otherwise', () => {
  it('counts each event by the definition in force at its place (M1, M2)', async () => {
    expect(await usageOf('tokens', [])).toEqual(summed(asCounted, () => ''));
    const values = (events: readonly EventToSend[], type: string) =>
      events.filter((event) => event.type === type).map(({ data }) => data!.user);
    const seen = new Set([...values(OLD, 'call'), ...values(NEW, 'login')]);
    expect(await usageOf('users', [])).toEqual({ '': String(seen.size) });
    expect(await discrepancies()).toEqual([]);
  });

  it('has "" in older usage of a dimension that was added, wherever it stands by name (M4, M5)', async () => {
    expect((await definition('tokens')).dimensions.map(({ name }) => name)).toEqual(['model', 'area']);
    expect(await usageOf('tokens', ['area'])).toEqual(summed(asCounted, (each) => each.area));
    expect(await usageOf('tokens', ['model', 'area'])).toEqual(
      summed(asCounted, (each) => `${each.model}/${each.area}`),
    );
    // Of one dimension; and of all, which is told by the text of all values.
    for (const wanted of ['', 'eu']) {
      expect(await usageOf('tokens', [], { area: wanted })).toEqual(
        summed(asCounted, (each) => (each.area === wanted ? '' : null)),
      );
      expect(await usageOf('tokens', [], { area: wanted, model: 'm1' })).toEqual(
        summed(asCounted, (each) => (each.area === wanted && each.model === 'm1' ? '' : null)),
      );
    }
  });

  it('is priced by dimensions that older usage has not, and by what others leave (P3)', async () => {
    expect(await billed()).toEqual(summed(asCounted, priceOf));
  });

  it('is one group where an empty value stands at the end or not', async () => {
    const { clickhouse } = installation.stores;
    const range = { tenant: 'acme', from: FIRST_DAY, to: FIRST_DAY + 2 * DAY };
    const expected = ['["m0","eu"]', '["m0"]', '["m1","us"]', '["m1"]'];
    const pages: string[] = [];
    for (let last: string | null = null; ; ) {
      const after = last === null ? null : { meter: 'tokens', groupText: last };
      const page = await readGroupPage(clickhouse, { ...range, meters: ['tokens'], after, groupsMax: 1 });
      if (page.length === 0) break;
      last = page[0]!.groupText;
      pages.push(last);
    }
    expect(pages).toEqual(expected);
    const groups = [{ meter: 'tokens', groupText: '["m1"]' }];
    const subjects: string[] = [];
    for await (const rows of streamGroupSubjects(clickhouse, { ...range, groups }))
      subjects.push(...rows.map(({ subject, groupText }) => `${subject} ${groupText}`));
    expect(subjects).toEqual(['cus_0 ["m1"]', 'cus_1 ["m1"]']);
    const used = await readUsedGroups(clickhouse, {
      ...{ tenants: { tenant: 'acme' }, meters: ['tokens', 'users'], from: FIRST_DAY, groupsMax: 20 },
    });
    const told = used.map(({ meter: of, groupValues }) => `${of} ${JSON.stringify(groupValues)}`).sort();
    expect(told).toEqual([...expected.map((text) => `tokens ${text}`), 'users ["us"]', 'users []'].sort());
  });

  it('counts older events by its new definition once it is recounted', async () => {
    const { pool } = installation.stores;
    const asked = { tenant: '', id: 'all', meter: 'tokens', from: FIRST_DAY, to: null, actor: 'cli:test' };
    await inTransaction(pool, (client) => requestRecount(client, asked));
    await until(async () => (await readRecount(pool, '', 'all'))!.isDone, 'the recount is done', 60_000, 50);
    await installation.rate();
    expect(await usageOf('tokens', ['model', 'area'])).toEqual(
      summed(asRecounted, (each) => `${each.model}/${each.area}`),
    );
    expect(await billed()).toEqual(summed(asRecounted, priceOf));
    expect(await discrepancies()).toEqual([]);
  });
});

describe('a meter that means something else', () => {
  const refusal = async (catalog: Catalog): Promise<string> => {
    const refused = await installation.apply(catalog).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CatalogRefused);
    return (refused as CatalogRefused).errors.join();
  };
  const withMeter = (catalog: Catalog, changed: Meter): Catalog => ({
    ...catalog,
    meters: [...catalog.meters.filter(({ slug }) => slug !== changed.slug), changed],
  });
  const without = (slug: string): Catalog => ({ ...after, meters: after.meters.filter((each) => each.slug !== slug) });
  const changed = meter('unused', {
    eventType: 'call',
    aggregation: 'max',
    valuePath: ['tokens'],
    dimensions: [],
    window: '1d',
  });

  it('is refused where usage was counted by it (M3)', async () => {
    expect(await refusal(withMeter(after, { ...after.meters[2]!, aggregation: 'latest' }))).toBe(
      "meter peak: can't change (aggregation max -> latest): usage was counted by it; give the new meter a slug of its own",
    );
    expect(await refusal(withMeter(after, { ...after.meters[2]!, dimensions: by('model', 'zone') }))).toContain(
      "meter peak: can't change (groupBy area -> none): usage was counted by it",
    );
  });

  it('is refused where prices rest on its windows', async () => {
    expect(await refusal(withMeter(after, { ...charged, window: '1d' }))).toContain(
      "meter charged: can't change (window 1h -> 1d, lineItems 1h -> 1d): prices were made of it",
    );
  });

  it('takes a version without it that every partition has met (M7)', async () => {
    const { pool } = installation.stores;
    expect(await refusal(withMeter(after, changed))).toMatch(
      /nothing was counted by it, but may be .* without it first/,
    );
    await installation.stopAggregator();
    await installation.apply(without('unused'));
    const { version } = await latestCatalog(pool);
    expect(await refusal(withMeter(after, changed))).toContain(`has met version ${version}, which is without it`);
    await installation.startAggregator();
    const isMet = async (): Promise<boolean> => {
      const { rows } = await pool.query('SELECT min(catalog_version) AS met FROM tallyline.partition_progress');
      return rows[0].met >= version;
    };
    await until(isMet, 'every partition has met the version', 60_000, 50);
    await installation.apply(withMeter(after, changed));
    const late = eventsOf('late', FIRST_DAY);
    await installation.send(late);
    await installation.untilSealed();
    const bySubject = groupBy(
      late.filter(({ type }) => type === 'call'),
      ({ subject }) => subject!,
    );
    const largest = [...bySubject.values()].map((of) => Math.max(...of.map(({ data }) => Number(data!.tokens))));
    expect(await usageOf('unused', [])).toEqual({ '': String(largest.reduce((a, b) => a + b)) });
    await installation.rate();
    expect(await discrepancies()).toEqual([]);
  });
});
