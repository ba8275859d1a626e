// By which catalog version an event of a sealed chunk was metered: what its seal says, and the one before it.

/** What a sealed chunk says about the catalog versions, and the rule set, that its events were decided by. */
export interface ChunkCatalog {
  /** At the chunk's start: the version the chunk before ended with. */
  readonly versionBefore: number;
  /** Where in the chunk another version took effect, ascending. */
  readonly changes: readonly { readonly offset: number; readonly version: number }[];
  readonly ruleSet: number;
}

/** The version in force at an offset of the chunk. */
export const catalogVersionAt = (chunk: Omit<ChunkCatalog, 'ruleSet'>, offset: number): number =>
  chunk.changes.findLast((change) => change.offset <= offset)?.version ?? chunk.versionBefore;
