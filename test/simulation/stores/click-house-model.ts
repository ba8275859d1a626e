// ClickHouse as a model: it takes the statements of the aggregator as text and the reads of the rater as calls, and has
// faults.
import type { RevisionSeal } from '../../../aggregator/recounting/recount-tables.ts';
import type { Seal } from '../../../aggregator/seal-store.ts';
import type { Random } from '../../../domain/random.ts';
import type { RowSet } from '../../../domain/sealing/row-set.ts';
import { type ClickHouse, ClickHouseError } from '../../../platform/clickhouse/click-house.ts';
import { type NativeRows, readBlocks } from '../../support/native-rows.ts';
import { Network } from '../network.ts';
import { DAY } from '../plan.ts';
import type { Process, Scheduler } from '../scheduler.ts';
import {
  type EventRow,
  eventRows,
  manifestRows,
  placeKey,
  type RejectRow,
  type RollUpRow,
  type Row,
  rejectRows,
  rollUpKey,
  rollUpRows,
  spansOf,
  type TotalRow,
  totalKey,
  totalRows,
} from './inserted-rows.ts';
import { EVERYWHERE, type Part, type Stored, Table } from './replacing-table.ts';
import { type Bounds, parseSelect, type Select } from './select.ts';

interface Sum {
  count: number;
  checksum: bigint;
}
const sumsOf = (seals: readonly Seal[]): Sum[] => seals.map(() => ({ count: 0, checksum: 0n }));

/** Whether a row is one that the chunk's seal, or that of its revision, vouches for. */
function isCounted(row: Row, seal: Seal, revised: RevisionSeal | null): boolean {
  if (!('revision' in row) || revised === null) {
    return row.epoch >= Number(seal.epoch) && (!('revision' in row) || row.revision === 0);
  }
  return row.revision === revised.revision && row.epoch >= Number(revised.epoch);
}

const sealedTables = ['events', 'rejects', 'rollUps', 'totals'] as const;
type SealedTable = (typeof sealedTables)[number];

const sealedRowsOf = (table: SealedTable, seal: Seal, revised: RevisionSeal | null): RowSet =>
  revised !== null && (table === 'rollUps' || table === 'totals') ? revised[table] : seal[table];

type BySubject = Map<string, Stored<RollUpRow>[][]>;

interface RollUpsToRead {
  readonly tenant: string | null;
  readonly meter: string | null;
  readonly subjects: readonly string[] | null;
  readonly from: number;
  readonly to: number;
}

export class ClickHouseModel {
  readonly network: Network;
  readonly events = new Table<EventRow>(3, ({ offset }) => offset);
  readonly rollUps = new Table<RollUpRow>(0, ({ chunk }) => chunk);
  readonly totals = new Table<TotalRow>(0, ({ chunk }) => chunk);
  readonly rejects = new Table<RejectRow>(3, ({ offset }) => offset);
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private parts: Part[] = [];
  /** Reads see what was inserted by then; null: everything. */
  private staleUntil = 0;
  private staleAsOf = 0;
  /** When reads last began to see everything again. */
  wholeSince = Number.NEGATIVE_INFINITY;
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
  /** Told who inserts rows of a revision of a chunk. */
  onRevision: ((process: Process, partition: number, chunk: number) => void) | null = null;
  /** By partition and epoch, when revisions were read back last. */
  private readonly revisionsReadAt = new Map<string, number>();
  /** By partition and epoch. */
  private readonly manifestAt = new Map<string, number>();

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
    this.wholeSince = Math.max(this.wholeSince, this.staleUntil);
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

  /**
   * A power cut, and a disk that had lied: a part that was answered for is gone. `merged`: one that others had gone
   * into.
   */
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

  /**
   * Parts with such rows, inserted at that time or (null) at any, are laid aside as broken: nobody is told, and all
   * goes on.
   */
  detach<R extends Row>(table: Table<R>, holds: (row: R) => boolean, insertedAt: number | null = null): void {
    const parts = [...table.partsWith(holds)].filter((part) => insertedAt === null || part.insertedAt === insertedAt);
    for (const part of parts) part.isLost = true;
    if (parts.length === 0) return;
    this.hasLost = true;
    this.lostAt = this.scheduler.now;
    this.scheduler.note('parts detached', parts.length);
  }

  /** The same of all parts with such a roll-up. */
  loseRollUps(holds: (row: RollUpRow) => boolean, downMs: number): void {
    this.crash(downMs);
    const parts = this.rollUps.partsWith(holds);
    for (const part of parts) part.isLost = true;
    this.hasLost = true;
    this.lostAt = this.scheduler.now;
    this.scheduler.note('roll-ups lost', parts.size);
  }

  private merge(table: string, of: ReadonlySet<Part>): Part {
    const newest = Math.max(...[...of].map((part) => part.insertedAt));
    const into: Part = { table, insertedAt: newest, durableAt: 0, isLost: false, hidesOlderRows: false };
    if (table.startsWith('usage_events')) this.events.merge(into, of);
    else if (table.startsWith('usage_rollups')) this.rollUps.merge(into, of);
    else if (table.startsWith('usage_totals')) this.totals.merge(into, of);
    else this.rejects.merge(into, of);
    this.parts.push(into);
    this.parts = this.parts.filter((part) => !of.has(part));
    return into;
  }

  /** When the last row of an owner's last flush came. */
  flushedAt(partition: number, epoch: number | bigint): number {
    return this.manifestAt.get(`${partition}/${epoch}`) ?? Number.NEGATIVE_INFINITY;
  }

  /** When an owner read revisions of a partition back last. */
  revisionReadAt(partition: number, epoch: bigint): number {
    return this.revisionsReadAt.get(`${partition}/${epoch}`) ?? Number.NEGATIVE_INFINITY;
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

  /**
   * Whether the rows of a sealed chunk, of its epoch or a later one, are what was sealed. `revised`: the seal of the
   * revision that counts.
   */
  holds(seal: Seal, revised: RevisionSeal | null = null, tables: readonly SealedTable[] = sealedTables): boolean {
    const { partition, chunk, startOffset, endOffset } = seal;
    const now = Number.POSITIVE_INFINITY;
    const offsets = { from: startOffset, to: endOffset - 1 };
    const found = {
      events: this.events.final(partition, now, offsets),
      rejects: this.rejects.final(partition, now, offsets),
      rollUps: this.rollUps.final(partition, now, { from: chunk, to: chunk }),
      totals: this.totals.final(partition, now, { from: chunk, to: chunk }),
    };
    return tables.every((table) => {
      const rows = (found[table] as readonly Row[]).filter((row) => isCounted(row, seal, revised));
      const checksum = rows.reduce((sum, row) => sum + row.checksum, 0n);
      const sealed = sealedRowsOf(table, seal, revised);
      return rows.length === sealed.count && BigInt.asUintN(64, checksum) === sealed.checksum;
    });
  }

  /**
   * The sealed chunks of a partition whose rows are not what was sealed, in their order. `evenLost`: as if no part had
   * been lost.
   */
  damagedChunks(
    seals: readonly Seal[],
    revisedOf: (chunk: number) => RevisionSeal | null,
    evenLost = false,
  ): readonly Seal[] {
    const partition = seals[0]?.partition;
    if (partition === undefined) return [];
    const sums = { events: sumsOf(seals), rejects: sumsOf(seals), rollUps: sumsOf(seals), totals: sumsOf(seals) };
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
      if (chunk >= seals.length || !isCounted(row, seals[chunk]!, revisedOf(chunk))) return;
      sum[chunk]!.count++;
      sum[chunk]!.checksum += row.checksum;
    };
    const now = Number.POSITIVE_INFINITY;
    for (const row of this.events.final(partition, now, EVERYWHERE, evenLost))
      add(sums.events, chunkAt(row.offset), row);
    for (const row of this.rejects.final(partition, now, EVERYWHERE, evenLost))
      add(sums.rejects, chunkAt(row.offset), row);
    for (const row of this.rollUps.final(partition, now, EVERYWHERE, evenLost)) add(sums.rollUps, row.chunk, row);
    for (const row of this.totals.final(partition, now, EVERYWHERE, evenLost)) add(sums.totals, row.chunk, row);
    return seals.filter((seal) =>
      sealedTables.some((table) => {
        const { count, checksum } = sums[table][seal.chunk]!;
        const sealed = sealedRowsOf(table, seal, revisedOf(seal.chunk));
        return count !== sealed.count || BigInt.asUintN(64, checksum) !== sealed.checksum;
      }),
    );
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

  /**
   * The versions of the roll-ups of a tenant's meter (null: of all) with windows in these days and maybe around them.
   */
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
    const select = (sql: string, params: Readonly<Record<string, unknown>>) => this.select(sql, params);
    return {
      // The bytes as they are when it is served, which may be after the caller gave it up: a socket sends from the
      // caller's memory.
      insert: (table, _, body) =>
        network.call<void>(process, `insert ${table}`, (reply) =>
          this.insert(process, table, Buffer.concat(body), reply),
        ),
      query: <RowOut>(sql: string, params: Readonly<Record<string, unknown>> = {}) =>
        network.call<RowOut[]>(process, 'query', (reply) => reply({ value: this.select(sql, params) as RowOut[] })),
      queryBinary: (sql, params = {}) =>
        network.call<Buffer>(process, 'stream', (reply) =>
          reply({ value: Buffer.concat(this.select(sql, params) as Buffer[]) }),
        ),
      stream: async function* (this: void, sql, params = {}) {
        yield await network.call<unknown[][]>(process, 'stream', (reply) =>
          reply({ value: select(sql, params) as unknown[][] }),
        );
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
    process: Process,
    table: string,
    body: Buffer,
    reply: (outcome: { value: undefined } | { error: unknown }, afterMs?: number) => void,
  ): void {
    const { scheduler } = this;
    const parts = new Map<string, Part | null>();
    const isPartial = this.partial > 0;
    if (isPartial) this.partial--;
    const partOf = (span: string): Part | null => {
      const known = parts.get(span);
      if (known !== undefined) return known;
      const isStored = !isPartial || this.random.chance(0.5);
      const part = isStored
        ? {
            table,
            insertedAt: scheduler.now,
            durableAt: Number.POSITIVE_INFINITY,
            isLost: false,
            hidesOlderRows: table === 'usage_rollups' || table === 'usage_totals',
          }
        : null;
      parts.set(span, part);
      if (part !== null) this.parts.push(part);
      return part;
    };
    for (const rows of readBlocks([body])) {
      this.insertRows(table, rows, partOf);
      if (table !== 'usage_rollups' || this.onRevision === null) continue;
      const revised = rollUpRows(rows).find(({ revision }) => revision > 0);
      if (revised !== undefined) this.onRevision(process, revised.partition, revised.chunk);
    }
    scheduler.note(`insert ${table}`, body.length);
    if (isPartial) {
      reply({ error: new ClickHouseError('too many parts (simulated)', 252, true) });
      return;
    }
    // Visible at once, durable a moment later (fsync), and answered only then.
    const syncMs = this.random.int(1, 30);
    for (const part of parts.values()) if (part !== null) part.durableAt = scheduler.now + syncMs;
    reply({ value: undefined }, syncMs);
  }

  private insertRows(table: string, rows: NativeRows, partOf: (span: string) => Part | null): void {
    const parts = spansOf(table, rows).map(partOf);
    const stored = <R>(read: readonly R[], store: (row: R, part: Part) => void): void => {
      for (const [i, row] of read.entries()) if (parts[i] !== null) store(row, parts[i]!);
    };
    switch (table) {
      case 'usage_events':
        stored(eventRows(rows), (row, part) =>
          this.events.add(row.partition, row.offset, placeKey(row), { row, version: row.epoch, part }),
        );
        return;
      case 'usage_rollups':
        stored(rollUpRows(rows), (row, part) => {
          const versions = this.rollUps.add(row.partition, row.chunk, rollUpKey(row), {
            row,
            version: row.version,
            part,
          });
          if (versions.length === 1) this.dayOf(row).push(versions);
          if (versions.at(-2)?.row.epoch !== row.epoch) part.hidesOlderRows = false;
        });
        return;
      case 'usage_totals':
        stored(totalRows(rows), (row, part) => {
          const versions = this.totals.add(row.partition, row.chunk, totalKey(row), {
            ...{ row, version: row.version, part },
          });
          if (versions.at(-2)?.row.epoch !== row.epoch) part.hidesOlderRows = false;
        });
        return;
      case 'event_rejects':
        stored(rejectRows(rows), (row, part) =>
          this.rejects.add(row.partition, row.offset, placeKey(row), { row, version: row.epoch, part }),
        );
        return;
      default:
        stored(manifestRows(rows), ({ partition, epoch }) =>
          this.manifestAt.set(`${partition}/${epoch}`, this.scheduler.now),
        );
    }
  }

  private select(sql: string, params: Readonly<Record<string, unknown>>): unknown[] {
    const { table, versions, columns, boundsOf } = parseSelect(sql);
    const asOf = this.asOf();
    const rowsIn = (bounds: Bounds): readonly Row[] =>
      table === 'usage_events'
        ? found(this.events, versions, bounds, asOf)
        : table === 'usage_rollups'
          ? found(this.rollUps, versions, bounds, asOf)
          : table === 'usage_totals'
            ? found(this.totals, versions, bounds, asOf)
            : found(this.rejects, versions, bounds, asOf);
    const places = boundsOf(params);
    if (columns === 'chunks') {
      return places.flatMap((bounds) => {
        const rows = rowsIn(bounds);
        const { partition, place, epoch, revision } = bounds;
        if (revision.from > 0) this.revisionsReadAt.set(`${partition.to}/${epoch.to}`, this.scheduler.now);
        // A group without rows is none.
        if (rows.length === 0) return [];
        return [{ partition: partition.to, chunk: place.to, epoch: String(epoch.to), ...totalOf(rows) }];
      });
    }
    const rows = places.flatMap(rowsIn);
    if (columns === 'count and checksum') return [totalOf(rows)];
    const events = rows as EventRow[];
    events.sort((a, b) => a.offset - b.offset || a.index - b.index);
    if (columns === 'events') {
      return events.map(({ offset, index, epoch, tenant, subject, type, eventTime, acceptedAt, data, checksum }) => [
        ...[String(offset), index, String(epoch), tenant, subject, type, String(eventTime), String(acceptedAt), data],
        String(checksum),
      ]);
    }
    return events.map(({ indexed }) => indexed);
  }
}

function totalOf(rows: readonly Row[]): { count: string; checksum: string } {
  let checksum = 0n;
  for (const row of rows) checksum += row.checksum;
  return { count: String(rows.length), checksum: BigInt.asUintN(64, checksum).toString() };
}

function found<R extends Row>(
  table: Table<R>,
  versions: Select['versions'],
  { generation, partition, place, epoch, revision }: Bounds,
  asOf: number,
): readonly R[] {
  const holds = (row: R): boolean =>
    row.epoch >= epoch.from &&
    row.epoch <= epoch.to &&
    row.generation >= generation.from &&
    row.generation <= generation.to &&
    (!('revision' in row) || (row.revision >= revision.from && row.revision <= revision.to));
  const rows: R[] = [];
  for (const each of table.partitions()) {
    if (each < partition.from || each > partition.to) continue;
    if (versions === 'final') rows.push(...table.final(each, asOf, place).filter(holds));
    else if (versions === 'all') rows.push(...table.all(each, asOf, place).filter(holds));
    else rows.push(...table.picked(each, asOf, place, versions, holds));
  }
  return rows;
}
