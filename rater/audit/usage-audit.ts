// I2 from raw events: what every meter says of every window, recounted, against the merged roll-ups.
import { groupBy, keyText } from '../../domain/composite-key.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import type { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { SealedRevision } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { SqlFragment } from '../../platform/usage-store/sealed-rows.ts';
import { mergeExpression, quantityFromStore } from '../../platform/usage-store/usage-query.ts';
import type { MappedChunk } from './chunk-map.ts';
import type { AuditLog } from './discrepancy.ts';
import { MeterTally } from './meter-tally.ts';
import type { RecountedReading } from './recount.ts';

/** The group values of a row. */
const textsOf = (groups: string): string[] => JSON.parse(groups) as string[];

/** Parameters of the rows of a chunk that count. */
export const chunkRows = ({ generation, partition, chunk, epoch }: MappedChunk, revised: SealedRevision | null) => ({
  ...{ generation, partition, chunk },
  ...{ revision: revised?.revision ?? 0, epoch: revised?.epoch ?? epoch },
});

const print = (quantity: bigint, events: number | string): string => `${formatQuantity(quantity)} of ${events} events`;

/** Recounted usage by tenant, meter, subject, window and group values. Holds all of it: give it a slice at a time. */
export class UsageAudit {
  private readonly tallies = new Map<string, MeterTally>();

  add({ tenant, subject, windowStart, reading, order }: RecountedReading): void {
    const key = keyText(tenant, reading.meter.slug, subject, windowStart, ...reading.groupValues);
    let tally = this.tallies.get(key);
    if (tally === undefined) {
      tally = new MeterTally(reading.meter.aggregation);
      this.tallies.set(key, tally);
    }
    tally.add(reading, order);
  }

  /** Compares all of it with the rows of `usage_rollups AS r FINAL` that `condition` keeps, and forgets it. */
  async compare(
    clickhouse: ClickHouse,
    catalogs: RatingCatalogs,
    condition: SqlFragment,
    log: AuditLog,
  ): Promise<void> {
    const meters = catalogs.all.flatMap((catalog) => [...catalog.meters.values()]);
    // Two tenants may give one slug different aggregations: each reads its rows by its own.
    for (const [meter] of groupBy(meters, ({ slug, aggregation }) => keyText(slug, aggregation)).values()) {
      const { slug, aggregation } = meter!;
      const rows = clickhouse.stream(
        `SELECT r.tenant, r.subject, toUnixTimestamp(r.window_start), r.group_values,
            toString(${mergeExpression(aggregation)}), toString(sum(r.event_count))
          FROM usage_rollups AS r FINAL WHERE r.meter = {meter:String} AND ${condition.sql}
          GROUP BY r.tenant, r.subject, r.window_start, r.group_values
          SETTINGS do_not_merge_across_partitions_select_final = 1`,
        { ...condition.params, meter: slug },
      );
      for await (const batch of rows) {
        for (const row of batch as [string, string, number, string, string, string][]) {
          const [tenant, subject, start, groups, value, events] = row;
          // Rows of a meter that the tenant never had are nobody's: they are compared all the same.
          if ((catalogs.of(tenant).meters.get(slug)?.aggregation ?? aggregation) !== aggregation) continue;
          const key = keyText(tenant, slug, subject, Number(start) * 1_000, ...textsOf(groups));
          this.compareOne(key, print(quantityFromStore(value), events), log);
        }
      }
    }
    this.compareRest(log);
  }

  /**
   * Compares all of it with the roll-up rows of one sealed chunk, each of which is a value by itself, and forgets it.
   * `revised`: of which revision they are, where it was recounted.
   */
  async compareChunk(
    clickhouse: ClickHouse,
    chunk: MappedChunk,
    revised: SealedRevision | null,
    log: AuditLog,
  ): Promise<void> {
    const rows = clickhouse.stream(
      `SELECT tenant, meter, subject, toUnixTimestamp(window_start), group_values, toString(value), toString(event_count)
       FROM usage_rollups FINAL
       WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND chunk = {chunk:UInt32}
         AND revision = {revision:UInt32} AND epoch >= {epoch:UInt64}
       SETTINGS do_not_merge_across_partitions_select_final = 1`,
      chunkRows(chunk, revised),
    );
    for await (const batch of rows) {
      for (const row of batch as [string, string, string, number, string, string, string][]) {
        const [tenant, meter, subject, start, groups, value, events] = row;
        const key = keyText(tenant, meter, subject, Number(start) * 1_000, ...textsOf(groups));
        this.compareOne(key, print(quantityFromStore(value), events), log);
      }
    }
    this.compareRest(log);
  }

  /** What was added is not all there is. */
  forget(): void {
    this.tallies.clear();
  }

  private compareOne(key: string, found: string, log: AuditLog): void {
    const tally = this.tallies.get(key);
    this.tallies.delete(key);
    log.compare('I2', `usage ${key}`, tally === undefined ? 'nothing' : print(tally.kept(), tally.eventCount), found);
  }

  private compareRest(log: AuditLog): void {
    for (const [key, tally] of this.tallies) {
      log.compare('I2', `usage ${key}`, print(tally.kept(), tally.eventCount), 'nothing');
    }
    this.tallies.clear();
  }
}
