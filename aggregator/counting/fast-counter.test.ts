// The fast counter against its plain twin: whatever the log holds and wherever it is flushed and cut, the same events
// have the same outcomes and the same rows are written. Random logs lean towards what the fast counter could get wrong.

import { describe, expect, it, jest } from '@jest/globals';
import avro from 'avsc';
import fc from 'fast-check';
import { type Catalog, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import type { Condition } from '../../domain/metering/meter.ts';
import { metersByType } from '../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { dedupKeyOf, type UsageEvent } from '../../domain/usage-event.ts';
import type { InsertBody } from '../../platform/clickhouse/native-block.ts';
import { crc64Avro, currentSchemas } from '../../platform/event-log/avro-registry.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { encodeCatalogChange, encodeEventBatch, encodeTick } from '../../platform/event-log/record-codec.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { readBlocks } from '../../test/support/native-rows.ts';
import { metersInMemory } from '../../test/support/stored-meters.ts';
import { CatalogReader } from '../catalog-reader.ts';
import { DedupIndex } from '../core/dedup-index.ts';
import { PartitionState, totalOutcomes } from '../core/partition-state.ts';
import { TOTAL_GROUPS_MAX } from '../core/totals.ts';
import { RecordReader } from '../record-reader.ts';
import type { Counter, NewCounter } from './counter.ts';
import { fastCounter } from './fast-counter.ts';
import { plainCounter } from './plain-counter.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 10, 20, 10);
const rules = { chunkOffsets: 12, slotMs: 30_000, horizonMs: 35 * DAY };

const meter = (slug: string, aggregation: Meter['aggregation'], more: Partial<Meter> = {}): Meter =>
  aMeter(slug, { eventType: 'call', aggregation, valuePath: aggregation === 'count' ? null : ['n'], ...more });
const by = (...paths: string[][]): Meter['dimensions'] => paths.map((path) => ({ name: path.join('_'), path }));

/** A condition; `not` is its opposite. */
function where(path: string[], ...values: string[]): Condition & { readonly not: Condition } {
  const condition = { path, values, isNot: false };
  return { ...condition, not: { ...condition, isNot: true } };
}
const summing = (...addends: [path: string[], factor: string][]): Partial<Meter> => ({
  valuePath: null,
  addends: addends.map(([path, factor]) => ({ path, factor })),
});

const ofCalls = [
  meter('tokens', 'sum', { dimensions: by(['model'], ['op']) }),
  meter('output', 'sum', { valuePath: ['usage', 'out'], dimensions: by(['model'], ['op']) }),
  meter('calls', 'count', { dimensions: by(['usage', 'tier']) }),
  meter('mean', 'avg', { valuePath: ['usage', 'out'], dimensions: by(['model'], ['op']) }),
];
const catalogOf = (meters: readonly Meter[]): Catalog => ({ ...emptyCatalog, meters });
const catalogs: readonly Catalog[] = [
  catalogOf([
    ...ofCalls,
    meter('seats', 'max', { eventType: 'seat' }),
    meter('seat_sum', 'sum', { eventType: 'seat' }),
    meter('users', 'unique', { eventType: 'seat', valuePath: ['op'] }),
    meter('low', 'min', { eventType: 'seat', dimensions: by(['model']) }),
    meter('level', 'latest', { eventType: 'seat', window: '15m', itemWidth: '1h' }),
  ]),
  // A meter that must have its value, one of other windows, and one that is gone.
  catalogOf([
    { ...ofCalls[0]!, required: true },
    ofCalls[2]!,
    meter('daily', 'sum', { valuePath: ['usage', 'out'], window: '1d', dimensions: by(['é'], ['__proto__']) }),
    meter('seat_sum', 'sum', { eventType: 'seat' }),
  ]),
  catalogOf([
    ...ofCalls,
    meter('deep', 'sum', { valuePath: ['n', 'n'] }),
    meter('first', 'count', { window: '1m', itemWidth: '15m' }),
    meter('digits', 'sum', { valuePath: ['usage', 'value'] }),
    meter('dotted', 'sum', { valuePath: ['gen_ai.n'], dimensions: by(['gen_ai.model']) }),
    meter('items', 'sum', { eventType: 'seat', valuePath: ['usage', null, 'n'] }),
    meter('last_item', 'sum', { eventType: 'seat', valuePath: ['usage', -1, 'n'] }),
  ]),
  // Filters, and values that are sums.
  catalogOf([
    meter('tokens', 'sum', { dimensions: by(['model'], ['op']), where: [where(['op'], 'chat', '12')] }),
    meter('rest', 'sum', { required: true, where: [where(['op'], 'chat', '12', '').not, where(['model'], 'm').not] }),
    meter('fresh', 'sum', summing([['n'], '1'], [['usage', 'out'], '-1'], [['gen_ai.n'], '1'])),
    meter('weighed', 'sum', summing([['n'], '0.001'], [['usage', 'out'], '-12.5'], [['gen_ai.n'], '999999999'])),
    meter('tried', 'count', { where: [where(['usage', 'tier'], 'gold', 'true', '0.5', '-3')] }),
    meter('exactly', 'sum', { ...summing([['gen_ai.n'], '0.000000000001'], [['n'], '2']), precision: 'exact' }),
    meter('peak', 'max', {
      eventType: 'seat',
      ...summing([['n'], '1'], [['model'], '-1']),
      where: [where(['op'], '')],
    }),
  ]),
];

const versionOf = ([version, catalog]: readonly [number, number]) => ({
  ...{ version, effectiveAt: 0, catalog: catalogs[catalog]! },
});
/** Whose each of these is. Tenants come to have meters that the default has too, in other lists or in the same. */
const versions = new TenantVersions(
  (
    [
      [1, 0],
      [2, 1],
      [3, 2],
      [4, 3],
      [6, 0],
    ] as const
  ).map(versionOf),
  new Map([
    [
      'acme',
      (
        [
          [7, 1],
          [9, 0],
          [10, 2],
        ] as const
      ).map(versionOf),
    ],
    [
      'bolt',
      (
        [
          [5, 3],
          [8, 3],
        ] as const
      ).map(versionOf),
    ],
  ]),
);
const VERSIONS = 10;

interface Shape {
  readonly id: number;
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
  readonly data: string;
  readonly payload: number;
  readonly eventTime: number;
  readonly timeGiven: boolean;
}

const ordinary: Shape = {
  id: 0,
  tenant: 'acme',
  subject: 'cus_1',
  type: 'call',
  data: '{"model":"m","op":"chat","n":5,"usage":{"out":2,"tier":"gold"}}',
  payload: 1,
  eventTime: START,
  timeGiven: true,
};

const usageEvent = (shape: Shape): UsageEvent => ({
  tenant: shape.tenant,
  source: shape.id % 2 === 0 ? '' : 's\t',
  id: `id-${shape.id}`,
  type: shape.type,
  subject: shape.subject,
  eventTime: shape.eventTime,
  timeGiven: shape.timeGiven,
  receivedAt: START + shape.id * 61_001,
  data: shape.data,
  dedupKey: dedupKeyOf('', '', String(shape.id)),
  payloadHash: (BigInt(shape.payload) * 0xfedc_ba98_7654_3210n) & 0xffff_ffff_ffff_ffffn,
});

// Texts of JSON: what meters read is mostly plain, and sometimes anything.
const plainValue = fc.constantFrom(
  '0',
  '1',
  '88',
  '8000',
  '"12"',
  '0.5',
  '12.25',
  '-3',
  '"m-large"',
  '"chat"',
  'null',
  'true',
);
const oddValue = fc.constantFrom(
  ...[
    '-0',
    '-0.0',
    '1.50',
    '1e3',
    '1E-2',
    '1e999',
    '0.000000000001',
    '0.0000000000001',
    '999999999999999',
    '-999999999999999',
  ],
  ...[
    '9007199254740993',
    '12345678901234567890',
    '99999999999999999999999999',
    '999999999999999999999999999',
    '100000000000000000',
  ],
  ...[
    '0.1234567890123',
    '123456789012.123',
    '"007"',
    '"1e3"',
    '" 1"',
    '"1 "',
    '"-5.25"',
    '""',
    '"."',
    '"-"',
    '"1."',
    '".5"',
    '"-0"',
  ],
  ...[
    '{}',
    '[]',
    '[1,"x",{"a":[]}]',
    '[{"n":1},{"n":0.5},{}]',
    '{"n":5}',
    '{"n":null,"out":7}',
    '{"out":3,"tier":"gold"}',
    '{"tier":{"x":1}}',
    '{"out":1,"out":2}',
  ],
  ...[
    '"\\u0031"',
    '"a\\tb"',
    '"\\ud800"',
    '"\\u0000"',
    '"é"',
    '"😀"',
    '"it\'s"',
    '"a,b"',
    '"\u007f"',
    `"${'x'.repeat(256)}"`,
    `"${'x'.repeat(257)}"`,
  ],
  ...[
    `"${'é'.repeat(200)}"`,
    'false',
    '1.0',
    '5.',
    '01',
    '+1',
    '.5',
    'tru',
    'nul',
    'NaN',
    '"\n"',
    '"open',
    '{"a":',
    '[1,]',
    '{,}',
    '-',
  ],
  ...[
    `${'['.repeat(40)}${']'.repeat(40)}`,
    `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`,
    '1 2',
    '"x" "y"',
    '[1 2]',
    '{"a" 1}',
    '{a:1}',
  ],
);
const key = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('n', 'model', 'op', 'usage', 'gen_ai.n') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('é', '__proto__', 'other', 'length', '', 'N', 'usag', 'models', '\\u006e', 'toString'),
  },
);
const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r', '\u00a0', '\u2028');
const member = fc
  .tuple(key, space, fc.oneof({ weight: 8, arbitrary: plainValue }, { weight: 2, arbitrary: oddValue }))
  .map(([name, around, value]) => `${around}"${name}":${around}${value}`);
const usual = fc
  .record({ n: fc.nat(1e6), model: fc.constantFrom('m', 'l'), op: fc.constantFrom('chat', 'batch'), out: fc.nat(900) })
  .map(({ n, model, op, out }) => `{"model":"${model}","op":"${op}","n":${n},"usage":{"out":${out},"tier":"gold"}}`);
const data = fc.oneof(
  { weight: 6, arbitrary: usual },
  { weight: 6, arbitrary: fc.array(member, { maxLength: 6 }).map((members) => `{${members.join(',')}}`) },
  { weight: 1, arbitrary: oddValue },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', ' {"n":1} ', '{"n":1}x', '{"n":1},"subject":"other"', '\ufeff{}', '{"n":1,}'),
  },
);
const name = (...usualNames: string[]) =>
  fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...usualNames) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', 'a\tb\\c\n', 'é', '😀', '\0', 'x'.repeat(256), 'x'.repeat(300), '\ufffd'),
    },
  );
const eventTime = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: START - 2 * HOUR, max: START + HOUR }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      0,
      -1,
      START - 35 * DAY,
      START - 36 * DAY,
      START + 2 * DAY,
      START + DAY + 60_000,
      8.64e15,
      -9e15,
    ),
  },
);
const shape: fc.Arbitrary<Shape> = fc.record({
  id: fc.nat(25),
  tenant: name('acme', 'acme', 'bolt', 'cobalt'),
  subject: name('cus_1', 'cus_2'),
  type: fc.constantFrom('call', 'call', 'call', 'seat', 'unmetered'),
  data,
  payload: fc.oneof({ weight: 9, arbitrary: fc.constant(3) }, { weight: 1, arbitrary: fc.constant(2 ** 31) }),
  eventTime,
  timeGiven: fc.boolean(),
});

// A later writer's schema, registered and not.
const laterSchema = structuredClone(currentSchemas['event-batch'].schema) as {
  fields: { type: { items: { fields: object[] } } }[];
};
laterSchema.fields[0]!.type.items.fields.push({ name: 'region', type: ['null', 'string'], default: null });
const laterType = avro.Type.forSchema(laterSchema as unknown as avro.Schema);
const laterPrint = crc64Avro(JSON.stringify(laterType.schema()));
const avroEvent = (event: UsageEvent): object => {
  const payloadHash = Buffer.alloc(8);
  payloadHash.writeBigUInt64BE(event.payloadHash);
  return { ...event, payloadHash, region: 'eu' };
};
const inLaterSchema = (events: readonly UsageEvent[], print = laterPrint): Buffer =>
  Buffer.concat([Buffer.from([0xc3, 0x01]), print, laterType.toBuffer({ events: events.map(avroEvent) })]);

/** The same events in two blocks of the array, as other writers may write them. */
const inBlocks = (events: readonly UsageEvent[]): Buffer => {
  const half = encodeEventBatch(events.slice(0, 1));
  const rest = encodeEventBatch(events.slice(1));
  return Buffer.concat([half.subarray(0, -1), rest.subarray(10)]);
};

const batch = fc.array(shape, { minLength: 1, maxLength: 8 }).map((shapes) => shapes.map(usageEvent));
const value = fc.oneof(
  { weight: 12, arbitrary: batch.map(encodeEventBatch) },
  { weight: 1, arbitrary: fc.constant(encodeEventBatch([])) },
  { weight: 1, arbitrary: batch.map((events) => inLaterSchema(events)) },
  { weight: 1, arbitrary: batch.map((events) => inLaterSchema(events, Buffer.alloc(8, 7))) },
  { weight: 1, arbitrary: batch.map(inBlocks) },
  { weight: 1, arbitrary: fc.constantFrom(encodeTick({ sentAt: START }), encodeTick({ sentAt: START, ruleSet: 3 })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: VERSIONS }).map((version) => encodeCatalogChange({ version })) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  // Damage: a byte changed, or an end that is missing or too much.
  {
    weight: 2,
    arbitrary: fc.tuple(batch, fc.nat(), fc.nat(255)).map(([events, at, byte]) => {
      const bytes = Buffer.from(encodeEventBatch(events));
      bytes[10 + (at % (bytes.length - 10))] = byte;
      return bytes;
    }),
  },
  { weight: 1, arbitrary: fc.tuple(batch, fc.nat()).map(([events, cut]) => cutOff(encodeEventBatch(events), cut)) },
);
const cutOff = (bytes: Buffer, cut: number): Buffer =>
  cut % 3 === 0 ? Buffer.concat([bytes, Buffer.alloc(1)]) : bytes.subarray(0, 10 + (cut % (bytes.length - 10)));

/** Records with gaps between their offsets, now and then a flush behind one. */
const log = fc
  .array(
    fc.record({
      value,
      gap: fc.constantFrom(1, 1, 1, 2, 5),
      appendedAfter: fc.constantFrom(0, 10, 1_000, 20_000, -5_000, 2 * HOUR),
      isFlushed: fc.boolean(),
    }),
    { maxLength: 25 },
  )
  .map((steps) => {
    let offset = 0;
    let appendTime = START;
    return steps.map((step) => {
      offset += step.gap;
      appendTime += step.appendedAfter;
      return { record: { offset, appendTime, value: step.value }, isFlushed: step.isFlushed };
    });
  });

const rowsOf = (body: InsertBody): string[] =>
  readBlocks(body)
    .flatMap((rows) => rows.lines())
    .sort();

/** All that leaves a counter, in order. */
async function transcript(
  newCounter: NewCounter,
  steps: readonly { readonly record: LogRecord; readonly isFlushed: boolean }[],
  version = 1,
): Promise<unknown[]> {
  const reader = new CatalogReader(metersInMemory(() => versions));
  const records = new RecordReader(
    async (fingerprint) => (fingerprint.equals(laterPrint) ? laterSchema : null),
    reader,
    NEWEST_RULE_SET,
  );
  const from = {
    nextOffset: 0,
    nextChunk: 0,
    partitionTime: null,
    catalogVersion: version,
    ruleSet: version >= 4 ? 3 : 1 + (version % 2),
  };
  const counter = newCounter(rules, from, await reader.meters(version), new DedupIndex());
  const { state } = counter;
  const told: unknown[] = [];
  const flush = (): void => {
    const { pending } = counter;
    const { chunk } = state;
    const at = { generation: 1, partition: 3, chunk: chunk.chunk, epoch: 7n, version: BigInt(chunk.nextOffset) };
    const { events, rejects, rollUps, totals, rejected, receivedAt } = counter.takeFlush(at);
    told.push({ pending, events: [rowsOf(events.body), events.rows], rejects: [rowsOf(rejects.body), rejects.rows] });
    told.push({ totals: rowsOf(totals) });
    told.push({ rollUps: rowsOf(rollUps), rejected, offsets: [...receivedAt.keys()].sort((a, b) => a - b) });
  };
  const seal = (): void => {
    flush();
    told.push(standOf(counter));
  };
  for (const { record, isFlushed } of steps) {
    if (state.isCutBy(record)) {
      seal();
      state.startChunk(record.offset);
    }
    if (!counter.countBytes(record)) state.apply(await records.read(record, state.catalogVersion));
    if (isFlushed) flush();
  }
  seal();
  return told;
}

const standOf = ({ state, rollUpRowSet, totalRowSet }: Counter): object => ({
  rollUps: rollUpRowSet(),
  totals: totalRowSet(),
  outcomes: totalOutcomes(state.chunk),
  outcomesByTenant: [...state.chunk.outcomesByTenant].sort(),
  catalogChanges: [...state.chunk.catalogChanges],
  watermark: state.partitionTime,
  nextOffset: state.chunk.nextOffset,
  lateForItem: state.lateForItem,
  keys: state.keys,
});

describe('fast counter', () => {
  it('writes what the plain counter writes, whatever the log holds', async () => {
    await fc.assert(
      fc.asyncProperty(log, fc.integer({ min: 1, max: VERSIONS }), async (steps, version) => {
        expect(await transcript(fastCounter, steps, version)).toEqual(await transcript(plainCounter, steps, version));
      }),
      { numRuns: 400 },
    );
  });

  it('reads every text of data as the plain counter does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(data, { minLength: 20, maxLength: 20 }), async (texts) => {
        const events = texts.map((text, id) =>
          usageEvent({
            id,
            tenant: 't',
            subject: 's',
            type: 'call',
            data: text,
            payload: 1,
            eventTime: START,
            timeGiven: true,
          }),
        );
        const record = { offset: 1, appendTime: START, value: encodeEventBatch(events) };
        const steps = [{ record, isFlushed: false }];
        for (const version of [1, 4]) {
          expect(await transcript(fastCounter, steps, version)).toEqual(await transcript(plainCounter, steps, version));
        }
      }),
      { numRuns: 300 },
    );
  });

  // Each of these says something else to a reader that is a little wrong.
  it.each([
    '{"usage":{"out":1},"usage":{"tier":"gold"},"n":1}',
    '{"usage":{"out":1},"usage":null,"n":1}',
    '{"usage":null,"usage":{"out":1},"n":1}',
    '{"n":1,"\\u006e":2}',
    '{"n":12345678901234567890}',
    '{"usage":12345678901234567890}',
    '{"n":{"n":1,"value":2}}',
    '{"usage":[],"n":1}',
    '{"usage":"x","n":1}',
    '{"n":1}{"n":2}',
    '{"n":1,"other":{"n":2}}',
  ])('reads %s as the plain counter does', async (text) => {
    const event = usageEvent({ ...ordinary, id: 1, data: text });
    const steps = [{ record: { offset: 1, appendTime: START, value: encodeEventBatch([event]) }, isFlushed: false }];
    for (const version of [1, 2, 3, 4]) {
      expect(await transcript(fastCounter, steps, version)).toEqual(await transcript(plainCounter, steps, version));
    }
  });

  it('goes on with the same rows when the catalog changes within a chunk', async () => {
    const values = [
      encodeEventBatch([usageEvent({ ...ordinary, id: 1 })]),
      encodeCatalogChange({ version: 2 }),
      encodeEventBatch([usageEvent({ ...ordinary, id: 2 })]),
      encodeCatalogChange({ version: 3 }),
      encodeEventBatch([usageEvent({ ...ordinary, id: 3 })]),
    ];
    for (const flushed of [[], [0], [0, 2], [1, 3], [4]]) {
      const steps = values.map((each, i) => ({
        record: { offset: i, appendTime: START, value: each },
        isFlushed: flushed.includes(i),
      }));
      expect(await transcript(fastCounter, steps)).toEqual(await transcript(plainCounter, steps));
    }
  });

  it('goes on with the same rows where catalogs of tenants change, one after the other', async () => {
    // Some that the plain rules decide.
    const event = fc.record({
      tenant: fc.constantFrom('acme', 'bolt', 'cobalt'),
      data: fc.constantFrom(ordinary.data, ordinary.data, ordinary.data.replace('5', '12345678901234567890')),
    });
    const events = fc.array(event, { minLength: 1, maxLength: 6 });
    const record = fc.oneof(events, fc.integer({ min: 1, max: VERSIONS }));
    const steps = fc.array(fc.record({ record, isFlushed: fc.boolean() }), { maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: VERSIONS }), async (given, version) => {
        let id = 0;
        const told = given.map(({ record: what, isFlushed }, offset) => {
          const value =
            typeof what === 'number'
              ? encodeCatalogChange({ version: what })
              : encodeEventBatch(what.map((each) => usageEvent({ ...ordinary, ...each, id: id++ })));
          return { record: { offset, appendTime: START, value }, isFlushed };
        });
        expect(await transcript(fastCounter, told, version)).toEqual(await transcript(plainCounter, told, version));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps sums that no double holds', async () => {
    const values = [
      '999999999999999',
      '99999999999999999999999999',
      '0.000000000001',
      '999999999999999',
      '-0.5',
      '"999999999999999"',
    ];
    const events = Array.from({ length: 60 }, (_, id) =>
      usageEvent({
        ...ordinary,
        id,
        data: `{"n":${values[id % values.length]}}`,
      }),
    );
    const steps = [{ record: { offset: 1, appendTime: START, value: encodeEventBatch(events) }, isFlushed: false }];
    const told = await transcript(fastCounter, steps);
    expect(told).toEqual(await transcript(plainCounter, steps));
    expect(JSON.stringify(told, (_, each) => (typeof each === 'bigint' ? String(each) : each))).toContain(
      '1000000000029999999999999955000000000010',
    );
  });

  it.each([0, 1, 2])(
    'keeps as many totals of a window as it may, and one of the rest, flushed each %i records',
    async (each) => {
      // Some models have no value for one of the two meters, and get a row of its own later or never.
      const events = Array.from({ length: 3 * TOTAL_GROUPS_MAX }, (_, id) =>
        usageEvent({
          ...{ ...ordinary, id, subject: `cus_${id % 3}` },
          data: `{"model":"m-${id % (2 * TOTAL_GROUPS_MAX)}",${id % 5 === 0 ? '' : '"n":1,'}"usage":{"out":${id},"tier":"t"}}`,
        }),
      );
      const steps = Array.from({ length: rules.chunkOffsets }, (_, offset) => ({
        record: { offset, appendTime: START, value: encodeEventBatch(events.splice(0, TOTAL_GROUPS_MAX / 4)) },
        isFlushed: each > 0 && offset % each === 0,
      }));
      const told = await transcript(fastCounter, steps);
      expect(told).toEqual(await transcript(plainCounter, steps));
      const { totals } = told.at(-1) as { totals: { count: number } };
      // Of `tokens` and `output`, and the one of `calls`.
      expect(totals.count).toBe(2 * (TOTAL_GROUPS_MAX + 1) + 1);
    },
  );

  it('needs the plain rules for nothing that is as most events are', () => {
    const counter = fastCounter(
      rules,
      { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET },
      new TenantMeters(metersByType(catalogs[0]!)),
      new DedupIndex(),
    );
    const decide = jest.spyOn(PartitionState.prototype, 'decide');
    const events = [
      '{"n":1}',
      '{"model":"m-large","op":"chat","n":12,"usage":{"out":"3.5","tier":"gold"},"tags":[1,"a"]}',
      '{ "n": null }',
    ].map((text, id) =>
      usageEvent({
        ...ordinary,
        id,
        data: text,
      }),
    );
    const value = encodeEventBatch([...events, events[0]!]);
    expect(counter.countBytes({ offset: 0, appendTime: START, value })).toBe(true);
    expect(totalOutcomes(counter.state.chunk)).toMatchObject({ accepted: 3, duplicate: 1 });
    expect(decide).not.toHaveBeenCalled();
    // The spy sees what is unusual.
    const unusual = encodeEventBatch([usageEvent({ ...ordinary, id: 9, data: '{"n":"many"}' })]);
    expect(counter.countBytes({ offset: 1, appendTime: START, value: unusual })).toBe(true);
    expect(decide).toHaveBeenCalledTimes(1);
    decide.mockRestore();
  });

  it('needs them for no filter and no sum of ordinary numbers', () => {
    const meters = [
      meter('ok', 'sum', { where: [where(['op'], 'chat').not, where(['model'], 'm', 'l')] }),
      meter('fresh', 'sum', summing([['n'], '1'], [['usage', 'out'], '-1'], [['cached'], '-0.5'])),
    ];
    const counter = fastCounter(
      rules,
      { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET },
      new TenantMeters(metersByType(catalogOf(meters))),
      new DedupIndex(),
    );
    const decide = jest.spyOn(PartitionState.prototype, 'decide');
    const texts = [
      '{"op":"batch","model":"m","n":12.5,"usage":{"out":0.25},"cached":7}',
      '{"op":"chat","model":"m","n":3}',
      '{"op":null,"model":12,"usage":{"out":3}}',
    ];
    const events = texts.map((text, id) => usageEvent({ ...ordinary, id, data: text }));
    expect(counter.countBytes({ offset: 0, appendTime: START, value: encodeEventBatch(events) })).toBe(true);
    expect(decide).not.toHaveBeenCalled();
    decide.mockRestore();
    const at = { generation: 1, partition: 3, chunk: 0, epoch: 7n, version: 1n };
    const rows = rowsOf(counter.takeFlush(at).rollUps);
    // In 10^-12: 12.5 - 0.25 - 3.5 + 3 of all events, and the first alone.
    expect(rows).toEqual([expect.stringContaining('11750000000000'), expect.stringContaining('12500000000000')]);
    expect(rows.map((row) => /fresh|ok/.exec(row)?.[0])).toEqual(['fresh', 'ok']);
  });

  it('needs them for the types of meters that read arrays, and not for a name with dots', () => {
    const counter = fastCounter(
      rules,
      { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET },
      new TenantMeters(
        metersByType(
          catalogOf([
            meter('dotted', 'sum', { valuePath: ['gen_ai.n'], dimensions: by(['gen_ai.model']) }),
            meter('items', 'sum', { eventType: 'order', valuePath: ['items', null, 'n'] }),
          ]),
        ),
      ),
      new DedupIndex(),
    );
    const decide = jest.spyOn(PartitionState.prototype, 'decide');
    const events = [
      usageEvent({ ...ordinary, id: 1, data: '{"gen_ai.n":12,"gen_ai.model":"m"}' }),
      usageEvent({ ...ordinary, id: 2, type: 'order', data: '{"items":[{"n":1},{"n":2}]}' }),
    ];
    expect(counter.countBytes({ offset: 0, appendTime: START, value: encodeEventBatch(events) })).toBe(true);
    expect(decide.mock.calls.map(([event]) => event.type)).toEqual(['order']);
    decide.mockRestore();
    expect(totalOutcomes(counter.state.chunk)).toMatchObject({ accepted: 2, poison: 0 });
  });
});
