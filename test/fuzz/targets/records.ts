// Target "records": bytes of a log record through decoding, and what is decoded through the decisions of a partition
// and the rows they become. Where a record is read, avsc must read the same; nothing but the two errors for damage may
// come out; and no record whatever may throw further on, because that would stop its partition.
import avro from 'avsc';
import { DecidedList } from '../../../aggregator/core/decided-list.ts';
import { DedupIndex } from '../../../aggregator/core/dedup-index.ts';
import { PartitionState } from '../../../aggregator/core/partition-state.ts';
import { RollUpTable } from '../../../aggregator/core/roll-up.ts';
import { eventRows, rejectRows, rollUpRows } from '../../../aggregator/counting/chunk-rows.ts';
import { metersByType } from '../../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET } from '../../../domain/metering/rule-set.ts';
import { TenantMeters } from '../../../domain/metering/tenant-meters.ts';
import type { Random } from '../../../domain/random.ts';
import { dedupKeyOf, type UsageEvent } from '../../../domain/usage-event.ts';
import { crc64Avro, currentSchemas } from '../../../platform/event-log/avro-registry.ts';
import {
  AvroRegistry,
  decodeRecord,
  encodeCatalogChange,
  encodeEventBatch,
  encodeTick,
  type LogEntry,
  MalformedRecord,
  UnknownSchema,
} from '../../../platform/event-log/record-codec.ts';
import { readBlocks } from '../../support/native-rows.ts';
import type { FuzzTarget } from '../campaign.ts';
import { objectNames } from '../object-names.ts';
import { sampleCatalog } from './catalog-sample.ts';

const NOW = Date.UTC(2026, 10, 20, 10);
const HEADER_BYTES = 10;
const meters = new TenantMeters(metersByType(sampleCatalog));
const counts = { read: 0, malformed: 0, 'unknown schema': 0, 'events accepted': 0, 'events rejected': 0 };

// A later writer's schema, with every kind of type that a schema may grow: what it writes is walked and resolved.
const later = structuredClone(currentSchemas['event-batch'].schema) as {
  fields: { type: { items: { fields: object[] } } }[];
};
later.fields[0]!.type.items.fields.push(
  { name: 'region', type: ['null', 'string'], default: null },
  { name: 'tags', type: { type: 'map', values: { type: 'array', items: 'long' } }, default: {} },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }, default: 'A' },
  { name: 'weight', type: ['double', 'float', 'bytes', 'boolean', 'int'], default: 0 },
  { name: 'nothing', type: { type: 'array', items: 'null' }, default: [] },
);
const laterType = avro.Type.forSchema(later as unknown as avro.Schema);
const registry = new AvroRegistry();
registry.add(later);
const laterHeader = Buffer.concat([Buffer.from([0xc3, 0x01]), crc64Avro(JSON.stringify(laterType.schema()))]);

interface AvscBatch {
  readonly events: readonly (Omit<UsageEvent, 'payloadHash'> & { readonly payloadHash: Buffer })[];
}

/** What avsc makes of a record of the current schema that we read. */
function checkTwin(input: Buffer, entry: LogEntry): void {
  if (
    entry.kind !== 'event-batch' ||
    !input.subarray(2, HEADER_BYTES).equals(currentSchemas['event-batch'].fingerprint)
  )
    return;
  const { type } = currentSchemas['event-batch'];
  const { events } = type.fromBuffer(input.subarray(HEADER_BYTES)) as AvscBatch;
  if (events.length !== entry.events.length)
    throw new Error(`${entry.events.length} events, avsc reads ${events.length}`);
  for (let index = 0; index < events.length; index++) {
    const [twin, event] = [events[index]!, entry.events[index]!];
    const isSame =
      twin.dedupKey.equals(event.dedupKey) &&
      twin.payloadHash.readBigUInt64BE() === event.payloadHash &&
      twin.receivedAt === event.receivedAt &&
      twin.eventTime === event.eventTime &&
      twin.timeGiven === event.timeGiven &&
      twin.tenant === event.tenant &&
      twin.source === event.source &&
      twin.id === event.id &&
      twin.type === event.type &&
      twin.subject === event.subject &&
      twin.data === event.data;
    if (!isSame) throw new Error(`event ${index} differs from what avsc reads`);
  }
}

const rules = { chunkOffsets: 1024, slotMs: 30_000, horizonMs: 35 * 86_400_000 };

/** A partition of its own, and where its decisions go. */
function newPartition() {
  const decisions = { events: new DecidedList(), rollUps: new RollUpTable() };
  const from = { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET };
  return { state: new PartitionState(rules, from, meters, new DedupIndex(), decisions), ...decisions };
}
let partition = newPartition();
const EVENTS_A_STATE = 2_000;

/** As the partition's loop applies it, a flush included. */
function apply(input: Buffer, entry: LogEntry | MalformedRecord): void {
  if (partition.state.keys > EVENTS_A_STATE) partition = newPartition();
  const { state, events, rollUps } = partition;
  const at = { offset: state.chunk.nextOffset, appendTime: NOW + state.chunk.nextOffset };
  if (state.isCutBy(at)) state.startChunk(at.offset);
  if (entry instanceof MalformedRecord) {
    state.apply({ ...at, kind: 'malformed', reason: entry.message, bytes: Buffer.from(input) });
  } else if (entry.kind === 'event-batch') state.apply({ ...at, kind: 'event-batch', events: entry.events });
  // A later rule set halts the owner: aggregator/record-reader.ts.
  else if (entry.kind === 'tick')
    state.apply({ ...at, kind: 'tick', ruleSet: Math.min(entry.ruleSet, NEWEST_RULE_SET) });
  else state.apply({ ...at, kind: 'catalog-change', version: entry.version, meters: null });

  const { accepted, rejected } = events.take();
  counts['events accepted'] += accepted.length;
  counts['events rejected'] += rejected.length;
  const coordinates = { generation: 1, partition: 0, chunk: state.chunk.chunk, epoch: 1n, version: 1n };
  if (accepted.length > 0) {
    const { rows } = eventRows(coordinates, accepted);
    if (rows.count !== accepted.length) throw new Error(`${rows.count} rows of ${accepted.length} events`);
    rollUpRows(coordinates, rollUps.takeDirty());
  }
  if (rejected.length > 0) {
    const { body, rows } = rejectRows(coordinates, rejected);
    const stored = readBlocks(body).reduce((sum, { count }) => sum + count, 0);
    if (rows.count !== rejected.length || stored !== rejected.length)
      throw new Error(`${stored} rows of ${rejected.length} rejects`);
  }
}

const event = (more: Partial<UsageEvent> = {}): UsageEvent => ({
  tenant: 'acme',
  source: 's',
  id: 'i',
  type: 'llm',
  subject: 'cus',
  eventTime: NOW - 1000,
  timeGiven: true,
  receivedAt: NOW,
  data: '{"tokens":1,"model":"m"}',
  dedupKey: dedupKeyOf('acme', 's', 'i'),
  payloadHash: 5n,
  ...more,
});

const toAvro = (each: UsageEvent): object => {
  const payloadHash = Buffer.alloc(8);
  payloadHash.writeBigUInt64BE(each.payloadHash);
  return { ...each, payloadHash };
};

const inLater = (each: UsageEvent): Buffer =>
  Buffer.concat([
    laterHeader,
    laterType.toBuffer({
      events: [
        { ...toAvro(each), region: 'eu', tags: { a: [1, 2] }, kind: 'B', weight: { double: 0.5 }, nothing: [null] },
      ],
    }),
  ]);

const times = [NOW, 0, -1, NOW - 36 * 86_400_000, NOW + 86_400_001, 8.64e15, -8.64e15, 8.64e15 + 1, -9e15, 2 ** 53 - 2];
const texts = [...objectNames, '', 'a', '\0', 'a\tb\n\\', '😀', 'x'.repeat(300), '"},{"', '\ufffd'];
const datas = [
  ...[
    '{}',
    '',
    '5',
    '"x"',
    '[]',
    'null',
    '{"tokens":1}',
    '{"tokens":"x"}',
    '{"tokens":1e999}',
    '{"tokens":1,"model":{}}',
  ],
  ...[
    '{"tokens":1,"model":"\\ud800"}',
    '{"tokens":1,"model":"\\u0000"}',
    '{"user":"\\udfff"}',
    '{"n":1},"subject":"other"',
  ],
  ...[
    '{"a":',
    `{"tokens":1e2,"a":${'['.repeat(600)}${']'.repeat(600)}}`,
    '{"tokens":99999999999999999999999999}',
    '\u2028',
  ],
  ...objectNames.flatMap((name) => [`{"${name}":{"name":1}}`, `{"tokens":{"${name}":1},"model":{"${name}":{}}}`]),
];

function anyEvent(random: Random): UsageEvent {
  const id = String(random.uint32());
  return event({
    id,
    dedupKey: random.once(8) ? dedupKeyOf('acme', 's', 'i') : dedupKeyOf('acme', 's', id),
    payloadHash: random.once(3) ? 5n : BigInt(random.uint32()) << 32n,
    data: random.pick(datas),
    timeGiven: random.once(2),
    eventTime: random.once(2) ? NOW - random.below(1e9) : random.pick(times),
    receivedAt: random.once(4) ? random.pick(times) : NOW,
    tenant: random.once(8) ? random.pick(texts) : 'acme',
    subject: random.once(8) ? random.pick(texts) : 'cus',
    source: random.once(8) ? random.pick(texts) : 's',
    type: random.once(4) ? random.pick([...texts, 'audio']) : 'llm',
  });
}

export const records: FuzzTarget = {
  name: 'records',
  seeds: [
    encodeEventBatch([]),
    encodeEventBatch([event()]),
    encodeEventBatch([event({ id: 'a' }), event({ id: 'b', timeGiven: false, data: '{"user":"u","peak":"3"}' })]),
    encodeTick({ sentAt: NOW }),
    encodeCatalogChange({ version: 2 }),
    inLater(event()),
    Buffer.alloc(0),
    Buffer.from('{"id":"not avro"}'),
  ],
  dictionary: [
    ...objectNames,
    '\u0000',
    '\u0001',
    '\u007f',
    '{"tokens":1}',
    '{"model":',
    '"\\ud800"',
    '\\u0000',
    'llm',
    'audio',
    '}',
  ],
  generate(random) {
    const batch = Array.from({ length: 1 + random.below(3) }, () => anyEvent(random));
    return random.once(4) ? inLater(batch[0]!) : encodeEventBatch(batch);
  },
  execute(input) {
    let entry: LogEntry | MalformedRecord;
    try {
      entry = decodeRecord(registry, input);
    } catch (error) {
      if (error instanceof UnknownSchema) {
        counts['unknown schema']++;
        return;
      }
      if (!(error instanceof MalformedRecord)) throw error;
      if (error.message.length > 300) throw new Error(`a reason of ${error.message.length} characters`);
      counts.malformed++;
      entry = error;
    }
    if (!(entry instanceof MalformedRecord)) {
      counts.read++;
      checkTwin(input, entry);
    }
    apply(input, entry);
  },
  tally: () => counts,
};
