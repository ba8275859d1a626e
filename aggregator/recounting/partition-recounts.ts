// How sealed chunks of a partition are counted again, by its owner (docs/inside/recounts.md, steps 2 to 7):
//
//   give      chunks of an open recount get their correction, some at a time, and are due
//   count     chunks that are due are counted from their stored events, with all corrections of their lists
//   write     the rows of the revision, and what is stored of them is read back
//   seal      one transaction, conditional on the owner's epoch: numbers, seals, runs
//
// Whoever does a step again does the same: a list is only added to, a revision is a pure function of its first entries,
// and a row is named by its chunk and revision. A former owner can give and seal nothing, since both transactions lock
// the partition's progress and compare the epoch; its rows have a lower epoch, and lose.
import type { Logger } from 'pino';
import { type DefinedCorrection, definedBy } from '../../domain/metering/corrections.ts';
import type { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { isSameRows, type RowSet } from '../../domain/sealing/row-set.ts';
import type { CatalogReader } from '../catalog-reader.ts';
import { ChunkMismatch } from '../chunk-store.ts';
import { versionsOf } from '../core/revision.ts';
import { PartitionLost } from '../seal-store.ts';
import type { DueChunk, RecountTables, RecountTransaction, RevisionSeal } from './recount-tables.ts';
import type { ChunkToRevise, CountedRevision, RevisedRows, RevisionStore } from './revision-store.ts';

export interface PartitionRecountsParts {
  readonly tables: RecountTables;
  readonly revisions: Pick<RevisionStore, 'count' | 'write' | 'readBack'>;
  readonly catalogs: Pick<CatalogReader, 'meters'>;
  readonly logger: Logger;
}

/** So many chunks get their correction in one transaction. */
const GIVEN_CHUNKS_MAX = 256;
/** So many are counted, written and sealed together, or fewer where they have many events. */
const COUNTED_CHUNKS_MAX = 64;
const COUNTED_EVENTS_MAX = 100_000;

const print = ({ count, checksum }: RowSet): string => `${count} rows with checksum ${checksum}`;

export class PartitionRecounts {
  private readonly partition: number;
  private readonly parts: PartitionRecountsParts;

  constructor(partition: number, parts: PartitionRecountsParts) {
    this.partition = partition;
    this.parts = parts;
  }

  /**
   * One step of whoever owns the partition by this epoch. Resolves to how many chunks it sealed; null: there is nothing
   * to be done now. Rejects with a PartitionLost, or where a store does not answer or does not hold what it should; the
   * next step tries again.
   */
  async step(epoch: bigint): Promise<number | null> {
    const due = await this.parts.tables.readDue(this.partition, COUNTED_CHUNKS_MAX);
    if (due.length > 0) return this.recount(fitting(due), epoch);
    return (await this.give(epoch)) ? 0 : null;
  }

  /** Gives chunks of the oldest recount that waits for nothing their correction. */
  private give(epoch: bigint): Promise<boolean> {
    const { partition } = this;
    return this.parts.tables.inTransaction(async (transaction) => {
      const progress = await lockOwned(transaction, partition, epoch);
      for (const recount of await transaction.readOpen(partition)) {
        let { chunks } = recount;
        if (chunks === null) {
          // Until it is sealed in which chunk the version takes effect, nobody knows where the range ends.
          if (progress.catalogVersion < recount.version) continue;
          chunks = await transaction.findChunks(partition, recount);
          await transaction.saveChunks(partition, recount.number, chunks);
        }
        // A chunk that is being repaired gets it once it is sealed again.
        const to = Math.min(chunks.to, chunks.next + GIVEN_CHUNKS_MAX, progress.nextChunk);
        if (to <= chunks.next) continue;
        await transaction.appendCorrections(partition, recount.number, chunks.next, to);
        await transaction.saveChunks(partition, recount.number, { next: to, to: chunks.to });
        return true;
      }
      return false;
    });
  }

  private async recount(due: readonly DueChunk[], epoch: bigint): Promise<number> {
    const { revisions } = this.parts;
    const counted = await this.count(due);
    const written = await revisions.write(counted, epoch);
    const stored = await revisions.readBack(counted, epoch);
    for (const [i, { of }] of counted.entries()) this.requireStored(of, written[i]!, stored[i]!);
    return this.seal(due, written, epoch);
  }

  private async count(due: readonly DueChunk[]): Promise<readonly CountedRevision[]> {
    const { partition } = this;
    const { catalogs, revisions } = this.parts;
    const meters = new Map<number, TenantMeters>();
    const read = async (version: number): Promise<TenantMeters> => {
      const found = meters.get(version) ?? (await catalogs.meters(version));
      meters.set(version, found);
      return found;
    };
    const chunks: ChunkToRevise[] = [];
    for (const chunk of due) {
      for (const version of versionsOf(chunk)) await read(version);
      const corrections: DefinedCorrection[] = [];
      for (const correction of chunk.corrections) {
        const tenants = await read(correction.version);
        corrections.push(definedBy(correction, (tenant) => tenants.of(tenant)));
      }
      chunks.push({ ...chunk, partition, corrections, revision: corrections.length });
    }
    const counted = await revisions.count(chunks, meters);
    for (const { of, events } of counted) this.requireSame(of, events);
    return counted;
  }

  private requireSame({ chunk, events }: ChunkToRevise, found: RowSet): void {
    if (isSameRows(found, events)) return;
    const what = `it can't be recounted: ${print(found)} of events are stored, its seal has ${print(events)}`;
    throw new ChunkMismatch(this.partition, chunk, what);
  }

  private requireStored({ chunk }: ChunkToRevise, written: RevisedRows, stored: RevisedRows): void {
    for (const table of ['rollUps', 'totals'] as const) {
      if (isSameRows(written[table], stored[table])) continue;
      const what = `${print(stored[table])} of ${table} of its revision are stored, ${print(written[table])} were written`;
      throw new ChunkMismatch(this.partition, chunk, what);
    }
  }

  /** Resolves to how many were sealed. */
  private async seal(due: readonly DueChunk[], rows: readonly RevisedRows[], epoch: bigint): Promise<number> {
    const { partition } = this;
    const { tables, logger } = this.parts;
    const numbers = await tables.inTransaction(async (transaction) => {
      const progress = await lockOwned(transaction, partition, epoch);
      const lists = await transaction.readLists(
        partition,
        due.map(({ chunk }) => chunk),
      );
      const listOf = new Map(lists.map((list) => [list.chunk, list]));
      const seals: RevisionSeal[] = [];
      const settled: number[] = [];
      for (const [i, each] of due.entries()) {
        const list = listOf.get(each.chunk);
        // Its seal was taken back meanwhile: what was read of its events is no longer vouched for.
        if (list?.sealEpoch !== each.sealEpoch) continue;
        const number = progress.recounts + seals.length + 1;
        const { chunk, corrections, sealedRevision } = each;
        const revision = corrections.length;
        const meters = corrections.slice(sealedRevision).map(({ meter }) => meter);
        seals.push({ ...rows[i]!, number, chunk, revision, epoch, meters: [...new Set(meters)].sort() });
        if (list.corrections === revision) settled.push(chunk);
      }
      if (seals.length > 0) await transaction.insertSeals(partition, seals);
      await transaction.settle(partition, settled);
      return seals.map(({ number }) => number);
    });
    logger.debug({ partition, chunks: due.length, upTo: numbers.at(-1) }, 'chunks recounted');
    return numbers.length;
  }
}

/** Throws a PartitionLost where it is not owned by this epoch any more; and nobody else can take it until the end. */
async function lockOwned(transaction: RecountTransaction, partition: number, epoch: bigint) {
  const progress = await transaction.lockProgress(partition);
  if (progress === null || progress.epoch !== epoch) throw new PartitionLost(partition, epoch);
  return progress;
}

/** At least one; chunks that follow each other. */
function fitting(due: readonly DueChunk[]): readonly DueChunk[] {
  let events = 0;
  const end = due.findIndex((chunk, i) => {
    events += chunk.events.count;
    return i > 0 && (chunk.chunk !== due[i - 1]!.chunk + 1 || events > COUNTED_EVENTS_MAX);
  });
  return end === -1 ? due : due.slice(0, end);
}
