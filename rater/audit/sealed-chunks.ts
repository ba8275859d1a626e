// All seals, with a look-up from an offset to the chunk that holds it.
import type { Pool } from 'pg';
import { nextChunkOf, type SealVector } from '../../platform/usage-store/seal-vector.ts';

export interface SealRow {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly watermark: number;
  readonly catalogVersion: number;
  readonly catalogChanges: readonly { readonly offset: number; readonly version: number }[];
  readonly eventCount: number;
  readonly eventChecksum: bigint;
  readonly rollupCount: number;
  readonly rollupChecksum: bigint;
  readonly rejectCount: number;
  readonly rejectChecksum: bigint;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly tenantOutcomes: Readonly<Record<string, Partial<Record<Outcome, number>>>>;
}

export type Outcome = 'accepted' | 'duplicate' | 'conflict' | 'too_late' | 'poison';
export const outcomes: readonly Outcome[] = ['accepted', 'duplicate', 'conflict', 'too_late', 'poison'];

const number = (text: unknown): number => Number(text);

/** Every seal, by generation, partition and chunk. */
export class SealedChunks {
  private readonly byPartition = new Map<string, SealRow[]>();

  /** Up to the vector. */
  static async read(pool: Pool, vector: SealVector): Promise<SealedChunks> {
    const { rows } = await pool.query('SELECT * FROM tallyline.chunk_seals ORDER BY generation, partition, chunk');
    const chunks = new SealedChunks();
    for (const row of rows as Record<string, unknown>[]) {
      if (number(row.chunk) >= nextChunkOf(vector, number(row.generation), number(row.partition))) continue;
      chunks.add({
        generation: number(row.generation),
        partition: number(row.partition),
        chunk: number(row.chunk),
        epoch: number(row.epoch),
        startOffset: number(row.start_offset),
        endOffset: number(row.end_offset),
        watermark: (row.watermark as Date).getTime(),
        catalogVersion: number(row.catalog_version),
        catalogChanges: row.catalog_changes as SealRow['catalogChanges'],
        eventCount: number(row.event_count),
        eventChecksum: BigInt(row.event_checksum as string),
        rollupCount: number(row.rollup_count),
        rollupChecksum: BigInt(row.rollup_checksum as string),
        rejectCount: number(row.reject_count),
        rejectChecksum: BigInt(row.reject_checksum as string),
        outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, number(row[outcome])])) as SealRow['outcomes'],
        tenantOutcomes: row.tenant_outcomes as SealRow['tenantOutcomes'],
      });
    }
    return chunks;
  }

  private add(seal: SealRow): void {
    const key = `${seal.generation}/${seal.partition}`;
    const seals = this.byPartition.get(key);
    if (seals === undefined) this.byPartition.set(key, [seal]);
    else seals.push(seal);
  }

  partitions(): IterableIterator<readonly SealRow[]> {
    return this.byPartition.values();
  }

  *all(): Iterable<SealRow> {
    for (const seals of this.byPartition.values()) yield* seals;
  }

  /** The sealed chunk that holds an offset; null where it is not sealed. */
  holding(generation: number, partition: number, offset: number): SealRow | null {
    const seals = this.byPartition.get(`${generation}/${partition}`) ?? [];
    let low = 0;
    let high = seals.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const seal = seals[middle]!;
      if (offset < seal.startOffset) high = middle - 1;
      else if (offset >= seal.endOffset) low = middle + 1;
      else return seal;
    }
    return null;
  }

  /** The catalog version an event at this offset was metered with. */
  catalogVersionAt(seal: SealRow, offset: number): number {
    const before = this.byPartition
      .get(`${seal.generation}/${seal.partition}`)!
      .find(({ chunk }) => chunk === seal.chunk - 1);
    let version = seal.catalogChanges.length === 0 ? seal.catalogVersion : (before?.catalogVersion ?? 0);
    for (const change of seal.catalogChanges) if (change.offset <= offset) version = change.version;
    return version;
  }
}

export const placeOf = ({
  generation,
  partition,
  chunk,
}: Pick<SealRow, 'generation' | 'partition' | 'chunk'>): string =>
  `generation ${generation} partition ${partition} chunk ${chunk}`;
