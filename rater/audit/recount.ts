// Reads the raw accepted events of sealed chunks again and meters each with what its tenant's catalog was at its place
// in the log, by the rule set of its chunk; of a chunk that was recounted once for each revision that was sealed.
import type { EventOrder } from '../../domain/aggregation/aggregation-rules.ts';
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import type { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import {
  type DefinedCorrection,
  definedBy,
  type MeterCorrection,
  readCorrected,
} from '../../domain/metering/corrections.ts';
import { type MetersByType, metersByType, type Reading } from '../../domain/metering/meter-reading.ts';
import { ruleSet } from '../../domain/metering/rule-set.ts';
import { Rejection } from '../../domain/rejection.ts';
import { recountsOf, type SealVector } from '../../domain/sealing/seal-vector.ts';
import { placeOf } from '../../domain/sealing/seals.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { ChunkRevisions, RevisionMap } from '../../platform/recount-store/chunk-revisions.ts';
import type { SqlFragment } from '../../platform/usage-store/sealed-rows.ts';
import type { ChunkMap, MappedChunk } from './chunk-map.ts';
import type { AuditLog } from './discrepancy.ts';

export interface RecountedReading {
  readonly tenant: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly reading: Reading;
  readonly order: EventOrder;
  readonly chunk: MappedChunk;
  /** It counts from this recount number of its partition on, and up to the next revision's. */
  readonly since: number;
  readonly until: number;
}

/** Whether the reading counts as of a vector that covers its chunk. */
export function countsIn(vector: SealVector, { chunk, since, until }: RecountedReading): boolean {
  const recounts = recountsOf(vector, chunk.generation, chunk.partition);
  return since <= recounts && recounts < until;
}

/** Whether it counts now. */
export const countsNow = ({ until }: RecountedReading): boolean => until === Number.POSITIVE_INFINITY;

/** A revision, and the recount numbers as of which it counts. */
type Stage = Pick<RecountedReading, 'since' | 'until'> & { readonly revision: number };

function stagesOf({ seals }: ChunkRevisions): Stage[] {
  const stages: Stage[] = [{ since: 0, until: Number.POSITIVE_INFINITY, revision: 0 }];
  for (const { number, revision } of seals) {
    const last = stages.at(-1)!;
    // Sealed again after a repair, it is the same.
    if (last.revision === revision) continue;
    stages[stages.length - 1] = { ...last, until: number };
    stages.push({ since: number, until: Number.POSITIVE_INFINITY, revision });
  }
  return stages;
}

export class Recount {
  private readonly clickhouse: ClickHouse;
  private readonly chunks: ChunkMap;
  private readonly revisions: RevisionMap;
  private readonly versions: TenantVersions;
  private readonly meters = new Map<Catalog, MetersByType>();
  private readonly defined = new Map<MeterCorrection, DefinedCorrection>();

  constructor(clickhouse: ClickHouse, chunks: ChunkMap, revisions: RevisionMap, versions: TenantVersions) {
    this.clickhouse = clickhouse;
    this.chunks = chunks;
    this.revisions = revisions;
    this.versions = versions;
  }

  private metersAt(tenant: string, version: number): MetersByType {
    const catalog = this.versions.at(tenant, version)?.catalog ?? emptyCatalog;
    const known = this.meters.get(catalog) ?? metersByType(catalog);
    this.meters.set(catalog, known);
    return known;
  }

  /**
   * Calls `each` for every reading of the sealed events that `condition` (on `usage_events AS e FINAL`) keeps. An
   * accepted event that can't be metered is an I2 discrepancy. Resolves to the number of events.
   */
  async read(condition: SqlFragment, log: AuditLog, each: (reading: RecountedReading) => void): Promise<number> {
    const rows = this.clickhouse.stream(
      `SELECT e.generation, e.partition, e.offset, e.index, toString(e.epoch), e.tenant, e.subject, e.type,
          toUnixTimestamp64Milli(e.event_time), toUnixTimestamp64Milli(e.accepted_at), e.data
        FROM usage_events AS e FINAL WHERE ${condition.sql}
        SETTINGS do_not_merge_across_partitions_select_final = 1`,
      condition.params,
    );
    let events = 0;
    for await (const batch of rows) {
      for (const row of batch) if (this.meter(row, log, each)) events++;
    }
    return events;
  }

  private meter(row: readonly unknown[], log: AuditLog, each: (reading: RecountedReading) => void): boolean {
    const [generation, partition, offsetText, index, epoch, tenant, subject, type, time, acceptedAt, data] = row as [
      ...[number, number, string, number, string],
      ...[string, string, string, string, string, string],
    ];
    const offset = Number(offsetText);
    const chunk = this.chunks.holding(generation, partition, offset);
    if (chunk === null || BigInt(epoch) < chunk.epoch) return false;
    const ofType = this.metersAt(tenant, this.chunks.catalogVersionAt(generation, partition, offset)).get(type) ?? [];
    const revisions = this.revisions.of(chunk);
    if (ofType.length + revisions.corrections.length === 0) return true;
    const corrections = revisions.corrections.map((correction) => this.definedOf(correction));
    const eventTime = Number(time);
    for (const { since, until, revision } of stagesOf(revisions)) {
      const counted = corrections.slice(0, revision);
      const read = readCorrected(ofType, counted, { tenant, type, eventTime, data }, ruleSet(chunk.ruleSet));
      if (read instanceof Rejection) {
        const where = `${placeOf(chunk)} offset ${offset} index ${index}`;
        log.compare('I2', where, 'an event that can be metered', read.message);
        return true;
      }
      for (const reading of read.readings) {
        const windowStart = windowStartOf(eventTime, windowSizeMs[reading.meter.window]);
        const order: EventOrder = {
          eventTime,
          acceptedAt: Number(acceptedAt),
          place: [generation, partition, offset, index],
        };
        each({ tenant, subject, windowStart, reading, order, chunk, since, until });
      }
    }
    return true;
  }

  private definedOf(correction: MeterCorrection): DefinedCorrection {
    const defined =
      this.defined.get(correction) ?? definedBy(correction, (tenant) => this.metersAt(tenant, correction.version));
    this.defined.set(correction, defined);
    return defined;
  }
}
