// What is sealed at one instant, and by which epochs.
import type { OutcomeCounts } from '../metering/event-outcome.ts';
import type { RecountRun } from './recount-runs.ts';
import type { RowSet } from './row-set.ts';
import { covers, nextChunkOf, type SealVector } from './seal-vector.ts';

/** From this chunk on the seals of the partition carry this epoch, up to the next step. */
export interface EpochStep {
  readonly generation: number;
  readonly partition: number;
  readonly fromChunk: number;
  readonly epoch: bigint;
}

/** What is sealed at one instant. */
export interface Seals {
  readonly vector: SealVector;
  /**
   * The epochs of the seals of all chunks, as the log was counted. Within a partition epochs never fall from chunk to
   * chunk, so a few steps describe them. Sorted by generation, partition and chunk.
   */
  readonly epochSteps: readonly EpochStep[];
  /** Of recounted chunks other rows count: those of a revision (recount-runs.ts). */
  readonly recountRuns: readonly RecountRun[];
  /** The published watermark in milliseconds since the epoch; null before the first. */
  readonly watermark: number | null;
}

/**
 * Whether every seal of `before` was still there at `after`: none was taken back for a repair since, not even to be
 * sealed anew.
 */
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

export interface ChunkPlace {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
}
export const placeOf = ({ generation, partition, chunk }: ChunkPlace): string =>
  `generation ${generation} partition ${partition} chunk ${chunk}`;

/** Which rows of a recounted chunk count: those of a revision, and by which seal of one. */
export interface SealedRevision {
  readonly revision: number;
  readonly epoch: bigint;
  /** The recount number of the seal. */
  readonly number: number;
}

/** What the seals of a chunk promise about its roll-up rows. */
export interface ChunkSeal extends ChunkPlace {
  /** Of the chunk's own seal. */
  readonly epoch: bigint;
  /** Null: the chunk was never recounted, and its rows are of its own seal. */
  readonly revised: SealedRevision | null;
  /** Of the rows that count. */
  readonly rollUps: RowSet;
}

/** All that a seal says. */
export interface StoredSeal extends ChunkSeal {
  readonly startOffset: number;
  readonly endOffset: number;
  /** T at the chunk's end, milliseconds since the epoch. */
  readonly partitionTime: number;
  readonly catalogVersion: number;
  readonly catalogChanges: readonly { readonly offset: number; readonly version: number }[];
  /** By which its events were read. */
  readonly ruleSet: number;
  /** By which those of the next chunk are. */
  readonly nextRuleSet: number;
  readonly events: RowSet;
  readonly rejects: RowSet;
  /** Of the rows that count. Null: it was sealed by a release that keeps no totals. */
  readonly totals: RowSet | null;
  readonly outcomes: Readonly<OutcomeCounts>;
  /** Counts of 0 may be left out. */
  readonly outcomesByTenant: Readonly<Record<string, Readonly<Partial<OutcomeCounts>>>>;
}
