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
    discrepancy: (invariant, count) => report('rating', invariant, count),
    audited: (invariant, count) => report('audit', invariant, count),
  };
}
