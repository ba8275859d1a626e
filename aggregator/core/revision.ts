// One revision of a sealed chunk, counted from its stored events: a pure function of them, of the catalog versions and
// the rule set that its seals name, and of its corrections (docs/inside/recounts.md, C1). What no correction is about
// comes out as it was counted from the log, row for row.
import type { EventOrder } from '../../domain/aggregation/aggregation-rules.ts';
import { type DefinedCorrection, readCorrected } from '../../domain/metering/corrections.ts';
import { type RuleSet, ruleSet } from '../../domain/metering/rule-set.ts';
import type { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { Rejection } from '../../domain/rejection.ts';
import { type ChunkCatalog, catalogVersionAt } from '../../domain/sealing/chunk-catalog.ts';
import { RollUpTable } from './roll-up.ts';

/** An accepted event as it is stored. */
export interface StoredEvent {
  readonly offset: number;
  readonly index: number;
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly eventTime: number;
  /** T when it was decided. */
  readonly acceptedAt: number;
  readonly data: string;
}

export interface RevisedChunk extends ChunkCatalog {
  /** In the order of the chunk's list. */
  readonly corrections: readonly DefinedCorrection[];
}

export class RevisionCount {
  readonly rollUps = new RollUpTable();
  private readonly chunk: RevisedChunk;
  private readonly rules: RuleSet;
  /** By catalog version. */
  private readonly meters: ReadonlyMap<number, TenantMeters>;

  constructor(chunk: RevisedChunk, meters: ReadonlyMap<number, TenantMeters>) {
    this.chunk = chunk;
    this.rules = ruleSet(chunk.ruleSet);
    this.meters = meters;
  }

  /** The chunk's events come in the order of the log. */
  add(event: StoredEvent): void {
    const { offset, index, eventTime, acceptedAt } = event;
    const inForce = this.meters.get(catalogVersionAt(this.chunk, offset))!.of(event.tenant);
    const read = readCorrected(inForce.get(event.type) ?? [], this.chunk.corrections, event, this.rules);
    if (read instanceof Rejection) {
      throw new Error(`the accepted event at offset ${offset}, index ${index} can't be metered: ${read.message}`);
    }
    const order: EventOrder = { eventTime, acceptedAt, place: [offset, index] };
    for (const reading of read.readings) this.rollUps.add(event, reading, order);
  }
}

/** The catalog versions that the chunk's events were metered by; 0: none was in force. */
export const versionsOf = ({ versionBefore, changes }: ChunkCatalog): number[] => [
  versionBefore,
  ...changes.map(({ version }) => version),
];
