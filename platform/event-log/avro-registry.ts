// The Avro schemas of log records, named by their CRC-64-AVRO fingerprint as in Avro's single-object encoding: two
// marker bytes, eight bytes of fingerprint (little-endian), then the body. A record says what it was written with, so a
// reader of another version resolves it instead of guessing. Source: Apache Avro 1.11 specification, "Single object
// encoding" and "Parsing Canonical Form for Schemas".
import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { projectFile } from '../process/project-root.ts';

export const SINGLE_OBJECT_MARKER = 0xc301;
export const HEADER_BYTES = 10;

export type RecordKind = 'event-batch' | 'tick' | 'catalog-change';

/** The version of each kind that this build writes and reads natively. */
const currentFiles: Readonly<Record<RecordKind, string>> = {
  'event-batch': 'event-batch.v1.avsc',
  tick: 'tick.v2.avsc',
  'catalog-change': 'catalog-change.v1.avsc',
};

const kindByName: Readonly<Record<string, RecordKind>> = {
  'tallyline.EventBatch': 'event-batch',
  'tallyline.Tick': 'tick',
  'tallyline.CatalogChange': 'catalog-change',
};

const EMPTY = 0xc15d213aa4d7a795n;

const crcTable: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (EMPTY & -(crc & 1n) & 0xffffffffffffffffn);
  return crc;
});

/** CRC-64-AVRO of a text, as the eight little-endian bytes of the single-object header. */
export function crc64Avro(text: string): Buffer {
  let crc = EMPTY;
  for (const byte of Buffer.from(text, 'utf8')) crc = (crc >> 8n) ^ crcTable[Number((crc ^ BigInt(byte)) & 0xffn)]!;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(crc);
  return bytes;
}

export interface WriterSchema {
  readonly kind: RecordKind;
  readonly fingerprint: Buffer;
  readonly type: avro.Type;
  /** The schema as JSON, as it is stored for other readers. */
  readonly schema: object;
}

function toWriterSchema(schema: object): WriterSchema {
  const type = avro.Type.forSchema(schema as avro.Schema);
  const kind = kindByName[type.name ?? ''];
  if (kind === undefined) throw new Error(`avro schema ${type.name ?? '(no name)'} is not a record of the event log`);
  // avsc's schema() prints the parsing canonical form: names in full, no docs, fixed key order.
  return { kind, type, schema, fingerprint: crc64Avro(JSON.stringify(type.schema())) };
}

export const currentSchemas = Object.fromEntries(
  Object.entries(currentFiles).map(([kind, file]) => [
    kind,
    toWriterSchema(JSON.parse(readFileSync(projectFile(`schemas/avro/${file}`), 'utf8')) as object),
  ]),
) as Readonly<Record<RecordKind, WriterSchema>>;

interface Resolvable {
  readonly kind: RecordKind;
  readonly writer: avro.Type;
  readonly resolver: avro.Resolver;
}

const nameOf = (fingerprint: Buffer): string => fingerprint.toString('hex');
const resolvable = ({ kind, type }: WriterSchema): Resolvable => ({
  kind,
  writer: type,
  resolver: currentSchemas[kind].type.createResolver(type),
});

const ownSchemas: readonly [string, Resolvable][] = Object.values(currentSchemas).map((schema) => [
  nameOf(schema.fingerprint),
  resolvable(schema),
]);

/** The schemas this reader can resolve: its own, and every other writer's that was added. */
export class AvroRegistry {
  private readonly resolvables = new Map(ownSchemas);

  /** Adds a writer's schema. Throws where this reader's own version can't read what it writes. */
  add(schema: object): void {
    const writer = toWriterSchema(schema);
    this.resolvables.set(nameOf(writer.fingerprint), resolvable(writer));
  }

  find(fingerprint: Buffer): Resolvable | null {
    return this.resolvables.get(nameOf(fingerprint)) ?? null;
  }
}
