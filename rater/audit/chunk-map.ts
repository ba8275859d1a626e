// Where each offset of the log is sealed, in a few numbers a chunk: which chunk holds it, which rows of it count, by
// which rule set it was read, and which catalog version metered it.
import { outcomes } from '../../domain/metering/event-outcome.ts';
import type { StoredSeal } from '../../domain/sealing/seals.ts';

/** A sealed chunk. */
export interface MappedChunk {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  /** Rows of this epoch or a later one are those that were sealed. */
  readonly epoch: bigint;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Events that have an outcome in it. */
  readonly decided: number;
  /** By which its events were read. */
  readonly ruleSet: number;
}

class PartitionMap {
  readonly generation: number;
  readonly partition: number;
  private readonly chunks: number[] = [];
  private readonly epochs: bigint[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly decided: number[] = [];
  private readonly ruleSets: number[] = [];
  private readonly versionOffsets: number[] = [];
  private readonly versions: number[] = [];

  constructor({ generation, partition }: StoredSeal) {
    this.generation = generation;
    this.partition = partition;
  }

  add(seal: StoredSeal): void {
    this.chunks.push(seal.chunk);
    this.epochs.push(seal.epoch);
    this.starts.push(seal.startOffset);
    this.ends.push(seal.endOffset);
    this.decided.push(outcomes.reduce((sum, outcome) => sum + seal.outcomes[outcome], 0));
    this.ruleSets.push(seal.ruleSet);
    if (seal.catalogChanges.length === 0) this.addVersion(seal.startOffset, seal.catalogVersion);
    for (const { offset, version } of seal.catalogChanges) this.addVersion(offset, version);
  }

  private addVersion(offset: number, version: number): void {
    if (this.versions.at(-1) === version) return;
    this.versionOffsets.push(offset);
    this.versions.push(version);
  }

  get length(): number {
    return this.chunks.length;
  }

  at(i: number): MappedChunk {
    return {
      generation: this.generation,
      partition: this.partition,
      chunk: this.chunks[i]!,
      epoch: this.epochs[i]!,
      startOffset: this.starts[i]!,
      endOffset: this.ends[i]!,
      decided: this.decided[i]!,
      ruleSet: this.ruleSets[i]!,
    };
  }

  holding(offset: number): MappedChunk | null {
    const i = lastAtOrBelow(this.starts, offset);
    return i === -1 || offset >= this.ends[i]! ? null : this.at(i);
  }

  catalogVersionAt(offset: number): number {
    const i = lastAtOrBelow(this.versionOffsets, offset);
    return i === -1 ? 0 : this.versions[i]!;
  }
}

/** Position of the last of the ascending values that is not above `value`; -1: there is none. */
function lastAtOrBelow(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const NO_VERSION = 0;

export class ChunkMap {
  private readonly partitions = new Map<string, PartitionMap>();

  /** Seals of a partition come in order of their chunks. */
  add(seal: StoredSeal): void {
    const key = `${seal.generation}/${seal.partition}`;
    let partition = this.partitions.get(key);
    if (partition === undefined) {
      partition = new PartitionMap(seal);
      this.partitions.set(key, partition);
    }
    partition.add(seal);
  }

  /** The sealed chunk that holds an offset; null: none of those that were added. */
  holding(generation: number, partition: number, offset: number): MappedChunk | null {
    return this.partitions.get(`${generation}/${partition}`)?.holding(offset) ?? null;
  }

  /** The catalog version that an event at this offset was metered with; 0: none yet. */
  catalogVersionAt(generation: number, partition: number, offset: number): number {
    return this.partitions.get(`${generation}/${partition}`)?.catalogVersionAt(offset) ?? NO_VERSION;
  }

  /** The last chunk of a partition. */
  last(generation: number, partition: number): MappedChunk | null {
    const map = this.partitions.get(`${generation}/${partition}`);
    return map === undefined ? null : map.at(map.length - 1);
  }

  /** The chunks of a partition in order. */
  *of(generation: number, partition: number): Iterable<MappedChunk> {
    const map = this.partitions.get(`${generation}/${partition}`);
    for (let i = 0; i < (map?.length ?? 0); i++) yield map!.at(i);
  }
}
