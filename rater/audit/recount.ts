// Reads the raw accepted events of sealed chunks again and meters each with the catalog version of its place in the log.
import type { CatalogVersion } from '../../domain/catalog.ts';
import { parseExactJson } from '../../domain/exact-json.ts';
import { type MetersByType, metersByType, type Reading, readMeters } from '../../domain/meter-reading.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time-window.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { AuditLog } from './discrepancy.ts';
import type { EventPlace } from './meter-tally.ts';
import { placeOf, type SealedChunks, type SealRow } from './sealed-chunks.ts';

export interface AuditScope {
  /** Bounds of event time in milliseconds since the epoch, whole UTC days so that no window is cut; null: unbounded. */
  readonly from: number | null;
  readonly to: number | null;
  /** Null: every tenant. */
  readonly tenant: string | null;
}

export interface RecountedReading {
  readonly tenant: string;
  readonly subject: string;
  readonly windowStart: number;
  readonly reading: Reading;
  readonly place: EventPlace;
  readonly seal: SealRow;
}

/** Calls `each` for every reading of every sealed event in scope. An accepted event that can't be metered is an I2 discrepancy. */
export async function recount(
  clickhouse: ClickHouse,
  chunks: SealedChunks,
  versions: readonly CatalogVersion[],
  scope: AuditScope,
  log: AuditLog,
  each: (reading: RecountedReading) => void,
): Promise<void> {
  const meters = new Map<number, MetersByType>(
    versions.map(({ version, catalog }) => [version, metersByType(catalog)]),
  );
  const rows = clickhouse.stream(
    `SELECT generation, partition, offset, index, toString(epoch), tenant, subject, type,
        toUnixTimestamp64Milli(event_time), toUnixTimestamp64Milli(accepted_at), data
      FROM usage_events FINAL
      WHERE ({tenant:String} = '' OR tenant = {tenant:String})
        AND toUnixTimestamp64Milli(event_time) >= {from:Int64} AND toUnixTimestamp64Milli(event_time) < {to:Int64}`,
    { tenant: scope.tenant ?? '', from: scope.from ?? 0, to: scope.to ?? Number.MAX_SAFE_INTEGER },
  );
  for await (const batch of rows) {
    for (const row of batch) {
      const [generation, partition, offsetText, index, epoch, tenant, subject, type, time, acceptedAt, data] = row as [
        ...[number, number, string, number, string],
        ...[string, string, string, string, string, string],
      ];
      const offset = Number(offsetText);
      const seal = chunks.holding(generation, partition, offset);
      if (seal === null || Number(epoch) < seal.epoch) continue;
      const ofType = meters.get(chunks.catalogVersionAt(seal, offset))?.get(type);
      if (ofType === undefined) continue;
      const readings = readMeters(ofType, parseExactJson(data));
      if (!Array.isArray(readings)) {
        log.compare(
          'I2',
          `${placeOf(seal)} offset ${offset} index ${index}`,
          'an event that can be metered',
          readings.message,
        );
        continue;
      }
      const eventTime = Number(time);
      for (const reading of readings) {
        const windowStart = windowStartOf(eventTime, windowSizeMs[reading.meter.window]);
        const place: EventPlace = [eventTime, Number(acceptedAt), generation, partition, offset, index];
        each({ tenant, subject, windowStart, reading, place, seal });
      }
    }
  }
}
