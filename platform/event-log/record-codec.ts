// What stands in a log record: a batch of usage events, a tick, or a catalog change, each in Avro's single-object
// encoding. Batches of the current schema are read and written by hand, bounds-checked; another writer's schema is
// resolved by avsc after its bytes were walked once under the same bounds. A record that can't be read is a
// MalformedRecord (poison); one whose schema this reader has not seen is an UnknownSchema, which the caller looks up
// and retries.
import { FIRST_RULE_SET } from '../../domain/metering/rule-set.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { AvroReader, AvroWriter, MalformedRecord } from './avro-cursor.ts';
import { AvroRegistry, currentSchemas, HEADER_BYTES, SINGLE_OBJECT_MARKER } from './avro-registry.ts';
import { walkAvro } from './avro-walk.ts';

export type LogEntry =
  | { readonly kind: 'event-batch'; readonly events: readonly UsageEvent[] }
  | { readonly kind: 'tick'; readonly sentAt: number; readonly ruleSet: number }
  | { readonly kind: 'catalog-change'; readonly version: number };

/** The record's header names a schema that is not in the registry. */
export class UnknownSchema extends Error {
  readonly fingerprint: Buffer;
  constructor(fingerprint: Buffer) {
    super(`no Avro schema with fingerprint ${fingerprint.toString('hex')} is known`);
    this.name = 'UnknownSchema';
    this.fingerprint = fingerprint;
  }
}

function headerOf(kind: keyof typeof currentSchemas): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(SINGLE_OBJECT_MARKER);
  currentSchemas[kind].fingerprint.copy(header, 2);
  return header;
}

export const batchHeader = headerOf('event-batch');
const tickHeader = headerOf('tick');
const catalogHeader = headerOf('catalog-change');

// Two hashes, two longs of one byte at least, a boolean and six empty strings.
export const EVENT_BYTES_MIN = 16 + 8 + 2 + 1 + 6;
const EVENT_BYTES_FIXED_MAX = 16 + 8 + 2 * 10 + 1 + 6 * 5;

/** An upper bound of the bytes one event takes in a record. */
const eventBytesMax = (event: UsageEvent): number =>
  EVENT_BYTES_FIXED_MAX +
  3 *
    (event.tenant.length +
      event.source.length +
      event.id.length +
      event.type.length +
      event.subject.length +
      event.data.length);

const LONG_BYTES_MAX = 10;
/** How many events there are is known last, and stands before them. */
const EVENTS_START = HEADER_BYTES + LONG_BYTES_MAX;
const CAPACITY_MIN = 4_096;

/** The record of a batch that grows event by event: of an event nothing but its bytes is kept. */
export class EventBatchWriter {
  /** Events in it. */
  count = 0;
  private writer = new AvroWriter(Buffer.allocUnsafeSlow(CAPACITY_MIN), EVENTS_START);

  add(event: UsageEvent): void {
    this.reserve(eventBytesMax(event) + LONG_BYTES_MAX);
    const { writer } = this;
    writer.fixed(event.dedupKey);
    writer.bytes.writeBigUInt64BE(event.payloadHash, writer.position);
    writer.position += 8;
    writer.long(event.receivedAt);
    writer.long(event.eventTime);
    writer.boolean(event.timeGiven);
    writer.string(event.tenant);
    writer.string(event.source);
    writer.string(event.id);
    writer.string(event.type);
    writer.string(event.subject);
    writer.string(event.data);
    this.count++;
  }

  private reserve(bytes: number): void {
    const { writer } = this;
    const needed = writer.position + bytes;
    if (needed <= writer.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * writer.bytes.length));
    writer.bytes.copy(larger, 0, 0, writer.position);
    this.writer = new AvroWriter(larger, writer.position);
  }

  /** The finished record; nothing may be added any more. */
  record(): Buffer {
    const { writer, count } = this;
    writer.long(0);
    const head = new AvroWriter(Buffer.allocUnsafe(EVENTS_START), 0);
    head.fixed(batchHeader);
    if (count > 0) head.long(count);
    const start = EVENTS_START - head.position;
    head.bytes.copy(writer.bytes, start, 0, head.position);
    return writer.bytes.subarray(start, writer.position);
  }
}

export function encodeEventBatch(events: readonly UsageEvent[]): Buffer {
  const writer = new EventBatchWriter();
  for (const event of events) writer.add(event);
  return writer.record();
}

function encodeSmall(header: Buffer, ...values: readonly number[]): Buffer {
  const writer = new AvroWriter(Buffer.alloc(HEADER_BYTES + values.length * LONG_BYTES_MAX), 0);
  writer.fixed(header);
  for (const value of values) writer.long(value);
  return writer.bytes.subarray(0, writer.position);
}

/** `ruleSet`: the one that the sender asks for; 1 asks for nothing. */
export const encodeTick = ({ sentAt, ruleSet = FIRST_RULE_SET }: { sentAt: number; ruleSet?: number }): Buffer =>
  encodeSmall(tickHeader, sentAt, ruleSet);
export const encodeCatalogChange = ({ version }: { version: number }): Buffer => encodeSmall(catalogHeader, version);

function readEvents(bytes: Buffer): UsageEvent[] {
  const reader = new AvroReader(bytes, HEADER_BYTES);
  const events: UsageEvent[] = [];
  reader.array('events', EVENT_BYTES_MIN, () => {
    events.push({
      dedupKey: reader.fixed(16, 'dedupKey'),
      payloadHash: reader.fixed(8, 'payloadHash').readBigUInt64BE(),
      receivedAt: reader.long('receivedAt'),
      eventTime: reader.long('eventTime'),
      timeGiven: reader.boolean('timeGiven'),
      tenant: reader.string('tenant'),
      source: reader.string('source'),
      id: reader.string('id'),
      type: reader.string('type'),
      subject: reader.string('subject'),
      data: reader.string('data'),
    });
  });
  reader.end();
  return events;
}

interface ResolvedEvent extends Omit<UsageEvent, 'payloadHash'> {
  readonly payloadHash: Buffer;
}

function resolve(registry: AvroRegistry, bytes: Buffer): LogEntry {
  const fingerprint = bytes.subarray(2, HEADER_BYTES);
  const found = registry.find(fingerprint);
  if (found === null) throw new UnknownSchema(Buffer.from(fingerprint));
  const body = bytes.subarray(HEADER_BYTES);
  walkAvro(found.writer, body);
  const { kind } = found;
  const value: unknown = currentSchemas[kind].type.fromBuffer(body, found.resolver);
  switch (kind) {
    case 'event-batch': {
      const { events } = value as { events: ResolvedEvent[] };
      return { kind, events: events.map((event) => ({ ...event, payloadHash: event.payloadHash.readBigUInt64BE() })) };
    }
    case 'tick':
      return {
        kind,
        sentAt: (value as { sentAt: number }).sentAt,
        ruleSet: (value as { ruleSet: number }).ruleSet,
      };
    case 'catalog-change':
      return { kind, version: (value as { version: number }).version };
  }
}

/** The entry in a record's bytes. Throws MalformedRecord or UnknownSchema. Buffers in it share memory with `bytes`. */
export function decodeRecord(registry: AvroRegistry, bytes: Buffer): LogEntry {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== SINGLE_OBJECT_MARKER) {
    throw new MalformedRecord('the record does not begin with the marker C3 01 of Avro single-object encoding');
  }
  if (batchHeader.compare(bytes, 0, HEADER_BYTES) === 0) return { kind: 'event-batch', events: readEvents(bytes) };
  return resolve(registry, bytes);
}

export { AvroRegistry, MalformedRecord };
