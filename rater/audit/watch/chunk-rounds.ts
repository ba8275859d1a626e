// Which sealed chunks to look at in a round: those that something is wrong with, the newest, and a stretch of all
// others, so that in the end each is looked at again and again.
import type { Pool } from 'pg';
import { nextChunkOf, partitionCounts, type SealVector, sealVectorOf } from '../../../domain/sealing/seal-vector.ts';
import { type ChunkPlace, placeOf, type StoredSeal } from '../../../domain/sealing/seals.ts';
import { streamSeals } from '../../../platform/usage-store/seal-rows.ts';

/** Of one partition; the rest of a crowd of new chunks is left to the rotation. */
const NEWEST_MAX = 200;
const STRETCH_MAX = 400;
const FIRST_LOOK = 20;

export class ChunkRounds {
  private readonly pool: Pool;
  private seenTo: SealVector | null = null;
  private turn = 0;
  /** By generation and partition: where its next stretch begins. */
  private readonly rotation = new Map<string, number>();
  /** By the name of their place. */
  private readonly suspects = new Map<string, ChunkPlace>();

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** To be looked at in every round until it is taken off. */
  suspect(place: ChunkPlace): void {
    this.suspects.set(placeOf(place), place);
  }

  clear(place: ChunkPlace): void {
    this.suspects.delete(placeOf(place));
  }

  /** The suspects whose seals are there no more are named in `gone`, and are suspects no more. */
  async readSuspects(): Promise<{ readonly seals: StoredSeal[]; readonly gone: ChunkPlace[] }> {
    const seals: StoredSeal[] = [];
    const gone: ChunkPlace[] = [];
    for (const place of this.suspects.values()) {
      const seal = await this.read(place);
      if (seal === null) gone.push(place);
      else seals.push(seal);
    }
    for (const place of gone) this.clear(place);
    return { seals: seals.sort(inOrder), gone };
  }

  async read({ generation, partition, chunk }: ChunkPlace): Promise<StoredSeal | null> {
    const vector = (nextChunk: number): SealVector => sealVectorOf([{ generation, partition, nextChunk }]);
    for await (const [seal] of streamSeals(this.pool, { from: vector(chunk), to: vector(chunk + 1) })) return seal!;
    return null;
  }

  /** Those sealed since the last call. */
  async readNewest(vector: SealVector): Promise<StoredSeal[]> {
    const seenTo = this.seenTo;
    const from = partitionCounts(vector).map((count) => ({
      ...count,
      nextChunk: Math.max(
        seenTo === null ? count.nextChunk - FIRST_LOOK : nextChunkOf(seenTo, count.generation, count.partition),
        count.nextChunk - NEWEST_MAX,
        0,
      ),
    }));
    const seals: StoredSeal[] = [];
    for await (const batch of streamSeals(this.pool, { from: sealVectorOf(from), to: vector })) seals.push(...batch);
    this.seenTo = vector;
    return seals;
  }

  /** The next stretch of the next partition. */
  async readStretch(vector: SealVector): Promise<StoredSeal[]> {
    const counts = partitionCounts(vector).filter((count) => count.nextChunk > 0);
    const count = counts[this.turn++ % Math.max(1, counts.length)];
    if (count === undefined) return [];
    const key = `${count.generation}/${count.partition}`;
    const from = this.rotation.get(key) ?? 0;
    const to = Math.min(count.nextChunk, from + STRETCH_MAX);
    // What is sealed from here on is looked at as the newest; to wait for its end would be to follow it for ever.
    this.rotation.set(key, to >= count.nextChunk ? 0 : to);
    const seals: StoredSeal[] = [];
    const bound = (nextChunk: number): SealVector => sealVectorOf([{ ...count, nextChunk }]);
    for await (const batch of streamSeals(this.pool, { from: bound(from), to: bound(to) })) seals.push(...batch);
    return seals;
  }
}

export const inOrder = (a: ChunkPlace, b: ChunkPlace): number =>
  a.generation - b.generation || a.partition - b.partition || a.chunk - b.chunk;
