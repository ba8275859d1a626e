// I2 of totals: what the subjects of a sealed chunk come to, recounted from its raw events, against its totals. By
// window and not by group: groups may share a row (aggregator/core/totals.ts).
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { keyText } from '../../domain/composite-key.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import type { SealedRevision } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { quantityFromStore } from '../../platform/usage-store/usage-query.ts';
import type { MappedChunk } from './chunk-map.ts';
import type { AuditLog } from './discrepancy.ts';
import type { RecountedReading } from './recount.ts';
import { chunkRows } from './usage-audit.ts';

interface Total {
  value: bigint;
  events: number;
}

const print = ({ value, events }: Total): string => `${formatQuantity(value)} of ${events} events`;

export class TotalsAudit {
  private readonly totals = new Map<string, Total>();

  add({ tenant, windowStart, reading: { meter, quantity } }: RecountedReading): void {
    if (!aggregationRules(meter.aggregation).isSum) return;
    const key = keyText(tenant, meter.slug, windowStart);
    const total = this.totals.get(key) ?? { value: 0n, events: 0 };
    total.value += quantity;
    total.events += 1;
    this.totals.set(key, total);
  }

  async compare(
    clickhouse: ClickHouse,
    chunk: MappedChunk,
    revised: SealedRevision | null,
    log: AuditLog,
  ): Promise<void> {
    const { totals } = this;
    const rows = clickhouse.stream(
      `SELECT tenant, meter, toUnixTimestamp(window_start), toString(sum(value)), toString(sum(event_count))
       FROM usage_totals FINAL
       WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND chunk = {chunk:UInt32}
         AND revision = {revision:UInt32} AND epoch >= {epoch:UInt64}
       GROUP BY tenant, meter, window_start
       SETTINGS do_not_merge_across_partitions_select_final = 1`,
      chunkRows(chunk, revised),
    );
    for await (const batch of rows) {
      for (const [tenant, meter, start, value, events] of batch as [string, string, number, string, string][]) {
        const key = keyText(tenant, meter, Number(start) * 1_000);
        const found = print({ value: quantityFromStore(value), events: Number(events) });
        const total = totals.get(key);
        totals.delete(key);
        log.compare('I2', `total ${key}`, total === undefined ? 'nothing' : print(total), found);
      }
    }
    for (const [key, total] of totals) log.compare('I2', `total ${key}`, print(total), 'nothing');
  }
}
