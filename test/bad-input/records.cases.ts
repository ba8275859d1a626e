// Records in the log that no gateway writes: bytes, and what the reader makes of them; and events that are whole and
// can't be metered, and what the partition decides.
import avro from 'avsc';
import { dedupKeyOf, type UsageEvent } from '../../domain/usage-event.ts';
import { crc64Avro, currentSchemas } from '../../platform/event-log/avro-registry.ts';
import { encodeCatalogChange, encodeEventBatch, encodeTick } from '../../platform/event-log/record-codec.ts';

/** T of the partition: when the records are appended. */
export const APPENDED_AT = Date.UTC(2026, 10, 20, 10);
const DAY_MS = 86_400_000;

export const event = (more: Partial<UsageEvent> = {}): UsageEvent => {
  const names = { tenant: 'acme', source: '', id: 'odd', ...more };
  return {
    ...{
      type: 'llm',
      subject: 'cus',
      eventTime: APPENDED_AT - 1000,
      timeGiven: true,
      receivedAt: APPENDED_AT,
      data: '{"tokens":1}',
    },
    ...{ dedupKey: dedupKeyOf(names.tenant, names.source, names.id), payloadHash: 7n },
    ...names,
    ...more,
  };
};

const good = encodeEventBatch([event()]);
const header = good.subarray(0, 10);
const withHeader = (...bytes: readonly number[]): Buffer => Buffer.concat([header, Buffer.from(bytes)]);
const kind = (name: keyof typeof currentSchemas, ...bytes: readonly number[]): Buffer =>
  Buffer.concat([Buffer.from([0xc3, 0x01]), currentSchemas[name].fingerprint, Buffer.from(bytes)]);

const changed = (at: number, ...bytes: readonly number[]): Buffer => {
  const copy = Buffer.from(good);
  Buffer.from(bytes).copy(copy, at);
  return copy;
};
const replaced = (text: string, by: Buffer): Buffer => {
  const at = good.indexOf(text);
  return Buffer.concat([good.subarray(0, at), by, good.subarray(at + text.length)]);
};
/** Behind the header and the count: two hashes, then the times. */
const TIMES_AT = 10 + 1 + 24;

/** A schema that a later version might write, its region an array. */
const later = structuredClone(currentSchemas['event-batch'].schema) as {
  fields: { type: { items: { fields: object[] } } }[];
};
later.fields[0]!.type.items.fields.push({ name: 'tags', type: { type: 'array', items: 'string' }, default: [] });
later.fields[0]!.type.items.fields.push({
  name: 'kind',
  type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] },
  default: 'A',
});
later.fields[0]!.type.items.fields.push({ name: 'note', type: ['null', 'string'], default: null });
export const laterSchema: object = later;
const laterType = avro.Type.forSchema(later as unknown as avro.Schema);
const payloadHash = Buffer.alloc(8, 7);
const laterWhole = Buffer.concat([
  Buffer.from([0xc3, 0x01]),
  crc64Avro(JSON.stringify(laterType.schema())),
  laterType.toBuffer({ events: [{ ...event(), payloadHash, tags: [], kind: 'A', note: null }] }),
]);
/** The last four bytes are the tags, the kind, the note and the end of the events. */
const laterWith = (...bytes: readonly number[]): Buffer =>
  Buffer.concat([laterWhole.subarray(0, -4), Buffer.from(bytes)]);

/** `reason` is part of what the reject says. */
export const malformedRecords: readonly (readonly [name: string, bytes: Buffer, reason: RegExp])[] = [
  ['nothing: a tombstone', Buffer.alloc(0), /does not begin with the marker/],
  ['one byte', Buffer.from([0xc3]), /marker/],
  ['the marker alone', Buffer.from([0xc3, 0x01]), /marker/],
  ['half a header', header.subarray(0, 6), /marker/],
  ['the marker of another version', changed(0, 0xc3, 0x02), /marker/],
  ['the marker the wrong way round', changed(0, 0x01, 0xc3), /marker/],
  ['an Avro container file', Buffer.from('Obj\u0001\u0004\u0014avro.codec', 'latin1'), /marker/],
  ['a record of a schema registry', Buffer.from('00000000010261', 'hex'), /marker/],
  ['JSON', Buffer.from('{"id":"a","type":"llm","subject":"cus"}'), /marker/],
  ['gzip', Buffer.from('1f8b0800000000000003', 'hex'), /marker/],
  ['a megabyte of zeros', Buffer.alloc(1_000_000), /marker/],
  ['a megabyte of 0xff', Buffer.alloc(1_000_000, 0xff), /marker/],
  [
    'a fingerprint that nobody registered',
    changed(2, 1, 2, 3, 4, 5, 6, 7, 8),
    /no Avro schema with fingerprint 0102030405060708/,
  ],
  [
    'a fingerprint with its bytes the wrong way round',
    Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.from(header.subarray(2)).reverse(), good.subarray(10)]),
    /no Avro schema/,
  ],
  ['a header and nothing else', header, /events of 1 bytes at 10 runs past/],
  ['a batch without its end', good.subarray(0, -1), /runs past/],
  ['a batch cut in its data', good.subarray(0, -5), /runs past/],
  ['a batch cut in its hashes', good.subarray(0, 20), /announces|runs past/],
  ['a batch with a byte too many', Buffer.concat([good, Buffer.from([0])]), /1 bytes follow/],
  ['two batches in one record', Buffer.concat([good, good]), /bytes follow/],
  ['a count of 2^31', withHeader(0x80, 0x80, 0x80, 0x80, 0x10), /announces 2147483648 elements/],
  ['a count of 2^52', withHeader(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10), /announces|beyond 53 bits/],
  ['a count past 53 bits', withHeader(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), /beyond 53 bits/],
  ['a count that never ends', withHeader(...Array<number>(20).fill(0x80)), /beyond 53 bits/],
  ['a count below zero without its size', withHeader(0x01), /runs past/],
  ['a count below zero of more than there is', withHeader(0xff, 0x0f, 0x02), /announces/],
  [
    'a block that says it is shorter than it is',
    Buffer.concat([header, Buffer.from([0x01, 0x02]), good.subarray(11)]),
    /has a block that ends at/,
  ],
  [
    'a block of a size below zero',
    Buffer.concat([header, Buffer.from([0x01, 0x01]), good.subarray(11)]),
    /has a block that ends at/,
  ],
  ['a count of one event too many', changed(10, 0x04), /announces|runs past/],
  ['a count of none, and an event', changed(10, 0x00), /bytes follow/],
  [
    'a text longer than the record',
    replaced('\u0008acme', Buffer.from([0xfe, 0x7f, ...Buffer.from('acme')])),
    /runs past/,
  ],
  ['a text of a length below zero', replaced('\u0008acme', Buffer.from([0x07, ...Buffer.from('acme')])), /runs past/],
  [
    'a text of a length past 53 bits',
    replaced('\u0008acme', Buffer.from([...Array<number>(9).fill(0xff), 0x01, ...Buffer.from('acme')])),
    /beyond 53 bits/,
  ],
  ['a tenant that is not UTF-8', replaced('acme', Buffer.from([0x61, 0xff, 0x6d, 0x65])), /tenant at \d+ is not UTF-8/],
  ['a subject cut within a character', replaced('cus', Buffer.from([0x63, 0xe2, 0x82])), /subject at \d+ is not UTF-8/],
  [
    'data with a surrogate in UTF-8',
    replaced('{"tokens":1}', Buffer.from('{"tok\u00ed\u00a0\u0080":1}', 'latin1')),
    /data at \d+ is not UTF-8/,
  ],
  ['a boolean that is 2', changed(TIMES_AT + 12, 2), /timeGiven is neither true nor false but 2/],
  ['a time past 53 bits', changed(TIMES_AT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), /beyond 53 bits/],
  ['a tick without its time', kind('tick'), /runs past/],
  ['a tick with something behind it', kind('tick', 2, 2, 0), /bytes follow/],
  ['a tick past 53 bits', kind('tick', ...Array<number>(9).fill(0xff), 0x01), /beyond 53 bits/],
  ['a catalog change without its version', kind('catalog-change'), /runs past/],
  [
    'a catalog change with an event behind it',
    Buffer.concat([encodeCatalogChange({ version: 1 }), good]),
    /bytes follow/,
  ],
  ['a tick’s header on a batch', Buffer.concat([kind('tick'), good.subarray(10)]), /bytes follow|beyond 53 bits/],
  [
    'a batch’s header on a tick',
    Buffer.concat([header, encodeTick({ sentAt: APPENDED_AT }).subarray(10)]),
    /announces|runs past/,
  ],
  [
    'a later schema with a block that says -1 bytes, which avsc would never leave',
    laterWith(0x01, 0x01, 0x02, 0x61, 0, 0, 0, 0),
    /has a block that ends at/,
  ],
  ['a later schema with a symbol that is none', laterWith(0, 0x04, 0, 0), /names choice 2 of 2/],
  ['a later schema with a symbol below zero', laterWith(0, 0x01, 0, 0), /names choice -1 of 2/],
  ['a later schema with a branch that is none', laterWith(0, 0, 0x04, 0), /names choice 2 of 2/],
  ['a later schema with an array of 2^31', laterWith(0x80, 0x80, 0x80, 0x80, 0x10), /announces/],
  ['a later schema with a text that is not UTF-8', laterWith(0, 0, 0x02, 0x02, 0xff, 0), /is not UTF-8/],
  ['a later schema cut short', laterWhole.subarray(0, -2), /runs past/],
];

/** A whole event, and the code of its reject; null: it is accepted. */
export const oddEvents: readonly (readonly [name: string, event: UsageEvent, code: string | null])[] = [
  ['an empty tenant', event({ tenant: '' }), 'invalid_name'],
  ['a NUL in the tenant', event({ tenant: 'ac\u0000me' }), 'invalid_name'],
  ['a tenant of 257 characters', event({ tenant: 't'.repeat(257) }), 'invalid_name'],
  ['an empty subject', event({ subject: '' }), 'invalid_name'],
  ['a NUL in the subject', event({ subject: 'cus\u0000' }), 'invalid_name'],
  ['a subject of 257 emoji', event({ subject: '😀'.repeat(257) }), 'invalid_name'],
  ['a subject of a megabyte', event({ subject: 's'.repeat(1_000_000) }), 'invalid_name'],
  ['a subject of 256 emoji', event({ subject: '😀'.repeat(256) }), null],
  ['an id with a tab and a line feed', event({ id: 'a\tb\n\\N' }), null],
  ['an id with a NUL, which only the usage store holds', event({ id: 'a\u0000b' }), null],
  ['a type that no meter reads', event({ type: 'other', data: 'not JSON' }), null],
  ['a type named __proto__', event({ type: '__proto__' }), null],
  ['no data', event({ data: '' }), 'malformed_data'],
  ['data cut short', event({ data: '{"tokens":' }), 'malformed_data'],
  ['data with NaN', event({ data: '{"tokens":NaN}' }), 'malformed_data'],
  ['data that would break out of its event', event({ data: '{"tokens":1},"subject":"other"' }), 'malformed_data'],
  [
    'an exact number 600 levels deep',
    event({ data: `{"tokens":1e2,"a":${'['.repeat(600)}${']'.repeat(600)}}` }),
    'malformed_data',
  ],
  [
    '100,000 levels without one',
    event({ data: `{"tokens":1,"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}` }),
    null,
  ],
  ['data that is null', event({ data: 'null' }), null],
  ['data that is a number', event({ data: '5' }), null],
  ['data that is an array', event({ data: '[1]' }), null],
  ['text for a number', event({ data: '{"tokens":"many"}' }), 'invalid_value'],
  ['1e999', event({ data: '{"tokens":1e999}' }), 'invalid_value'],
  ['27 digits', event({ data: `{"tokens":${'9'.repeat(27)}}` }), 'invalid_value'],
  ['10,000 digits', event({ data: `{"tokens":${'9'.repeat(10_000)}}` }), 'invalid_value'],
  ['-0', event({ data: '{"tokens":-0}' }), null],
  ['26 and 12 digits', event({ data: `{"tokens":${'9'.repeat(26)}.${'9'.repeat(12)}}` }), null],
  ['a value of __proto__ alone', event({ type: 'audio', data: '{"__proto__":{"seconds":1}}' }), 'missing_value'],
  ['a required value that is null', event({ type: 'audio', data: '{"seconds":null}' }), 'missing_value'],
  ['a unique value with a lone surrogate', event({ data: '{"user":"\\ud800"}' }), 'invalid_value'],
  ['a group with a lone surrogate', event({ data: '{"tokens":1,"model":"\\udfff"}' }), 'invalid_group'],
  ['a group with a NUL', event({ data: '{"tokens":1,"model":"\\u0000"}' }), 'invalid_group'],
  ['a group that is an object', event({ data: '{"tokens":1,"model":{}}' }), 'invalid_group'],
  ['a group of 256 emoji', event({ data: JSON.stringify({ tokens: 1, model: '😀'.repeat(256) }) }), null],
  [
    'a group with a quote, a tab and a backslash',
    event({ data: JSON.stringify({ tokens: 1, model: "'\t\\N\n" }) }),
    null,
  ],
  ['a time at the horizon', event({ eventTime: APPENDED_AT - 35 * DAY_MS }), null],
  ['a time a millisecond past it', event({ eventTime: APPENDED_AT - 35 * DAY_MS - 1 }), 'too_late'],
  ['the time 0', event({ eventTime: 0 }), 'too_late'],
  ['a time 140,000 years ago', event({ eventTime: -(2 ** 52) }), 'too_late'],
  ['a time a day ahead', event({ eventTime: APPENDED_AT + DAY_MS }), null],
  ['a time a day and a millisecond ahead', event({ eventTime: APPENDED_AT + DAY_MS + 1 }), 'time_in_future'],
  ['a time in 140,000 years', event({ eventTime: 2 ** 52 - 1 }), 'time_in_future'],
  ['an arrival long before the epoch', event({ receivedAt: -(2 ** 52) }), null],
  ['an arrival in 140,000 years', event({ receivedAt: 2 ** 52 - 1 }), null],
  ['a key that is not that of its names', event({ dedupKey: Buffer.alloc(16) }), null],
  ['the largest payload hash', event({ payloadHash: 2n ** 64n - 1n }), null],
];
