// What on-call engineers see of the aggregator. Gauges are computed when they are scraped, so a loop that hangs shows
// as a growing lag and not as the last good value.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type OutcomeCounts, outcomes } from '../domain/metering/event-outcome.ts';
import type { PartitionBounds } from '../platform/event-log/event-log.ts';
import type { CountedPartition } from './counting/counter.ts';

interface WatchedLoop {
  readonly partition: number;
  readonly state: CountedPartition | null;
}

/** By a meter's slug, of a chunk: accepted events it could not read, and values it rounded. */
export interface MeterFigures {
  readonly unread: ReadonlyMap<string, number>;
  readonly rounded: ReadonlyMap<string, number>;
}

export class AggregatorMetrics {
  private readonly clock: () => number;
  private readonly events: Counter<'stage' | 'outcome'>;
  private readonly late: Counter<'reason'>;
  private readonly unread: Counter<'meter'>;
  private readonly rounded: Counter<'meter'>;
  private readonly recounted: Counter;
  private readonly recountFailures: Counter;
  private readonly meteringLag: Histogram;
  private readonly flushDuration: Histogram<'stage'>;
  private readonly sealedTimes = new Map<number, number>();
  /** Whether the chunk that was checked last equalled what was decided or sealed, by partition. */
  private readonly checked = new Map<number, boolean>();
  private endOffsets = new Map<number, number>();

  constructor(registry: Registry, clock: () => number, loops: () => Iterable<WatchedLoop>) {
    this.clock = clock;
    const registers = [registry];
    this.events = new Counter({
      name: 'tallyline_events_total',
      help: 'Events by what became of them',
      labelNames: ['stage', 'outcome'],
      registers,
    });
    this.late = new Counter({
      name: 'tallyline_late_events_total',
      help: 'Events beyond the horizon (too_late, not counted) or behind the end of their window, or of a line item that is wider (window_passed, counted)',
      labelNames: ['reason'],
      registers,
    });
    this.unread = new Counter({
      name: 'tallyline_meter_unread_events_total',
      help: 'Accepted events that a meter could not read, and that the other meters of their type counted',
      labelNames: ['meter'],
      registers,
    });
    this.rounded = new Counter({
      name: 'tallyline_meter_rounded_values_total',
      help: 'Values with more than 12 fraction digits, which a meter rounded half to even',
      labelNames: ['meter'],
      registers,
    });
    this.recounted = new Counter({
      name: 'tallyline_recounted_chunks_total',
      help: 'Sealed chunks that were counted again and sealed as a further revision',
      registers,
    });
    this.recountFailures = new Counter({
      name: 'tallyline_recount_failures_total',
      help: 'Looks at a partition that could not count its chunks again, and try again a second later',
      registers,
    });
    this.meteringLag = new Histogram({
      name: 'tallyline_metering_lag_seconds',
      help: 'From an event being received by a gateway to its usage being queryable; one sample a log record',
      buckets: [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800],
      registers,
    });
    this.flushDuration = new Histogram({
      name: 'tallyline_flush_duration_seconds',
      help: 'Writing the rows of an open chunk, retries included',
      labelNames: ['stage'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    const { sealedTimes, checked } = this;
    new Gauge({
      name: 'tallyline_invariant_discrepancy',
      help: 'Partitions whose stored rows did not equal what was decided or sealed when they were last compared, as I2',
      labelNames: ['invariant'],
      registers,
      collect() {
        this.set({ invariant: 'I2' }, [...checked.values()].filter((isEqual) => !isEqual).length);
      },
    });
    const endOffsets = (): Map<number, number> => this.endOffsets;
    new Gauge({
      name: 'tallyline_watermark_lag_seconds',
      help: 'How long ago the watermark of the last seal was, by partition',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const [partition, partitionTime] of sealedTimes)
          this.set({ partition }, Math.max(0, clock() - partitionTime) / 1000);
      },
    });
    new Gauge({
      name: 'tallyline_consumer_lag_records',
      help: 'Records in the log that are not yet counted, by partition',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const { partition, state } of loops()) {
          const end = endOffsets().get(partition);
          if (state !== null && end !== undefined) this.set({ partition }, Math.max(0, end - state.chunk.nextOffset));
        }
      },
    });
    new Gauge({
      name: 'tallyline_dedup_index_keys',
      help: 'Keys remembered, by partition',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const { partition, state } of loops()) if (state !== null) this.set({ partition }, state.keys);
      },
    });
    new Gauge({
      name: 'tallyline_dedup_index_bytes',
      help: 'Memory that the keys take, by partition',
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset();
        for (const { partition, state } of loops()) if (state !== null) this.set({ partition }, state.keyBytes);
      },
    });
  }

  logBounds(all: readonly PartitionBounds[]): void {
    this.endOffsets = new Map(all.map(({ partition, endOffset }) => [partition, endOffset]));
  }

  sealed(partition: number, partitionTime: number | null): void {
    if (partitionTime !== null) this.sealedTimes.set(partition, partitionTime);
  }

  released(partition: number): void {
    this.sealedTimes.delete(partition);
    this.checked.delete(partition);
  }

  chunksRecounted(count: number): void {
    this.recounted.inc(count);
  }

  recountFailed(): void {
    this.recountFailures.inc();
  }

  /** A chunk was compared with what ClickHouse holds of it. */
  chunkChecked(partition: number, isEqual: boolean): void {
    this.checked.set(partition, isEqual);
  }

  /** Call before a flush is written, and the result once it is, with when gateways received an event of each record. */
  startFlush(): (receivedAt: readonly number[]) => void {
    const end = this.flushDuration.startTimer({ stage: 'aggregator' });
    return (receivedAt) => {
      end();
      for (const time of receivedAt) this.meteringLag.observe(Math.max(0, this.clock() - time) / 1000);
    };
  }

  /** Counts a sealed chunk's outcomes: each event once, however often its chunk was replayed. */
  chunkSealed(total: OutcomeCounts, lateForItem: number, { unread, rounded }: MeterFigures): void {
    for (const outcome of outcomes)
      if (total[outcome] > 0) this.events.inc({ stage: 'aggregator', outcome }, total[outcome]);
    if (total.too_late > 0) this.late.inc({ reason: 'too_late' }, total.too_late);
    if (lateForItem > 0) this.late.inc({ reason: 'window_passed' }, lateForItem);
    for (const [meter, events] of unread) this.unread.inc({ meter }, events);
    for (const [meter, values] of rounded) this.rounded.inc({ meter }, values);
  }
}
