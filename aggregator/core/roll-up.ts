// The roll-ups of one chunk: for each (tenant, meter, subject, window, group values) a row with the value of the chunk
// so far, and what the subjects come to together (totals.ts). It depends on nothing but the accepted events of the
// chunk in log order, so a replay builds the same rows.

import type { EventOrder, WindowState } from '../../domain/aggregation/aggregation-rules.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import type { Reading } from '../../domain/metering/meter-reading.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import type { RollUps } from './partition-state.ts';
import { TotalTable } from './totals.ts';
export interface RollUpRow extends WindowState {
  readonly tenant: string;
  readonly meter: Meter;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly groupValues: readonly string[];
  eventCount: number;
  /** True where the row has changed since it was last taken for a flush. */
  isDirty: boolean;
  /** The hash of the row as it was last written; the writer sets it. */
  rowHash: bigint;
}

/** What a roll-up is told of an event beside its readings. */
export type RolledUpEvent = Pick<UsageEvent, 'tenant' | 'subject' | 'eventTime'>;

function keyOf(
  event: Pick<UsageEvent, 'tenant' | 'subject'>,
  meter: Meter,
  windowStart: number,
  groupValues: readonly string[],
): string {
  // Every part but the last is a number or begins with its length. Without that, "a" + "bc" would be the same key as
  // "ab" + "c".
  let key = `${meter.slug.length}:${meter.slug}${event.tenant.length}:${event.tenant}${windowStart}:`;
  for (const value of groupValues) key += `${value.length}:${value}`;
  return `${key}/${event.subject}`;
}

export class RollUpTable implements RollUps {
  readonly totals = new TotalTable();
  private readonly rows = new Map<string, RollUpRow>();
  private dirty: RollUpRow[] = [];

  get size(): number {
    return this.rows.size;
  }

  all(): IterableIterator<RollUpRow> {
    return this.rows.values();
  }

  add(event: RolledUpEvent, reading: Reading, order: EventOrder): void {
    const { meter, groupValues } = reading;
    const rules = aggregationRules(meter.aggregation);
    const windowStart = windowStartOf(event.eventTime, windowSizeMs[meter.window]);
    const key = keyOf(event, meter, windowStart, groupValues);
    let row = this.rows.get(key);
    if (row === undefined) {
      row = {
        tenant: event.tenant,
        meter,
        subject: event.subject,
        windowStart,
        groupValues,
        ...rules.begin(reading, order),
        eventCount: 1,
        isDirty: false,
        rowHash: 0n,
      };
      this.rows.set(key, row);
    } else {
      row.eventCount += 1;
      rules.add(row, reading, order);
    }
    if (!row.isDirty) {
      row.isDirty = true;
      this.dirty.push(row);
    }
    if (rules.isSum) this.totals.add({ tenant: event.tenant, meter, windowStart }, groupValues, reading.quantity);
  }

  /** Nothing is to be done: each row holds its meter. */
  changeMeters(): void {}

  startChunk(): void {
    this.totals.startChunk();
    this.rows.clear();
    this.dirty = [];
  }

  /** Takes over a row that was kept elsewhere. The table must not hold one of the same key. */
  insert(row: RollUpRow): void {
    this.rows.set(keyOf(row, row.meter, row.windowStart, row.groupValues), row);
    if (row.isDirty) this.dirty.push(row);
  }

  /** The rows that changed since the last call. */
  takeDirty(): RollUpRow[] {
    const taken = this.dirty;
    this.dirty = [];
    for (const row of taken) row.isDirty = false;
    return taken;
  }
}
