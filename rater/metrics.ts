// The rater's metrics. The names are an interface: dashboards and alerts rely on them.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LineItemKind } from '../domain/billing/line-item.ts';
import type { Invariant } from './core/invariant.ts';

export interface RaterMetrics {
  lineItemsWritten(kind: LineItemKind, count: number): void;
  /** From the instant a window could close at the earliest to its line item. */
  windowCloseDelay(seconds: number): void;
  /** Windows that closed with usage which no price takes. */
  unpricedWindows(meter: string, count: number): void;
  shardsHeld(count: number): void;
  /** Since the step before. */
  shardsLost(count: number): void;
  /** Of the shard that is furthest behind, whoever holds it; milliseconds since the epoch. */
  ratedWatermark(time: number): void;
  /** How many discrepancies of an invariant rating met at its last step; 0 takes a reported one back. */
  discrepancy(invariant: 'I2' | 'I4', count: number): void;
  /** How many discrepancies of an invariant the auditor knows. */
  audited(invariant: Invariant, count: number): void;
}

export function createRaterMetrics(registry: Registry): RaterMetrics {
  const lineItems = new Counter({
    name: 'tallyline_line_items_total',
    help: 'Line items written, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  });
  const closeDelay = new Histogram({
    name: 'tallyline_window_close_delay_seconds',
    help: 'Time from the end of the width of a line item plus the allowed lateness to the item.',
    buckets: [1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 300, 900, 3_600],
    registers: [registry],
  });
  const unpriced = new Counter({
    name: 'tallyline_unpriced_usage_total',
    help: 'Windows of a subject that closed with usage which no price of its customer takes, by meter.',
    labelNames: ['meter'],
    registers: [registry],
  });
  const discrepancies = new Gauge({
    name: 'tallyline_invariant_discrepancy',
    help: 'Discrepancies of an invariant that are known now; anything but 0 is to be looked at.',
    labelNames: ['invariant'],
    registers: [registry],
  });
  const shards = new Gauge({
    name: 'tallyline_rater_shards',
    help: 'Shards of customers that this rater holds, of 64.',
    registers: [registry],
  });
  const lostShards = new Counter({
    name: 'tallyline_rater_shards_lost_total',
    help: 'Shards that another rater took from this one, since its lease was over.',
    registers: [registry],
  });
  const rated = new Gauge({
    name: 'tallyline_rated_watermark_timestamp_seconds',
    help: 'Up to which time of the log the shard is rated that is furthest behind; 0: not at all.',
    registers: [registry],
  });
  for (const kind of ['usage', 'adjustment']) lineItems.inc({ kind }, 0);
  // Rating and the auditor may meet the same discrepancy; the larger number is the better account of it.
  const counts = { rating: new Map<Invariant, number>(), audit: new Map<Invariant, number>() };
  const report = (source: 'rating' | 'audit', invariant: Invariant, count: number): void => {
    counts[source].set(invariant, count);
    discrepancies.set({ invariant }, Math.max(counts.rating.get(invariant) ?? 0, counts.audit.get(invariant) ?? 0));
  };
  return {
    lineItemsWritten: (kind, count) => lineItems.inc({ kind }, count),
    unpricedWindows: (meter, count) => unpriced.inc({ meter }, count),
    windowCloseDelay: (seconds) => closeDelay.observe(Math.max(0, seconds)),
    shardsHeld: (count) => shards.set(count),
    shardsLost: (count) => lostShards.inc(count),
    ratedWatermark: (time) => rated.set(time / 1000),
    discrepancy: (invariant, count) => report('rating', invariant, count),
    audited: (invariant, count) => report('audit', invariant, count),
  };
}
