// Usage reads and seal checks on a real Postgres and a real ClickHouse engine.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { meanOf } from '../../domain/aggregation/period-value.ts';
import type { Aggregation, Meter } from '../../domain/catalog/catalog.ts';
import { formatQuantity, QUANTITY_ONE } from '../../domain/number/quantity.ts';
import type { MeterSpans } from '../../domain/rating/meter-spans.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { type RatedUsageSelection, readFirstSeen, readRatedUsage } from '../../platform/usage-store/rated-usage.ts';
import {
  readGroupsInUse,
  readSetsWithUsage,
  spansByStatement,
  streamWindows,
} from '../../platform/usage-store/rollup-windows.ts';
import { mismatchesOf, readSealedChunks } from '../../platform/usage-store/sealed-chunks.ts';
import { readChunkSeals, readChunksSince, readSeals } from '../../platform/usage-store/seals.ts';
import type { SubjectSets } from '../../platform/usage-store/subject-sets.ts';
import type { GroupValue, TakenGroups } from '../../platform/usage-store/taken-groups.ts';
import { readUsage, type UsageSelection } from '../../platform/usage-store/usage-query.ts';
import { aMeter, by } from '../support/a-meter.ts';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';
import { SealedUsage, type UsageRow } from '../support/sealed-usage.ts';

const HOUR_MS = 3_600_000;
const at = (text: string): number => Date.parse(`2026-${text}Z`);
const tokens: Meter = aMeter('tokens', { eventType: 'e', valuePath: ['value'], dimensions: by('model', 'region') });

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
  usage = new SealedUsage(pool, clickhouse, 2);
  await usage.reset();
});

const row = (windowStart: number, value: string, model = 'large', region = 'eu') => ({
  meter: 'tokens',
  subject: 'cus_1',
  windowStart,
  value,
  groupValues: [model, region],
});

async function read(more: Partial<UsageSelection>): Promise<string[]> {
  const rows = await readUsage(clickhouse, {
    tenant: 'acme',
    meter: tokens,
    from: at('11-01T00:00'),
    to: at('12-01T00:00'),
    buckets: 'window',
    recounted: [],
    ...more,
  });
  return rows.map(({ bucketStart, subject, groups, quantity }) =>
    [
      new Date(bucketStart).toISOString().slice(5, 16),
      ...(subject === null ? [] : [subject]),
      ...groups,
      formatQuantity(quantity),
    ].join(' '),
  );
}

/** At all times: what has these values. */
const taking = (...match: GroupValue[]): TakenGroups[] => [
  { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, match, leftOut: [] },
];

/** By tenant, subject and time. */
async function readRated(more: Partial<RatedUsageSelection>): Promise<string[]> {
  const rows = await readRatedUsage(clickhouse, {
    subjects: [{ tenant: 'acme', subject: 'cus_1' }],
    ...{ meter: tokens, from: at('11-01T00:00'), to: at('12-01T00:00'), buckets: 'window', taken: taking() },
    sealed: await readSeals(pool),
    ...more,
  });
  return rows
    .map(
      ({ tenant, subject, bucketStart, quantity }) =>
        `${tenant} ${subject} ${new Date(bucketStart).toISOString().slice(5, 16)} ${formatQuantity(quantity)}`,
    )
    .toSorted();
}

describe('readUsage', () => {
  it('merges partitions and chunks, groups by position, filters and buckets', async () => {
    await usage.seal({
      watermark: at('11-10T12:00'),
      rows: [row(at('11-10T10:00'), '1'), row(at('11-10T11:00'), '2')],
    });
    await usage.seal({ watermark: at('11-10T12:01'), rows: [row(at('11-10T10:00'), '4')] });
    await usage.seal({
      partition: 1,
      watermark: at('11-10T12:00'),
      rows: [row(at('11-10T10:00'), '0.5'), row(at('11-11T00:00'), '8', 'small', 'us')],
    });
    expect(await read({})).toEqual(['11-10T10:00 5.5', '11-10T11:00 2', '11-11T00:00 8']);
    expect(await read({ bySubject: true, groupBy: [1] })).toEqual([
      '11-10T10:00 cus_1 eu 5.5',
      '11-10T11:00 cus_1 eu 2',
      '11-11T00:00 cus_1 us 8',
    ]);
    expect(await read({ filters: [{ dimension: 0, values: ['small', 'none'] }] })).toEqual(['11-11T00:00 8']);
    const days = [
      { start: at('11-01T00:00'), stepMs: 9 * 24 * HOUR_MS + 11 * HOUR_MS },
      { start: at('11-10T11:00'), stepMs: 24 * HOUR_MS },
    ];
    expect(await read({ buckets: days })).toEqual(['11-01T00:00 5.5', '11-10T11:00 10']);
    expect(await read({ from: at('11-10T11:00'), to: at('11-11T00:00') })).toEqual(['11-10T11:00 2']);
    const halves = [{ start: at('11-01T00:00'), stepMs: 12 * HOUR_MS }];
    expect(await read({ buckets: halves })).toEqual(['11-10T00:00 7.5', '11-11T00:00 8']);
    const one = [{ start: at('11-01T00:00'), stepMs: 30 * 24 * HOUR_MS }];
    expect(await read({ buckets: one })).toEqual(['11-01T00:00 15.5']);
    expect(await read({ buckets: one, subjects: ['nobody'] })).toEqual([]);
  });

  it('sees open chunks, and what a rating reads does not', async () => {
    await usage.seal({ watermark: at('11-10T12:00'), rows: [row(at('11-10T10:00'), '1')] });
    const sealed = await readSeals(pool);
    await usage.write(1, { rows: [row(at('11-10T10:00'), '10')] });
    expect(await read({})).toEqual(['11-10T10:00 11']);
    expect(await readRated({ sealed })).toEqual(['acme cus_1 11-10T10:00 1']);
    await usage.seal({ watermark: at('11-10T13:00'), rows: [row(at('11-10T10:00'), '10')] });
    expect(await readRated({ sealed })).toEqual(['acme cus_1 11-10T10:00 1']);
    expect(await readRated({})).toEqual(['acme cus_1 11-10T10:00 11']);
  });
});

describe('a window of very many unique values', () => {
  const VALUES = 2_000_000;
  const start = at('11-10T10:00');
  const users: Meter = aMeter('users', { eventType: 'e', valuePath: ['user'], aggregation: 'unique' });
  const within = (megabytes: number): Pick<ClickHouse, 'query'> => ({
    query: (sql, params) =>
      clickhouse.query(sql.replace('SETTINGS ', `SETTINGS max_memory_usage = ${megabytes}000000, `), params),
  });

  it('is counted to the last one in bounded memory', async () => {
    // A seal for the rows: what they say is not compared here.
    await usage.seal({ watermark: start, rows: [{ ...row(start, '1'), meter: 'users', uniqueValues: ['one'] }] });
    const sealed = await readSeals(pool);
    await clickhouse.command(
      `INSERT INTO usage_rollups (tenant, meter, subject, window_start, group_values, generation, partition, chunk,
         epoch, version, value, event_count, unique_values, row_hash)
       SELECT 'acme', 'users', 'cus_2', toDateTime(${start / 1_000}, 'UTC'), toString(number), 1, 0, 0, 9, 9, 0, 10000,
         arrayMap(i -> lower(hex(sipHash128(i + number * 10000))), range(10000)), number
       FROM numbers(${VALUES / 10_000})`,
    );
    const sets: SubjectSets = [[{ tenant: 'acme', subject: 'cus_2', from: start, to: start + HOUR_MS }]];
    const selection = { meter: users, from: start, to: start + HOUR_MS, taken: taking(), sealed, sets };
    // With groups in memory alone it asked for more than 468 MB.
    expect(await readFirstSeen(within(400), selection)).toEqual([
      { set: 0, windowStart: start, values: BigInt(VALUES) },
    ]);
  }, 120_000);
});

describe('windows that close', () => {
  const names = ['acme', "o'tenant", '\\', 'others'];
  const hour = (number: number): number => at('11-10T00:00') + number * HOUR_MS;
  const rows = names.flatMap((tenant) =>
    ['tokens', 'calls'].flatMap((meter) =>
      [0, 1, 2, 3].map((number) => ({ ...row(hour(number), '1', meter), tenant, meter, subject: `${meter} of all` })),
    ),
  );
  /** By the words alone: a tenant that is named with a meter has that span of it, and all others the one of all. */
  const within = ({ all, own }: MeterSpans): UsageRow[] =>
    rows.filter(({ tenant, meter, windowStart }) => {
      const named = own.find((span) => span.tenant === tenant && span.meter === meter);
      const span = named ?? all.find((each) => each.meter === meter);
      return span !== undefined && span.from <= windowStart && windowStart < span.to;
    });
  const found = async (spans: MeterSpans): Promise<string[]> => {
    const windows: string[] = [];
    for await (const some of streamWindows(clickhouse, { spans, chunks: null }))
      for (const { tenant, subject, windowStart } of some) windows.push(`${tenant} ${subject} ${windowStart}`);
    return windows.sort();
  };
  const spanOf = (meter: string, from: number, to: number) => ({ meter, from: hour(from), to: hour(to) });

  it.each<[string, MeterSpans]>([
    ['of all tenants', { all: [spanOf('tokens', 1, 3)], own: [] }],
    ['of nobody', { all: [], own: [] }],
    [
      'of a tenant in place of those of all',
      { all: [spanOf('tokens', 1, 3)], own: [{ tenant: "o'tenant", ...spanOf('tokens', 0, 4) }] },
    ],
    [
      'of none of a tenant',
      { all: [spanOf('tokens', 1, 3)], own: [{ tenant: '\\', ...{ meter: 'tokens', from: 0, to: 0 } }] },
    ],
    ['of tenants alone', { all: [], own: ['acme', '\\'].map((tenant) => ({ tenant, ...spanOf('calls', 2, 3) })) }],
    [
      'of several tenants, alike and not',
      {
        all: [spanOf('tokens', 3, 4), spanOf('calls', 2, 3)],
        own: [
          { tenant: 'acme', ...spanOf('tokens', 0, 1) },
          { tenant: 'others', ...spanOf('tokens', 0, 1) },
          { tenant: '\\', ...spanOf('tokens', 1, 2) },
          { tenant: 'acme', ...spanOf('calls', 0, 4) },
        ],
      },
    ],
  ])('are found %s', async (_, spans) => {
    await usage.seal({ watermark: 1, rows });
    const expected = within(spans);
    expect(await found(spans)).toEqual(
      expected.map(({ tenant, subject, windowStart }) => `${tenant} ${subject} ${windowStart}`).sort(),
    );
    const groups = await readGroupsInUse(clickhouse, { spans, groupsMax: 100 });
    expect(new Set(groups!.map(({ tenant, meter }) => `${tenant} ${meter}`))).toEqual(
      new Set(expected.map(({ tenant, meter }) => `${tenant} ${meter}`)),
    );
  });

  it('are found of more tenants than a statement may name, and of too many rather than too few', async () => {
    await usage.seal({ watermark: 1, rows });
    const many = Array.from({ length: 4_000 }, (_, i) => ({
      tenant: `${'t'.repeat(30)}${i}`,
      ...spanOf('tokens', 0, 1),
    }));
    const spans = {
      all: [spanOf('tokens', 2, 3)],
      own: [...many, { tenant: 'acme', ...spanOf('tokens', 3, 4) }, { tenant: 'acme', ...spanOf('calls', 0, 1) }],
    };
    expect([...spansByStatement(spans)].length).toBeGreaterThan(1);
    const windows = await found(spans);
    expect(windows).toEqual(
      expect.arrayContaining(within(spans).map((each) => `${each.tenant} ${each.subject} ${each.windowStart}`)),
    );
    // Of whoever is named by a later statement alone: what all have is named as well.
    expect(windows).toHaveLength(within(spans).length + 1);
  });
});

describe('what a rating reads', () => {
  const names = ['cus_1', "it's", 'back\\slash', '\u0000\n\u007f', 'é😀', "') OR ('1'='1"];

  it.each([1, 3])('is of the subjects that it names, of %i tenants, whatever they are called', async (count) => {
    const tenants = ['acme', "o'tenant", '\\'].slice(0, count);
    const values = new Map<string, string>();
    const rows = ['acme', "o'tenant", '\\'].flatMap((tenant, t) =>
      names.flatMap((subject, n) =>
        [0, 1].map((hour) => {
          values.set(`${tenant} ${subject} 11-10T1${hour}:00`, String(100 * t + 10 * n + hour + 1));
          const value = String(100 * t + 10 * n + hour + 1);
          return { ...row(at(`11-10T1${hour}:00`), value, hour === 0 ? 'large' : 'small'), tenant, subject };
        }),
      ),
    );
    await usage.seal({ watermark: 1, rows });
    const named = names.slice(1).flatMap((subject) => tenants.map((tenant) => ({ tenant, subject })));
    // The same name of a tenant of whom another one is asked for, too.
    const subjects = count === 1 ? named : [...named, { tenant: 'acme', subject: 'cus_1' }];
    const expected = (hours: readonly number[]) =>
      subjects.flatMap(({ tenant, subject }) =>
        hours.map((hour) => {
          const key = `${tenant} ${subject} 11-10T1${hour}:00`;
          return `${key} ${values.get(key)}`;
        }),
      );
    expect(await readRated({ subjects })).toEqual(expected([0, 1]).toSorted());
    const small = { dimension: 0, value: 'small' };
    expect(await readRated({ subjects, taken: taking(small) })).toEqual(expected([1]).toSorted());
    const both = taking(small, { dimension: 1, value: 'eu' });
    expect(await readRated({ subjects, taken: both })).toEqual(expected([1]).toSorted());
    const sealed = await readSeals(pool);
    const bounds = { from: at('11-10T10:00'), to: at('11-10T11:00') };
    const sets = [...subjects, { tenant: 'acme', subject: 'none' }].map((subject) => [{ ...subject, ...bounds }]);
    const used = await readSetsWithUsage(clickhouse, { sets, spans: [{ meter: 'tokens', ...bounds }], sealed });
    expect(used.toSorted((a, b) => a - b)).toEqual(subjects.map((_, i) => i));
  });

  it('counts a unique value where its subject had it first, and the same value of another tenant there', async () => {
    const unique = { ...tokens, aggregation: 'unique' } as const;
    const seen = (tenant: string, hour: number, uniqueValues: string[]) => ({
      ...{ ...row(at(`11-10T1${hour}:00`), '0'), tenant, uniqueValues },
    });
    await usage.seal({
      watermark: 1,
      rows: [seen('acme', 0, ['a', 'b']), seen('acme', 1, ['b', 'c']), seen('globex', 1, ['a'])],
    });
    const bounds = { from: at('11-01T00:00'), to: at('12-01T00:00') };
    const told = async (sets: SubjectSets) => {
      const sealed = await readSeals(pool);
      const found = await readFirstSeen(clickhouse, { meter: unique, ...bounds, sets, sealed, taken: taking() });
      return found.map(({ set, windowStart, values }) => `${set} ${new Date(windowStart).getUTCHours()} ${values}`);
    };
    const [acme, globex] = ['acme', 'globex'].map((tenant) => ({ tenant, subject: 'cus_1', ...bounds }));
    expect((await told([[acme!], [globex!]])).toSorted()).toEqual(['0 10 2', '0 11 1', '1 11 1']);
    // As one they have b once; a stretch of one that begins later has what it has from then on.
    expect((await told([[acme!, globex!]])).toSorted()).toEqual(['0 10 2', '0 11 1']);
    expect((await told([[acme!], [{ ...acme!, from: at('11-10T11:00') }, globex!]])).toSorted()).toEqual([
      ...['0 10 2', '0 11 1'],
      '1 11 3',
    ]);
  });
});

describe('group values of any text', () => {
  const models = [
    'large',
    '',
    "it's",
    '"',
    'back\\slash',
    'tab\tline\n',
    '\u0000\u001f\u007f',
    'é😀',
    '["large","eu"]',
    ']',
  ];
  const regions = ['eu', '","', ''];
  const rows = models.flatMap((model, m) =>
    regions.flatMap((region, r) =>
      [0, 1].map((hour) => {
        const n = 100 * m + 10 * r + hour;
        return {
          ...row(at(`11-10T1${hour}:00`), String(n), model, region),
          latestEventTime: at('11-10T10:00') + ((n * 7) % 1_000),
          uniqueValues: [`${m}`, `${m + r}`, `${hour}`],
        };
      }),
    ),
  );
  const latest = (found: readonly UsageRow[]): string =>
    found.reduce((a, b) => (b.latestEventTime! > a.latestEventTime! ? b : a)).value;
  const sum = (found: readonly UsageRow[]): string =>
    String(found.reduce((total, { value }) => total + Number(value), 0));
  const merged: Readonly<Record<Aggregation, (found: readonly UsageRow[]) => string>> = {
    sum,
    count: sum,
    latest,
    max: (found) => String(Math.max(...found.map(({ value }) => Number(value)))),
    min: (found) => String(Math.min(...found.map(({ value }) => Number(value)))),
    // Each row is of one event.
    avg: (found) => formatQuantity(meanOf(BigInt(sum(found)) * QUANTITY_ONE, BigInt(found.length))),
    unique: (found) => String(new Set(found.flatMap(({ uniqueValues }) => uniqueValues!)).size),
  };

  it.each(Object.keys(merged) as Aggregation[])('are grouped and filtered as by hand: %s', async (aggregation) => {
    const half = rows.length / 2;
    await usage.seal({ watermark: 1, rows: rows.slice(0, half) });
    await usage.seal({ watermark: 2, rows: rows.slice(half) });
    const start = at('11-10T00:00');
    for (const groupBy of [[], [0], [1], [1, 0]]) {
      for (const filters of [
        [],
        [{ dimension: 0, values: models.slice(3) }],
        [
          { dimension: 0, values: ['["large","eu"]', '\u0000\u001f\u007f', '"'] },
          { dimension: 1, values: ['","', ''] },
        ],
      ]) {
        const groups = new Map<string, UsageRow[]>();
        for (const each of rows) {
          if (!filters.every(({ dimension, values }) => values.includes(each.groupValues[dimension]!))) continue;
          const key = JSON.stringify(groupBy.map((dimension) => each.groupValues[dimension]));
          groups.set(key, [...(groups.get(key) ?? []), each]);
        }
        const found = await readUsage(clickhouse, {
          ...{ tenant: 'acme', meter: { ...tokens, aggregation }, from: start, to: start + 24 * HOUR_MS },
          ...{ groupBy, filters, buckets: [{ start, stepMs: 24 * HOUR_MS }], recounted: [] },
        });
        expect(new Map(found.map((each) => [JSON.stringify(each.groups), formatQuantity(each.quantity)]))).toEqual(
          new Map([...groups].map(([key, members]) => [key, merged[aggregation](members)])),
        );
        expect(found.reduce((events, { eventCount }) => events + Number(eventCount), 0)).toBe(
          [...groups.values()].flat().length,
        );
      }
    }
  });
});

describe('what a price takes', () => {
  const models = ['a', "it's", '', '["a","b"]'];
  const regions = ['eu', '"', ''];
  const rows = models.flatMap((model, m) =>
    regions.flatMap((region, r) =>
      [0, 1, 2].map((hour) => ({
        ...row(at(`11-10T1${hour}:00`), String(100 * m + 10 * r + hour), model, region),
        uniqueValues: [`${m}`, `${r}`, 'same'],
      })),
    ),
  );
  const [model, region] = [0, 1].map((dimension) => (value: string) => ({ dimension, value }));
  const always = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  const cut = at('11-10T11:00');

  it.each<[string, TakenGroups[]]>([
    ['all', taking()],
    ['one value', taking(model!("it's"))],
    ['what others leave', [{ ...always, match: [], leftOut: [[model!("it's")], [model!('')]] }]],
    ['by several dimensions', [{ ...always, match: [], leftOut: [[model!('a')], [model!(''), region!('"')]] }]],
    ['by all dimensions', [{ ...always, match: [], leftOut: [[region!('eu'), model!('["a","b"]')]] }]],
    ['of one value', [{ ...always, match: [region!('')], leftOut: [[model!('a')]] }]],
    ['nothing', [{ ...always, match: [], leftOut: [[]] }]],
    [
      'another from an hour on',
      [
        { ...always, to: cut, match: [model!('a')], leftOut: [] },
        { ...always, from: cut, match: [], leftOut: [[model!('a')], [region!('"')]] },
      ],
    ],
  ])('is read as it is told window by window: %s', async (_, taken) => {
    await usage.seal({ watermark: 1, rows });
    const isOf = ({ groupValues, windowStart }: (typeof rows)[number]): boolean =>
      taken.some(({ from, to, match, leftOut }) => {
        const has = (of: readonly GroupValue[]) => of.every(({ dimension, value }) => groupValues[dimension] === value);
        return from <= windowStart && windowStart < to && has(match) && !leftOut.some(has);
      });
    const sums = new Map<number, number>();
    const first = new Map<string, number>();
    for (const each of rows.filter(isOf)) {
      sums.set(each.windowStart, (sums.get(each.windowStart) ?? 0) + Number(each.value));
      for (const value of each.uniqueValues)
        first.set(value, Math.min(each.windowStart, first.get(value) ?? each.windowStart));
    }
    const bounds = { from: at('11-10T00:00'), to: at('11-11T00:00') };
    const selection = { ...bounds, sealed: await readSeals(pool), taken };
    const subject = { tenant: 'acme', subject: 'cus_1' };
    const read = await readRatedUsage(clickhouse, {
      ...{ ...selection, meter: tokens, buckets: 'window', subjects: [subject] },
    });
    expect(new Map(read.map(({ bucketStart, quantity }) => [bucketStart, Number(formatQuantity(quantity))]))).toEqual(
      sums,
    );
    const told = await readRatedUsage(clickhouse, {
      ...{ ...selection, meter: tokens, buckets: 'window', subjects: [subject], byGroups: true },
    });
    const byGroups = new Map<string, number>();
    for (const { windowStart, groupValues, value } of rows.filter(isOf)) {
      const key = `${windowStart} ${JSON.stringify(groupValues)}`;
      byGroups.set(key, (byGroups.get(key) ?? 0) + Number(value));
    }
    expect(
      new Map(told.map((each) => [`${each.bucketStart} ${each.groupText}`, Number(formatQuantity(each.quantity))])),
    ).toEqual(byGroups);
    const unique = { ...tokens, aggregation: 'unique' } as const;
    const seen = await readFirstSeen(clickhouse, { ...selection, meter: unique, sets: [[{ ...subject, ...bounds }]] });
    const counts = new Map<number, number>();
    for (const start of first.values()) counts.set(start, (counts.get(start) ?? 0) + 1);
    expect(new Map(seen.map(({ windowStart, values }) => [windowStart, Number(values)]))).toEqual(counts);
  });
});

describe('seals', () => {
  it('describe the epochs of a partition in steps', async () => {
    for (const [chunk, epoch] of [1, 1, 4, 4, 4, 9].entries()) {
      await usage.seal({ watermark: at('11-10T12:00') + chunk, epoch, rows: [] });
    }
    const seals = await readSeals(pool);
    expect(seals.vector).toEqual({ 1: { 0: 6, 1: 0 } });
    // The other partition has no seal, so there is no watermark yet.
    expect(seals.watermark).toBeNull();
    expect(seals.epochSteps.map(({ partition, fromChunk, epoch }) => [partition, fromChunk, epoch])).toEqual([
      [0, 0, 1n],
      [0, 2, 4n],
      [0, 5, 9n],
    ]);
    await usage.seal({ partition: 1, watermark: at('11-10T11:00'), rows: [] });
    expect((await readSeals(pool)).watermark).toBe(at('11-10T11:00'));
    expect(await readChunksSince(pool, at('11-10T12:00') + 3)).toEqual({ 1: { 0: 3, 1: 1 } });
  });

  it('agree with what ClickHouse holds, chunk by chunk, or name the chunk', async () => {
    await usage.seal({ watermark: 1, rows: [row(at('11-10T10:00'), '1'), row(at('11-10T11:00'), '1')] });
    await usage.seal({ watermark: 2, rows: [] });
    await usage.seal({ watermark: 3, epoch: 5, rows: [row(at('11-10T10:00'), '1')] });
    await usage.seal({ partition: 1, watermark: 3, rows: [row(at('11-10T10:00'), '1')] });
    const seals = async () => readChunkSeals(pool, {}, (await readSeals(pool)).vector);
    const mismatches = async () => mismatchesOf(await seals(), await readSealedChunks(clickhouse, await seals()));
    expect(await mismatches()).toEqual([]);
    expect((await seals()).map((seal) => `${seal.partition}/${seal.chunk}`)).toEqual(['0/0', '0/1', '0/2', '1/0']);

    // A row of a former owner is none of the chunk's; one of this owner is.
    await usage.write(2, { epoch: 4, rows: [row(at('11-10T12:00'), '1')] });
    expect(await mismatches()).toEqual([]);
    await usage.write(1, { epoch: 1, rows: [row(at('11-10T12:00'), '1')] });
    expect((await mismatches()).map(({ seal, found }) => [seal.partition, seal.chunk, found.count])).toEqual([
      [0, 1, 1],
    ]);
  });
});
