// How far the partitions of the log are sealed. A vector says which chunks a read of money was allowed to see, so that
// the read can be done again later with the same result. Two vectors that come from seals are ordered: one covers the
// other.

/** Per generation and partition one past the last sealed chunk, e.g. {"1": {"0": 17, "1": 16}}; absent is 0. */
export type SealVector = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface PartitionCount {
  readonly generation: number;
  readonly partition: number;
  /** One past the last chunk. */
  readonly nextChunk: number;
}

/** One past the last sealed chunk of a partition. */
export const nextChunkOf = (vector: SealVector, generation: number, partition: number): number =>
  vector[generation]?.[partition] ?? 0;

/** The entries in order of generation and partition. */
export function partitionCounts(vector: SealVector): PartitionCount[] {
  return Object.entries(vector)
    .flatMap(([generation, partitions]) =>
      Object.entries(partitions).map(([partition, nextChunk]) => ({
        generation: Number(generation),
        partition: Number(partition),
        nextChunk,
      })),
    )
    .sort((a, b) => a.generation - b.generation || a.partition - b.partition);
}

/** The reverse of `partitionCounts`. */
export function sealVectorOf(counts: Iterable<PartitionCount>): SealVector {
  const vector: Record<string, Record<string, number>> = {};
  for (const { generation, partition, nextChunk } of counts) {
    vector[generation] ??= {};
    vector[generation][partition] = nextChunk;
  }
  return vector;
}

/** True when every chunk sealed in `b` is sealed in `a`. */
export function covers(a: SealVector, b: SealVector): boolean {
  return partitionCounts(b).every(
    ({ generation, partition, nextChunk }) => nextChunkOf(a, generation, partition) >= nextChunk,
  );
}

/** Of two vectors that come from seals, of which one covers the other, that one. */
export const laterOf = (a: SealVector, b: SealVector): SealVector => (covers(a, b) ? a : b);

export const isSameVector = (a: SealVector, b: SealVector): boolean => covers(a, b) && covers(b, a);
