// Cuts the usage of a scope into slices that fit into memory, each of which can be recounted by itself: whole UTC days,
// so that no window is cut, and of a large day a share of the subjects.
import { acceptedFrom } from '../../../domain/metering/event-outcome.ts';
import type { ClickHouse } from '../../../platform/clickhouse/click-house.ts';
import type { SqlFragment } from '../../../platform/usage-store/sealed-rows.ts';

export interface AuditScope {
  /** Bounds of event time in milliseconds since the epoch, whole UTC days so that no window is cut; null: unbounded. */
  readonly from: number | null;
  readonly to: number | null;
  /** Null: every tenant. */
  readonly tenant: string | null;
}

export interface AuditSlice {
  /** Milliseconds since the epoch, a day. */
  readonly from: number;
  readonly to: number;
  /** This share of `shares`, by the hash of tenant and subject. */
  readonly share: number;
  readonly shares: number;
  readonly tenant: string | null;
}

const DAY_MS = 86_400_000;
/** Rows of roll-ups or of events that a slice holds, about. */
const ROLLUPS_MAX = 300_000;
const EVENTS_MAX = 1_500_000;

export async function auditSlices(clickhouse: ClickHouse, scope: AuditScope): Promise<AuditSlice[]> {
  const from = scope.from === null ? 0 : scope.from / DAY_MS;
  const to = scope.to === null ? 2 ** 31 : scope.to / DAY_MS;
  const rows = await clickhouse.query<{ day: number | string; rollups: string; events: string }>(
    `SELECT day, toString(sum(rollups)) AS rollups, toString(sum(events)) AS events FROM (
       SELECT intDiv(toUnixTimestamp(window_start), 86400) AS day, count() AS rollups, 0 AS events FROM usage_rollups
       WHERE ({tenant:String} = '' OR tenant = {tenant:String}) GROUP BY day
       UNION ALL
       SELECT intDiv(toUnixTimestamp64Milli(event_time), 86400000) AS day, 0 AS rollups, count() AS events FROM usage_events
       WHERE ({tenant:String} = '' OR tenant = {tenant:String}) GROUP BY day
     ) WHERE day >= {from:Int64} AND day < {to:Int64} GROUP BY day ORDER BY day`,
    { tenant: scope.tenant ?? '', from, to },
  );
  return rows.flatMap((row) => {
    const day = Number(row.day) * DAY_MS;
    const shares = Math.ceil(Math.max(1, Number(row.rollups) / ROLLUPS_MAX, Number(row.events) / EVENTS_MAX));
    return Array.from({ length: shares }, (_, share) => ({
      ...{ from: day, to: day + DAY_MS, share, shares, tenant: scope.tenant },
    }));
  });
}

/** The slice's rows, of a table whose tenant and subject are so named under `alias`. */
export function sliceCondition(slice: AuditSlice, alias: 'e' | 'r', horizonMs: number): SqlFragment {
  const params: Record<string, unknown> = { from_seconds: slice.from / 1_000, to_seconds: slice.to / 1_000 };
  const conditions =
    alias === 'r'
      ? [
          "r.window_start >= toDateTime({from_seconds:UInt32}, 'UTC')",
          "r.window_start < toDateTime({to_seconds:UInt32}, 'UTC')",
        ]
      : [
          "e.event_time >= toDateTime64({from_seconds:UInt32}, 3, 'UTC')",
          "e.event_time < toDateTime64({to_seconds:UInt32}, 3, 'UTC')",
          // Which months of the table can hold them: an event is accepted from a day before its time to the horizon
          // after it.
          "e.accepted_at >= toDateTime64({accepted_from:UInt32}, 3, 'UTC')",
          "e.accepted_at < toDateTime64({accepted_to:UInt32}, 3, 'UTC')",
        ];
  if (alias === 'e') {
    params.accepted_from = Math.max(0, acceptedFrom(slice.from) / 1_000);
    params.accepted_to = Math.min(2 ** 32 - 1, Math.ceil((slice.to + horizonMs) / 1_000));
  }
  if (slice.tenant !== null) {
    conditions.push(`${alias}.tenant = {tenant:String}`);
    params.tenant = slice.tenant;
  }
  if (slice.shares > 1) {
    conditions.push(`cityHash64(${alias}.tenant, ${alias}.subject) % {shares:UInt32} = {share:UInt32}`);
    params.shares = slice.shares;
    params.share = slice.share;
  }
  return { sql: conditions.join(' AND '), params };
}
