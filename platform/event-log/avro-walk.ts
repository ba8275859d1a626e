// Walks the bytes of any Avro schema once, checking every length and count against what is there, and builds nothing.
// avsc reads past a buffer's end and notices afterwards, which a forged count turns into a hang; this runs before it.
import type { Type } from 'avsc';
import { AvroReader, MalformedRecord } from './avro-cursor.ts';

interface ParsedType extends Type {
  readonly typeName: string;
  readonly fields?: readonly { readonly name: string; readonly type: ParsedType }[];
  readonly itemsType?: ParsedType;
  readonly valuesType?: ParsedType;
  readonly types?: readonly ParsedType[];
  readonly size?: number;
  readonly symbols?: readonly string[];
}

function walk(type: ParsedType, reader: AvroReader, what: string): void {
  switch (type.typeName) {
    case 'null':
      return;
    case 'boolean':
      reader.boolean(what);
      return;
    case 'int':
    case 'long':
      reader.long(what);
      return;
    case 'float':
      reader.fixed(4, what);
      return;
    case 'double':
      reader.fixed(8, what);
      return;
    case 'string':
      reader.string(what);
      return;
    case 'bytes':
      reader.fixed(reader.long(what), what);
      return;
    case 'fixed':
      reader.fixed(type.size!, what);
      return;
    case 'enum':
      branch(type.symbols!, reader.long(what), what);
      return;
    case 'union:unwrapped':
    case 'union:wrapped':
      walk(branch(type.types!, reader.long(what), what), reader, what);
      return;
    case 'array':
      reader.array(what, 1, () => walk(type.itemsType!, reader, what));
      return;
    case 'map':
      reader.array(what, 1, () => {
        reader.fixed(reader.long(what), what);
        walk(type.valuesType!, reader, what);
      });
      return;
    case 'record':
    case 'error':
      for (const field of type.fields!) walk(field.type, reader, `${what}.${field.name}`);
      return;
    default:
      throw new MalformedRecord(`${what} has the type ${type.typeName}, which no record of the log uses`);
  }
}

function branch<T>(choices: readonly T[], index: number, what: string): T {
  const choice = choices[index];
  if (choice === undefined) throw new MalformedRecord(`${what} names choice ${index} of ${choices.length}`);
  return choice;
}

/** Throws a MalformedRecord unless `bytes` are exactly one value of `type`. */
export function walkAvro(type: Type, bytes: Buffer): void {
  const reader = new AvroReader(bytes, 0);
  walk(type as ParsedType, reader, type.name ?? 'record');
  reader.end();
}
