// Reads the raw accepted events of sealed chunks again and meters each with what its tenant's catalog was at its place
// in the log, by the rule set of its chunk.
import type { EventOrder } from '../../domain/aggregation/aggregation-rules.ts';
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import type { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { parseExactJson } from '../../domain/json/exact-json.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { type MetersByType, metersByType, type Reading, readMeters } from '../../domain/metering/meter-reading.ts';
import { type RuleSet, ruleSet } from '../../domain/metering/rule-set.ts';
import { Rejection } from '../../domain/rejection.ts';
import { placeOf } from '../../domain/sealing/seals.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
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
}

export class Recount {
  private readonly clickhouse: ClickHouse;
  private readonly chunks: ChunkMap;
  private readonly versions: TenantVersions;
  private readonly meters = new Map<Catalog, MetersByType>();

  constructor(clickhouse: ClickHouse, chunks: ChunkMap, versions: TenantVersions) {
    this.clickhouse = clickhouse;
    this.chunks = chunks;
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
    const ofType = this.metersAt(tenant, this.chunks.catalogVersionAt(generation, partition, offset)).get(type);
    if (ofType === undefined) return true;
    const readings = readingsOf(ofType, data, ruleSet(chunk.ruleSet));
    if (typeof readings === 'string') {
      log.compare('I2', `${placeOf(chunk)} offset ${offset} index ${index}`, 'an event that can be metered', readings);
      return true;
    }
    const eventTime = Number(time);
    for (const reading of readings) {
      const windowStart = windowStartOf(eventTime, windowSizeMs[reading.meter.window]);
      const order: EventOrder = {
        eventTime,
        acceptedAt: Number(acceptedAt),
        place: [generation, partition, offset, index],
      };
      each({ tenant, subject, windowStart, reading, order, chunk });
    }
    return true;
  }
}

/** A text says why there are none. */
function readingsOf(meters: readonly Meter[], data: string, rules: RuleSet): readonly Reading[] | string {
  let value: unknown;
  try {
    value = parseExactJson(data);
  } catch {
    return 'data is not JSON';
  }
  const read = readMeters(meters, value, rules);
  return read instanceof Rejection ? read.message : read.readings;
}
