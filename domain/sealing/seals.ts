// What is sealed at one instant, and by which epochs.
import { covers, nextChunkOf, type SealVector } from './seal-vector.ts';

/** From this chunk on the seals of the partition carry this epoch, up to the next step. */
export interface EpochStep {
  readonly generation: number;
  readonly partition: number;
  readonly fromChunk: number;
  readonly epoch: number;
}

/** What is sealed at one instant. */
export interface Seals {
  readonly vector: SealVector;
  /**
   * The epochs of all sealed chunks. Within a partition epochs never fall from chunk to chunk, so a few steps describe them.
   * Sorted by generation, partition and chunk.
   */
  readonly epochSteps: readonly EpochStep[];
  /** The published watermark in milliseconds since the epoch; null before the first. */
  readonly watermark: number | null;
}

/** Whether every seal of `before` was still there at `after`: none was taken back for a repair since, not even to be sealed anew. */
export function holdsAllSealsOf(after: Seals, before: Seals): boolean {
  if (!covers(after.vector, before.vector)) return false;
  const steps = after.epochSteps.filter(
    ({ generation, partition, fromChunk }) => fromChunk < nextChunkOf(before.vector, generation, partition),
  );
  return (
    steps.length === before.epochSteps.length &&
    before.epochSteps.every((step, i) => {
      const { generation, partition, fromChunk, epoch } = steps[i]!;
      return (
        generation === step.generation &&
        partition === step.partition &&
        fromChunk === step.fromChunk &&
        epoch === step.epoch
      );
    })
  );
}

/** What one seal promises about the roll-up rows of its chunk. */
export interface ChunkSeal {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: number;
  readonly rollupCount: bigint;
  /** Sum of the rows' hashes modulo 2^64. */
  readonly rollupChecksum: bigint;
}
