// The rows of an insert, read from the TabSeparated text that the aggregator writes.
import { xxh64 } from '@node-rs/xxhash';
import { DAY } from './plan.ts';
import { unitsOf } from './units.ts';

export interface EventRow {
  readonly kind: 'event';
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
  readonly index: number;
  readonly epoch: number;
  readonly tenant: string;
  readonly id: string;
  /** The columns that the dedup index is rebuilt from, as RowBinary. */
  readonly indexed: Buffer;
  readonly checksum: bigint;
}

export interface RollUpRow {
  readonly kind: 'roll-up';
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: number;
  readonly version: number;
  readonly tenant: string;
  readonly meter: string;
  readonly subject: string;
  readonly windowStart: number;
  readonly groupValues: readonly string[];
  /** In 10^-12. */
  readonly value: bigint;
  readonly eventCount: number;
  /** Event time, T, offset, index: the order of a `latest` meter's values. */
  readonly latest: readonly [number, number, number, number];
  readonly uniqueValues: readonly string[];
  readonly checksum: bigint;
}

export interface RejectRow {
  readonly kind: 'reject';
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
  readonly index: number;
  readonly epoch: number;
  readonly reason: string;
  readonly tenant: string;
  readonly checksum: bigint;
}

export type Row = EventRow | RollUpRow | RejectRow;

const unescapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', '\\': '\\', "'": "'" };
const plain = (text: string): string =>
  text.includes('\\') ? text.replace(/\\(.)/g, (_, char: string) => unescapes[char] ?? char) : text;
const utf8 = (latin1: string): string => {
  for (let i = 0; i < latin1.length; i++)
    if (latin1.charCodeAt(i) > 127) return Buffer.from(latin1, 'latin1').toString('utf8');
  return latin1;
};
const textOf = (column: string): string => utf8(plain(column));
const textsOf = (column: string): string[] => {
  const inner = column.slice(1, -1);
  if (inner === '') return [];
  if (!inner.includes('\\')) return inner.slice(1, -1).split("','").map(utf8);
  return [...inner.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map((match) => textOf(match[1]!));
};
const millisOf = (column: string): number => Date.parse(`${column.replace(' ', 'T')}Z`);

/** The first Monday of UTC, and the week of a time, counted from there. */
const MONDAY = Date.UTC(1970, 0, 5);
const weekOf = (time: number): string => String(Math.floor((time - MONDAY) / (7 * DAY)));

/** Where each column of an insert is in its rows. */
export type Positions = Readonly<Record<string, number>>;
const positionsOfColumns = new Map<readonly string[], Positions>();

export function positionsOf(columns: readonly string[]): Positions {
  let positions = positionsOfColumns.get(columns);
  if (positions === undefined) {
    positions = Object.fromEntries(columns.map((column, i) => [column, i]));
    positionsOfColumns.set(columns, positions);
  }
  return positions;
}

type Cells = readonly string[];

interface Place {
  readonly generation: number;
  readonly partition: number;
  readonly epoch: number;
}

const placeOf = (cells: Cells, at: Positions): Place => ({
  generation: Number(cells[at.generation!]),
  partition: Number(cells[at.partition!]),
  epoch: Number(cells[at.epoch!]),
});

export function eventRow(cells: Cells, at: Positions): EventRow {
  const place = placeOf(cells, at);
  const offset = Number(cells[at.offset!]);
  const dedupKey = Buffer.from(plain(cells[at.dedup_key!]!), 'latin1');
  const payloadHash = BigInt(cells[at.payload_hash!]!);
  const liveUntil = Math.max(millisOf(cells[at.accepted_at!]!), millisOf(cells[at.event_time!]!));
  return {
    kind: 'event',
    ...place,
    offset,
    index: Number(cells[at.index!]),
    tenant: textOf(cells[at.tenant!]!),
    id: textOf(cells[at.id!]!),
    indexed: indexedColumns(dedupKey, payloadHash, liveUntil, offset, place.epoch),
    checksum: dedupKey.readBigUInt64LE(0) ^ payloadHash,
  };
}

export function rollUpRow(cells: Cells, at: Positions): RollUpRow {
  return {
    kind: 'roll-up',
    ...placeOf(cells, at),
    chunk: Number(cells[at.chunk!]),
    version: Number(cells[at.version!]),
    tenant: textOf(cells[at.tenant!]!),
    meter: textOf(cells[at.meter!]!),
    subject: textOf(cells[at.subject!]!),
    windowStart: Number(cells[at.window_start!]) * 1000,
    groupValues: JSON.parse(textOf(cells[at.group_values!]!)) as string[],
    value: unitsOf(cells[at.value!]!),
    eventCount: Number(cells[at.event_count!]),
    latest: [
      Number(cells[at.latest_event_time!]),
      Number(cells[at.latest_accepted_at!]),
      Number(cells[at.latest_offset!]),
      Number(cells[at.latest_index!]),
    ],
    uniqueValues: textsOf(cells[at.unique_values!]!),
    checksum: BigInt(cells[at.row_hash!]!),
  };
}

export function rejectRow(cells: Cells, at: Positions): RejectRow {
  return {
    kind: 'reject',
    ...placeOf(cells, at),
    offset: Number(cells[at.offset!]),
    index: Number(cells[at.index!]),
    reason: cells[at.reason!]!,
    tenant: textOf(cells[at.tenant!]!),
    checksum: xxh64(Buffer.from(plain(cells[at.bytes!]!), 'latin1')),
  };
}

/** The month or week by which a table is partitioned: an insert makes a part for each. */
export function spanOfRow(table: string, cells: Cells, at: Positions): string {
  switch (table) {
    case 'usage_events':
      return cells[at.accepted_at!]!.slice(0, 7);
    case 'usage_rollups':
      return weekOf(Number(cells[at.window_start!]) * 1000);
    case 'event_rejects':
      return cells[at.rejected_at!]!.slice(0, 7);
    default:
      return '';
  }
}

const ROLL_UP_KEY = ['generation', 'chunk', 'tenant', 'meter', 'subject', 'window_start', 'group_values'];

/** Names a roll-up by its columns as they stand in the body: no two texts of one row differ there. */
export const rollUpKey = (cells: Cells, at: Positions): string =>
  ROLL_UP_KEY.map((column) => cells[at[column]!]).join('\t');

/** Names an event or a reject. */
export const placeKey = ({ generation, offset, index }: EventRow | RejectRow): string =>
  `${generation}/${offset}/${index}`;

function indexedColumns(
  dedupKey: Buffer,
  payloadHash: bigint,
  liveUntil: number,
  offset: number,
  epoch: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(48);
  dedupKey.copy(bytes);
  bytes.writeBigUInt64LE(payloadHash, 16);
  bytes.writeBigInt64LE(BigInt(liveUntil), 24);
  bytes.writeBigUInt64LE(BigInt(offset), 32);
  bytes.writeBigUInt64LE(BigInt(epoch), 40);
  return bytes;
}
