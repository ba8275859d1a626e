// How far the partitions of the log are sealed. A vector says which rows of which chunks a read of money was allowed to
// see, so that the read can be done again later with the same result: how many chunks are sealed, and how many of them
// were recounted, one after the other (docs/inside/recounts.md). Two vectors that come from seals are ordered: one
// covers the other.

/** One past the last sealed chunk, and with it the last recount number; a number alone: nothing was recounted. */
type SealedCount = number | readonly [nextChunk: number, recounts: number];

/** By generation and partition, e.g. {"1": {"0": 17, "1": [16, 3]}}; absent is 0. */
export type SealVector = Readonly<Record<string, Readonly<Record<string, SealedCount>>>>;

export interface PartitionCount {
  readonly generation: number;
  readonly partition: number;
  /** One past the last chunk. */
  readonly nextChunk: number;
  /** The last recount number; absent is 0. */
  readonly recounts?: number;
}

const countOf = (vector: SealVector, generation: number, partition: number): readonly [number, number] => {
  const count = vector[generation]?.[partition] ?? 0;
  return typeof count === 'number' ? [count, 0] : count;
};

/** One past the last sealed chunk of a partition. */
export const nextChunkOf = (vector: SealVector, generation: number, partition: number): number =>
  countOf(vector, generation, partition)[0];

/** The last recount number of a partition. */
export const recountsOf = (vector: SealVector, generation: number, partition: number): number =>
  countOf(vector, generation, partition)[1];

/** The entries in order of generation and partition. */
export function partitionCounts(vector: SealVector): Required<PartitionCount>[] {
  return Object.entries(vector)
    .flatMap(([generation, partitions]) =>
      Object.keys(partitions).map((partition) => {
        const [nextChunk, recounts] = countOf(vector, Number(generation), Number(partition));
        return { generation: Number(generation), partition: Number(partition), nextChunk, recounts };
      }),
    )
    .sort((a, b) => a.generation - b.generation || a.partition - b.partition);
}

/** The reverse of `partitionCounts`. */
export function sealVectorOf(counts: Iterable<PartitionCount>): SealVector {
  const vector: Record<string, Record<string, SealedCount>> = {};
  for (const { generation, partition, nextChunk, recounts = 0 } of counts) {
    vector[generation] ??= {};
    vector[generation][partition] = recounts === 0 ? nextChunk : [nextChunk, recounts];
  }
  return vector;
}

/** The chunks of `vector`, as far recounted as `of` says. */
export const recountedAs = (vector: SealVector, of: SealVector): SealVector =>
  sealVectorOf(
    partitionCounts(vector).map((count) => ({ ...count, recounts: recountsOf(of, count.generation, count.partition) })),
  );

/** True when every chunk that is sealed in `b`, and every recount of one, is sealed in `a`. */
export function covers(a: SealVector, b: SealVector): boolean {
  return partitionCounts(b).every(
    ({ generation, partition, nextChunk, recounts }) =>
      nextChunkOf(a, generation, partition) >= nextChunk && recountsOf(a, generation, partition) >= recounts,
  );
}

/** Of two vectors that come from seals, of which one covers the other, that one. */
export const laterOf = (a: SealVector, b: SealVector): SealVector => (covers(a, b) ? a : b);

/** `a`, where it lies past `b` cut back to it. Of the partitions of `b`. */
export const cutBack = (a: SealVector, b: SealVector): SealVector =>
  sealVectorOf(
    partitionCounts(b).map((count) => ({
      ...count,
      nextChunk: Math.min(count.nextChunk, nextChunkOf(a, count.generation, count.partition)),
      recounts: Math.min(count.recounts, recountsOf(a, count.generation, count.partition)),
    })),
  );

export const isSameVector = (a: SealVector, b: SealVector): boolean => covers(a, b) && covers(b, a);
