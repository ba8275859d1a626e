// ClickHouse as a model: tables of row versions with the semantics of ReplacingMergeTree, for the statements of the
// aggregator as text and for the reads of the rater as calls. A read with FINAL sees, of rows with one key, the one of the
// highest version (of equal ones the last inserted); a read without sees all of them.
import { xxh64 } from '@node-rs/xxhash';
import type { Seal } from '../../aggregator/seal-store.ts';
import { type ClickHouse, ClickHouseError } from '../../platform/clickhouse/click-house.ts';
import { Network } from './network.ts';
import { DAY } from './plan.ts';
import type { Random } from './random.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { type Bounds, parseSelect } from './select.ts';
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

type Row = EventRow | RollUpRow | RejectRow;

interface Stored<R extends Row> {
  readonly row: R;
  readonly version: number;
  readonly part: Part;
}

/** What one insert wrote into one month of one table. */
interface Part {
  readonly table: string;
  readonly insertedAt: number;
  /** From then on it is on disk, and may have been answered for. */
  durableAt: number;
  isLost: boolean;
  /** Each of its rows stands in an older part as well, with what it was before: without it nothing seems to be missing. */
  hidesOlderRows: boolean;
}

/** Rows that lie together in the log (or in a chunk): a read need not look at all. */
interface Bucket<R extends Row> {
  /** By key, all versions of a row in order of insertion. */
  readonly versions: Map<string, Stored<R>[]>;
}

/** Places in the log (or chunks) to look at, both ends included. */
export interface Places {
  readonly from: number;
  readonly to: number;
}

const EVERYWHERE: Places = { from: 0, to: Number.POSITIVE_INFINITY };

/** The row that counts, of what had been inserted by `asOf`. `evenLost`: as if no part had been lost. */
export function finalOf<R extends Row>(versions: readonly Stored<R>[], asOf: number, evenLost = false): R | null {
  let best: Stored<R> | null = null;
  for (let i = 0; i < versions.length; i++) {
    const stored = versions[i]!;
    if ((stored.part.isLost && !evenLost) || stored.part.insertedAt > asOf) continue;
    if (best === null || stored.version >= best.version) best = stored;
  }
  return best === null ? null : best.row;
}

export class Table<R extends Row> {
  /** By partition of the log, then by the places they hold. */
  private readonly buckets = new Map<number, Map<number, Bucket<R>>>();
  private readonly placesShift: number;
  private readonly placeOf: (row: R) => number;

  /** A bucket holds 2^placesShift places. */
  constructor(placesShift: number, placeOf: (row: R) => number) {
    this.placesShift = placesShift;
    this.placeOf = placeOf;
  }

  add(partition: number, place: number, key: string, stored: Stored<R>): Stored<R>[] {
    let ofPartition = this.buckets.get(partition);
    if (ofPartition === undefined) {
      ofPartition = new Map();
      this.buckets.set(partition, ofPartition);
    }
    const number = place >> this.placesShift;
    let bucket = ofPartition.get(number);
    if (bucket === undefined) {
      bucket = { versions: new Map() };
      ofPartition.set(number, bucket);
    }
    const versions = bucket.versions.get(key);
    if (versions !== undefined) {
      versions.push(stored);
      return versions;
    }
    const first = [stored];
    bucket.versions.set(key, first);
    return first;
  }

  private eachIn(partition: number, { from, to }: Places, look: (versions: readonly Stored<R>[]) => void): void {
    const ofPartition = this.buckets.get(partition);
    if (ofPartition === undefined) return;
    const first = from >> this.placesShift;
    const last = to === Number.POSITIVE_INFINITY ? to : to >> this.placesShift;
    if (last - first > ofPartition.size) {
      for (const [number, bucket] of ofPartition) if (number >= first && number <= last) bucket.versions.forEach(look);
    } else {
      for (let number = first; number <= last; number++) ofPartition.get(number)?.versions.forEach(look);
    }
  }

  /** As FINAL gives them, of what had been inserted by `asOf`. */
  final(partition: number, asOf: number, places: Places = EVERYWHERE, evenLost = false): R[] {
    const found: R[] = [];
    this.eachIn(partition, places, (versions) => {
      const row = finalOf(versions, asOf, evenLost);
      if (row === null) return;
      const place = this.placeOf(row);
      if (place >= places.from && place <= places.to) found.push(row);
    });
    return found;
  }

  /** Without FINAL: every version that no merge has taken away yet. */
  all(partition: number, asOf: number, places: Places = EVERYWHERE): R[] {
    const found: R[] = [];
    this.eachIn(partition, places, (versions) => {
      for (const { row, part } of versions) {
        if (part.isLost || part.insertedAt > asOf) continue;
        const place = this.placeOf(row);
        if (place >= places.from && place <= places.to) found.push(row);
      }
    });
    return found;
  }

  partitions(): Iterable<number> {
    return this.buckets.keys();
  }

  /** A merge keeps the last version of each key only, and writes it into one part with the others. */
  merge(into: Part, of: ReadonlySet<Part>): void {
    for (const partition of this.buckets.keys()) {
      this.eachIn(partition, EVERYWHERE, (stored) => {
        const versions = stored as Stored<R>[];
        const merging = versions.filter(({ part }) => of.has(part) && !part.isLost);
        if (merging.length === 0) return;
        const best = merging.reduce((a, b) => (b.version >= a.version ? b : a));
        const at = versions.lastIndexOf(best);
        const kept = versions.filter((each, i) => i === at || !of.has(each.part));
        kept[kept.indexOf(best)] = { ...best, part: into };
        versions.splice(0, versions.length, ...kept);
      });
    }
  }
}

interface Sum {
  count: number;
  checksum: bigint;
}
const sumsOf = (seals: readonly Seal[]): Sum[] => seals.map(() => ({ count: 0, checksum: 0n }));

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

const months = new Map<number, string>();

/** The month of a time, as text. */
function monthOf(time: number): string {
  const day = Math.floor(time / DAY);
  let month = months.get(day);
  if (month === undefined) {
    month = new Date(time).toISOString().slice(0, 7);
    months.set(day, month);
  }
  return month;
}

/** Where each column of an insert is in its rows. */
type Positions = Readonly<Record<string, number>>;
const positionsOfColumns = new Map<readonly string[], Positions>();

function positionsOf(columns: readonly string[]): Positions {
  let positions = positionsOfColumns.get(columns);
  if (positions === undefined) {
    positions = Object.fromEntries(columns.map((column, i) => [column, i]));
    positionsOfColumns.set(columns, positions);
  }
  return positions;
}

type BySubject = Map<string, Stored<RollUpRow>[][]>;

interface RollUpsToRead {
  readonly tenant: string | null;
  readonly meter: string | null;
  readonly subjects: readonly string[] | null;
  readonly from: number;
  readonly to: number;
}

const ROLL_UP_KEY = ['generation', 'chunk', 'tenant', 'meter', 'subject', 'window_start', 'group_values'];

export class ClickHouseModel {
  readonly network: Network;
  readonly events = new Table<EventRow>(3, ({ offset }) => offset);
  readonly rollUps = new Table<RollUpRow>(0, ({ chunk }) => chunk);
  readonly rejects = new Table<RejectRow>(3, ({ offset }) => offset);
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private parts: Part[] = [];
  /** Reads see what was inserted by then; null: everything. */
  private staleUntil = 0;
  private staleAsOf = 0;
  /** The next inserts store only some of their parts and fail. */
  private partial = 0;
  private readonly byMeter = new Map<
    string,
    { readonly tenant: string; readonly meter: string; readonly days: Map<number, BySubject> }
  >();
  private crashes = 0;
  private hasLost = false;
  /** When rows that had been answered for were lost last. */
  lostAt = Number.NEGATIVE_INFINITY;
  private readonly manifestAt = new Map<number, number>();

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler;
    this.random = random;
    this.network = new Network('clickhouse', scheduler, random.fork('network'), {
      refused: () => new ClickHouseError('refused (simulated)', 202, true),
      unanswered: () => new ClickHouseError('no answer (simulated)', null, true),
    });
  }

  /** Reads go to a replica that got nothing since now, for a while. */
  serveStale(forMs: number): void {
    this.staleAsOf = this.scheduler.now;
    this.staleUntil = this.scheduler.now + forMs;
  }

  failPartially(inserts: number): void {
    this.partial += inserts;
  }

  /** The server dies. Parts that nobody was told of may be gone; an insert that was answered is on disk. */
  crash(downMs: number): void {
    this.crashes++;
    for (const part of this.parts) {
      if (part.durableAt > this.scheduler.now && this.random.chance(0.5)) part.isLost = true;
    }
    this.network.crash();
    this.network.awayUntil = Math.max(this.network.awayUntil, this.scheduler.now + downMs);
  }

  /** A power cut, and a disk that had lied: a part that was answered for is gone. `merged`: one that others had gone into. */
  losePart(merged: boolean, downMs: number): void {
    this.crash(downMs);
    const there = this.parts.filter(
      (part) => !part.isLost && part.durableAt <= this.scheduler.now && part.table !== 'manifests',
    );
    if (there.length === 0) return;
    // Often one of those that are still being flushed around.
    const recent = there.slice(this.random.chance(0.5) ? -12 : -200);
    const hiding = recent.filter((each) => each.hidesOlderRows);
    const part = this.random.pick(hiding.length > 0 && this.random.chance(0.4) ? hiding : recent);
    if (merged) {
      const with_ = new Set(recent.filter((each) => each.table === part.table && this.random.chance(0.1)));
      with_.add(part);
      this.merge(part.table, with_).isLost = true;
    } else part.isLost = true;
    this.hasLost = true;
    this.lostAt = this.scheduler.now;
    this.scheduler.note(`part of ${part.table} lost`, part.insertedAt);
  }

  private merge(table: string, of: ReadonlySet<Part>): Part {
    const newest = Math.max(...[...of].map((part) => part.insertedAt));
    const into: Part = { table, insertedAt: newest, durableAt: 0, isLost: false, hidesOlderRows: false };
    if (table.startsWith('usage_events')) this.events.merge(into, of);
    else if (table.startsWith('usage_rollups')) this.rollUps.merge(into, of);
    else this.rejects.merge(into, of);
    this.parts.push(into);
    this.parts = this.parts.filter((part) => !of.has(part));
    return into;
  }

  /** When the last row of a partition's flush came. */
  flushedAt(partition: number): number {
    return this.manifestAt.get(partition) ?? Number.NEGATIVE_INFINITY;
  }

  /** Whether a part was lost since this was asked last. */
  takeHasLost(): boolean {
    const { hasLost } = this;
    this.hasLost = false;
    return hasLost;
  }

  heal(): void {
    this.network.disarm();
    this.partial = 0;
    this.staleUntil = 0;
  }

  /** Whether the rows of a sealed chunk, of its epoch or a later one, are what was sealed. */
  holds(seal: Seal): boolean {
    const { partition, chunk, startOffset, endOffset } = seal;
    const now = Number.POSITIVE_INFINITY;
    const offsets = { from: startOffset, to: endOffset - 1 };
    const found = {
      events: this.events.final(partition, now, offsets),
      rejects: this.rejects.final(partition, now, offsets),
      rollUps: this.rollUps.final(partition, now, { from: chunk, to: chunk }),
    };
    return (['events', 'rejects', 'rollUps'] as const).every((table) => {
      const rows = (found[table] as readonly Row[]).filter(({ epoch }) => epoch >= Number(seal.epoch));
      const checksum = rows.reduce((sum, row) => sum + row.checksum, 0n);
      return rows.length === seal[table].count && BigInt.asUintN(64, checksum) === seal[table].checksum;
    });
  }

  /** The first sealed chunk of a partition whose rows are not what was sealed. `evenLost`: as if no part had been lost. */
  firstDamaged(seals: readonly Seal[], evenLost = false): number | null {
    const partition = seals[0]?.partition;
    if (partition === undefined) return null;
    const sums = { events: sumsOf(seals), rejects: sumsOf(seals), rollUps: sumsOf(seals) };
    const chunkAt = (offset: number): number => {
      let low = 0;
      let high = seals.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (seals[middle]!.endOffset <= offset) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    const add = (sum: Sum[], chunk: number, row: Row): void => {
      if (chunk >= seals.length || row.epoch < Number(seals[chunk]!.epoch)) return;
      sum[chunk]!.count++;
      sum[chunk]!.checksum += row.checksum;
    };
    const now = Number.POSITIVE_INFINITY;
    for (const row of this.events.final(partition, now, EVERYWHERE, evenLost))
      add(sums.events, chunkAt(row.offset), row);
    for (const row of this.rejects.final(partition, now, EVERYWHERE, evenLost))
      add(sums.rejects, chunkAt(row.offset), row);
    for (const row of this.rollUps.final(partition, now, EVERYWHERE, evenLost)) add(sums.rollUps, row.chunk, row);
    for (const seal of seals) {
      for (const table of ['events', 'rejects', 'rollUps'] as const) {
        const { count, checksum } = sums[table][seal.chunk]!;
        if (count !== seal[table].count || BigInt.asUintN(64, checksum) !== seal[table].checksum) return seal.chunk;
      }
    }
    return null;
  }

  /** Names what answers: the server since its start, or a replica that lags. */
  get serverRun(): { host: string; startedAt: number } {
    return { host: this.scheduler.now < this.staleUntil ? 'replica' : 'server', startedAt: this.crashes * 60 };
  }

  /** What a read may see. */
  asOf(): number {
    return this.scheduler.now < this.staleUntil ? this.staleAsOf : Number.POSITIVE_INFINITY;
  }

  /** Where the rows of a meter and subject are that lie in one day. */
  private dayOf({ tenant, meter, windowStart, subject }: RollUpRow): Stored<RollUpRow>[][] {
    const key = `${meter}/${tenant}`;
    let shelf = this.byMeter.get(key);
    if (shelf === undefined) {
      shelf = { tenant, meter, days: new Map() };
      this.byMeter.set(key, shelf);
    }
    const day = Math.floor(windowStart / DAY);
    let bySubject = shelf.days.get(day);
    if (bySubject === undefined) {
      bySubject = new Map();
      shelf.days.set(day, bySubject);
    }
    let rows = bySubject.get(subject);
    if (rows === undefined) {
      rows = [];
      bySubject.set(subject, rows);
    }
    return rows;
  }

  /** The versions of the roll-ups of a tenant's meter (null: of all) with windows in these days and maybe around them. */
  rollUpVersions(
    { tenant, meter, subjects, from, to }: RollUpsToRead,
    look: (versions: readonly Stored<RollUpRow>[]) => void,
  ): void {
    for (const shelf of this.byMeter.values()) {
      if ((tenant !== null && shelf.tenant !== tenant) || (meter !== null && shelf.meter !== meter)) continue;
      for (const [day, bySubject] of shelf.days) {
        if ((day + 1) * DAY <= from || day * DAY >= to) continue;
        for (const [subject, rows] of bySubject) {
          if (subjects === null || subjects.includes(subject)) rows.forEach(look);
        }
      }
    }
  }

  clientOf(process: Process): ClickHouse {
    const { network } = this;
    return {
      insert: (table, columns, body) => {
        // The bytes as they are now: the caller is free to use its buffer again once it has given up.
        const text = Buffer.concat(body).toString('latin1');
        return network.call<void>(process, `insert ${table}`, (reply) => this.insert(table, columns, text, reply));
      },
      query: <RowOut>(sql: string, params: Readonly<Record<string, unknown>> = {}) =>
        network.call<RowOut[]>(process, 'query', (reply) => reply({ value: this.select(sql, params) as RowOut[] })),
      queryBinary: (sql, params = {}) =>
        network.call<Buffer>(process, 'stream', (reply) =>
          reply({ value: Buffer.concat(this.select(sql, params) as Buffer[]) }),
        ),
      stream: () => {
        throw new Error('nothing that is simulated streams rows by its own SQL');
      },
      command: async () => {},
      close: async () => {},
    };
  }

  /** A read that the model answers as a call. */
  read<Result>(process: Process, what: string, work: (asOf: number) => Result): Promise<Result> {
    return this.network.call<Result>(process, what, (reply) => reply({ value: work(this.asOf()) }));
  }

  private insert(
    table: string,
    columns: readonly string[],
    text: string,
    reply: (outcome: { value: undefined } | { error: unknown }, afterMs?: number) => void,
  ): void {
    const { scheduler } = this;
    const parts = new Map<string, Part | null>();
    const isPartial = this.partial > 0;
    if (isPartial) this.partial--;
    const partOf = (month: string): Part | null => {
      const known = parts.get(month);
      if (known !== undefined) return known;
      const isStored = !isPartial || this.random.chance(0.5);
      const part = isStored
        ? {
            table,
            insertedAt: scheduler.now,
            durableAt: Number.POSITIVE_INFINITY,
            isLost: false,
            hidesOlderRows: table === 'usage_rollups',
          }
        : null;
      parts.set(month, part);
      if (part !== null) this.parts.push(part);
      return part;
    };
    const at = positionsOf(columns);
    let start = 0;
    while (start < text.length) {
      const end = text.indexOf('\n', start);
      const cells = text.slice(start, end).split('\t');
      start = end + 1;
      this.insertRow(table, cells, at, partOf);
    }
    scheduler.note(`insert ${table}`, text.length);
    if (isPartial) {
      reply({ error: new ClickHouseError('too many parts (simulated)', 252, true) });
      return;
    }
    // Visible at once, durable a moment later (fsync), and answered only then.
    const syncMs = this.random.int(1, 30);
    for (const part of parts.values()) if (part !== null) part.durableAt = scheduler.now + syncMs;
    reply({ value: undefined }, syncMs);
  }

  private insertRow(
    table: string,
    cells: readonly string[],
    at: Positions,
    partOf: (month: string) => Part | null,
  ): void {
    const generation = Number(cells[at.generation!]);
    const partition = Number(cells[at.partition!]);
    const epoch = Number(cells[at.epoch!]);
    switch (table) {
      case 'usage_events': {
        const part = partOf(cells[at.accepted_at!]!.slice(0, 7));
        if (part === null) return;
        const dedupKey = Buffer.from(plain(cells[at.dedup_key!]!), 'latin1');
        const payloadHash = BigInt(cells[at.payload_hash!]!);
        const liveUntil = Math.max(millisOf(cells[at.accepted_at!]!), millisOf(cells[at.event_time!]!));
        const row: EventRow = {
          kind: 'event',
          generation,
          partition,
          epoch,
          offset: Number(cells[at.offset!]),
          index: Number(cells[at.index!]),
          tenant: textOf(cells[at.tenant!]!),
          id: textOf(cells[at.id!]!),
          indexed: indexedColumns(
            dedupKey,
            payloadHash,
            liveUntil,
            Number(cells[at.offset!]),
            Number(cells[at.epoch!]),
          ),
          checksum: dedupKey.readBigUInt64LE(0) ^ payloadHash,
        };
        this.events.add(row.partition, row.offset, `${row.generation}/${row.offset}/${row.index}`, {
          row,
          version: row.epoch,
          part,
        });
        return;
      }
      case 'usage_rollups': {
        const windowStart = Number(cells[at.window_start!]) * 1000;
        const part = partOf(monthOf(windowStart));
        if (part === null) return;
        const row: RollUpRow = {
          kind: 'roll-up',
          generation,
          partition,
          epoch,
          chunk: Number(cells[at.chunk!]),
          version: Number(cells[at.version!]),
          tenant: textOf(cells[at.tenant!]!),
          meter: textOf(cells[at.meter!]!),
          subject: textOf(cells[at.subject!]!),
          windowStart,
          groupValues: textsOf(cells[at.group_values!]!),
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
        // The columns that name a row, as they stand in the body: no two texts of one row differ there.
        const key = ROLL_UP_KEY.map((column) => cells[at[column]!]).join('\t');
        const versions = this.rollUps.add(row.partition, row.chunk, key, { row, version: row.version, part });
        if (versions.length === 1) this.dayOf(row).push(versions);
        if (versions.at(-2)?.row.epoch !== row.epoch) part.hidesOlderRows = false;
        return;
      }
      case 'event_rejects': {
        const part = partOf(cells[at.rejected_at!]!.slice(0, 7));
        if (part === null) return;
        const row: RejectRow = {
          kind: 'reject',
          generation,
          partition,
          epoch,
          offset: Number(cells[at.offset!]),
          index: Number(cells[at.index!]),
          reason: cells[at.reason!]!,
          tenant: textOf(cells[at.tenant!]!),
          checksum: xxh64(Buffer.from(plain(cells[at.bytes!]!), 'latin1')),
        };
        this.rejects.add(row.partition, row.offset, `${row.generation}/${row.offset}/${row.index}`, {
          row,
          version: row.epoch,
          part,
        });
        return;
      }
      case 'manifests':
        partOf('');
        this.manifestAt.set(Number(cells[at.partition!]), this.scheduler.now);
        return;
      default:
        throw new Error(`the model has no table ${table}`);
    }
  }

  private select(sql: string, params: Readonly<Record<string, unknown>>): unknown[] {
    const { table, isFinal, columns, boundsOf } = parseSelect(sql);
    const bounds = boundsOf(params);
    const asOf = this.asOf();
    const rows =
      table === 'usage_events'
        ? found(this.events, isFinal, bounds, asOf)
        : table === 'usage_rollups'
          ? found(this.rollUps, isFinal, bounds, asOf)
          : found(this.rejects, isFinal, bounds, asOf);
    if (columns === 'count and checksum') {
      let checksum = 0n;
      for (const row of rows) checksum += row.checksum;
      return [{ count: String(rows.length), checksum: BigInt.asUintN(64, checksum).toString() }];
    }
    const events = rows as EventRow[];
    events.sort((a, b) => a.offset - b.offset || a.index - b.index);
    return events.map(({ indexed }) => indexed);
  }
}

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

function found<R extends Row>(table: Table<R>, isFinal: boolean, bounds: Bounds, asOf: number): readonly R[] {
  const { generation, partition, place, epoch } = bounds;
  const rows: R[] = [];
  for (const each of table.partitions()) {
    if (each < partition.from || each > partition.to) continue;
    for (const row of isFinal ? table.final(each, asOf, place) : table.all(each, asOf, place)) {
      if (row.epoch < epoch.from || row.epoch > epoch.to) continue;
      if (row.generation >= generation.from && row.generation <= generation.to) rows.push(row);
    }
  }
  return rows;
}
