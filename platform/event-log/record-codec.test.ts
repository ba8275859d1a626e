import { describe, expect, it } from '@jest/globals';
import avro from 'avsc';
import fc from 'fast-check';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import { crc64Avro, currentSchemas } from './avro-registry.ts';
import {
  AvroRegistry,
  decodeRecord,
  encodeCatalogChange,
  encodeEventBatch,
  encodeTick,
  MalformedRecord,
  UnknownSchema,
} from './record-codec.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const usageEvent: fc.Arbitrary<UsageEvent> = fc
  .record({
    tenant: text,
    source: text,
    id: text,
    type: text,
    subject: text,
    eventTime: fc.integer({ min: -1e13, max: 1e13 }),
    receivedAt: fc.integer({ min: 0, max: 1e13 }),
    timeGiven: fc.boolean(),
    data: fc.json(),
  })
  .map((event) => ({
    ...event,
    dedupKey: dedupKeyOf(event.tenant, event.source, event.id),
    payloadHash: payloadHashOf(event.type, event.subject, event.timeGiven ? event.eventTime : null, event.data),
  }));

const toAvro = (event: UsageEvent): object => {
  const payloadHash = Buffer.alloc(8);
  payloadHash.writeBigUInt64BE(event.payloadHash);
  return { ...event, payloadHash };
};

describe('record codec', () => {
  const registry = new AvroRegistry();

  it('writes the bytes that avsc writes, and reads them back', () => {
    fc.assert(
      fc.property(fc.array(usageEvent, { maxLength: 20 }), (events) => {
        const bytes = encodeEventBatch(events);
        const twin = currentSchemas['event-batch'].type.toBuffer({ events: events.map(toAvro) });
        expect(bytes.subarray(10).equals(twin)).toBe(true);
        expect(decodeRecord(registry, bytes)).toEqual({ kind: 'event-batch', events });
      }),
    );
  });

  it('reads ticks and catalog changes', () => {
    expect(decodeRecord(registry, encodeTick({ sentAt: 1_700_000_000_123 }))).toEqual({
      kind: 'tick',
      sentAt: 1_700_000_000_123,
      ruleSet: 1,
    });
    expect(decodeRecord(registry, encodeTick({ sentAt: 1, ruleSet: 7 }))).toMatchObject({ ruleSet: 7 });
    expect(decodeRecord(registry, encodeCatalogChange({ version: 7 }))).toEqual({ kind: 'catalog-change', version: 7 });
  });

  it('computes the fingerprint the Avro specification computes', () => {
    // Known answers from the specification's reference implementation (Java's SchemaNormalization tests).
    expect(crc64Avro('"null"').readBigUInt64LE()).toBe(7195948357588979594n);
    expect(crc64Avro('"int"').readBigUInt64LE()).toBe(8247732601305521295n);
  });

  it('never hangs, never throws anything but MalformedRecord or UnknownSchema on damaged bytes', () => {
    const good = encodeEventBatch([
      {
        tenant: 't',
        source: 's',
        id: 'i',
        type: 'x',
        subject: 'u',
        eventTime: 1,
        receivedAt: 2,
        timeGiven: true,
        data: '{}',
        dedupKey: Buffer.alloc(16, 1),
        payloadHash: 5n,
      },
    ]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(good.length),
        (edits, length) => {
          const bytes = Buffer.from(good.subarray(0, length));
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            decodeRecord(registry, bytes);
          } catch (error) {
            expect(error instanceof MalformedRecord || error instanceof UnknownSchema).toBe(true);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('refuses text that is not UTF-8: damage must not make two names one', () => {
    const bytes = encodeEventBatch([
      {
        tenant: 't',
        source: 's',
        id: 'i\ufffd',
        type: 'x',
        subject: 'subject',
        eventTime: 1,
        receivedAt: 2,
        timeGiven: true,
        data: '{}',
        dedupKey: Buffer.alloc(16, 1),
        payloadHash: 5n,
      },
    ]);
    expect(decodeRecord(registry, bytes)).toMatchObject({ events: [{ id: 'i\ufffd' }] });
    bytes[bytes.indexOf('subject')] = 0xff;
    expect(() => decodeRecord(registry, bytes)).toThrow(MalformedRecord);
  });

  it('refuses a forged count at once', () => {
    const forged = Buffer.concat([
      encodeEventBatch([]).subarray(0, 10),
      Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    ]);
    expect(() => decodeRecord(registry, forged)).toThrow(/announces \d+ elements/);
  });
});

describe('schema evolution', () => {
  const v1 = currentSchemas['event-batch'].schema as { fields: { type: { items: { fields: object[] } } }[] };
  const v2 = structuredClone(v1);
  v2.fields[0]!.type.items.fields.push({ name: 'region', type: ['null', 'string'], default: null });
  const v2Type = avro.Type.forSchema(v2 as unknown as avro.Schema);
  const event = {
    dedupKey: Buffer.alloc(16, 9),
    payloadHash: Buffer.alloc(8, 3),
    receivedAt: 5,
    eventTime: 4,
    timeGiven: true,
    tenant: 't',
    source: '',
    id: 'i',
    type: 'x',
    subject: 'u',
    data: '{"n":1}',
  };
  const header = Buffer.concat([Buffer.from([0xc3, 0x01]), crc64Avro(JSON.stringify(v2Type.schema()))]);
  const written = Buffer.concat([header, v2Type.toBuffer({ events: [{ ...event, region: 'eu' }] })]);

  it('an old reader says which schema it lacks, and reads new data once it has it', () => {
    const registry = new AvroRegistry();
    expect(() => decodeRecord(registry, written)).toThrow(UnknownSchema);
    registry.add(v2);
    expect(decodeRecord(registry, written)).toEqual({
      kind: 'event-batch',
      events: [{ ...event, payloadHash: 0x0303030303030303n }],
    });
  });

  it('refuses a block of a new array that lies about its size, which avsc would jump by for ever', () => {
    const v3 = structuredClone(v1);
    v3.fields[0]!.type.items.fields.push({ name: 'tags', type: { type: 'array', items: 'string' }, default: [] });
    const v3Type = avro.Type.forSchema(v3 as unknown as avro.Schema);
    const registry = new AvroRegistry();
    registry.add(v3);
    const tagged = Buffer.concat([
      Buffer.from([0xc3, 0x01]),
      crc64Avro(JSON.stringify(v3Type.schema())),
      v3Type.toBuffer({ events: [{ ...event, tags: [] }] }),
    ]);
    // In place of the empty array: one block of one element (count -1) of `size` bytes, then the two ends.
    const withBlock = (size: number): Buffer =>
      Buffer.concat([
        tagged.subarray(0, -2),
        Buffer.from([0x01, size >= 0 ? size * 2 : -size * 2 - 1, 0x02, 0x61, 0, 0]),
      ]);
    expect(decodeRecord(registry, withBlock(2))).toMatchObject({ events: [{ id: 'i' }] });
    for (const size of [-3, -1, 0, 1, 3])
      expect(() => decodeRecord(registry, withBlock(size))).toThrow(MalformedRecord);
  });

  it('a new reader reads old data, with the default of the new field', () => {
    const v1Type = currentSchemas['event-batch'].type;
    const old = v1Type.toBuffer({ events: [event] });
    const read = v2Type.fromBuffer(old, v2Type.createResolver(v1Type)) as { events: { region: unknown }[] };
    expect(read.events[0]!.region).toBeNull();
  });

  it('a schema that this reader could not read is refused when it is added', () => {
    const incompatible = structuredClone(v1);
    incompatible.fields[0]!.type.items.fields = incompatible.fields[0]!.type.items.fields.slice(1);
    expect(() => new AvroRegistry().add(incompatible)).toThrow();
  });
});
