// The roll-ups of one chunk: for each (tenant, meter, subject, window, group values) the cumulative value of the chunk so
// far. Values only ever depend on the accepted events of the chunk in log order, so a replay builds the same rows.
import type { Meter } from '../../domain/catalog.ts';
import type { Reading } from '../../domain/meter-reading.ts';
import { QUANTITY_ONE, type Quantity } from '../../domain/quantity.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time-window.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';

/** Orders the values of a `latest` meter: by event time, then by place in the log. */
export interface EventOrder {
  readonly eventTime: number;
  /** T when the event was accepted. */
  readonly acceptedAt: number;
  readonly offset: number;
  readonly index: number;
}

export interface RollUpRow {
  readonly tenant: string;
  readonly meter: Meter;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly groupValues: readonly string[];
  value: Quantity;
  eventCount: number;
  latest: EventOrder | null;
  readonly uniqueValues: Set<string> | null;
  /** Changed since it was last taken for a flush. */
  isDirty: boolean;
  /** Of the row as it was last written; set by the writer. */
  rowHash: bigint;
}

const isAfter = (a: EventOrder, b: EventOrder): boolean =>
  a.eventTime !== b.eventTime
    ? a.eventTime > b.eventTime
    : a.acceptedAt !== b.acceptedAt
      ? a.acceptedAt > b.acceptedAt
      : a.offset !== b.offset
        ? a.offset > b.offset
        : a.index > b.index;

/** Adds one reading to its row. */
function accumulate(row: RollUpRow, { meter, quantity, uniqueValue }: Reading, order: EventOrder): void {
  row.eventCount += 1;
  switch (meter.aggregation) {
    case 'sum':
    case 'count':
      row.value += quantity;
      return;
    case 'max':
      if (quantity > row.value) row.value = quantity;
      return;
    case 'min':
      if (quantity < row.value) row.value = quantity;
      return;
    case 'latest':
      if (isAfter(order, row.latest!)) {
        row.value = quantity;
        row.latest = order;
      }
      return;
    case 'unique':
      row.uniqueValues!.add(uniqueValue!);
      row.value = BigInt(row.uniqueValues!.size) * QUANTITY_ONE;
      return;
  }
}

function keyOf(
  event: Pick<UsageEvent, 'tenant' | 'subject'>,
  meter: Meter,
  windowStart: number,
  groupValues: readonly string[],
): string {
  // Every part but the last is length-prefixed or a number: joined strings collide.
  let key = `${meter.slug.length}:${meter.slug}${event.tenant.length}:${event.tenant}${windowStart}:`;
  for (const value of groupValues) key += `${value.length}:${value}`;
  return `${key}/${event.subject}`;
}

export class RollUpTable {
  private readonly rows = new Map<string, RollUpRow>();
  private dirty: RollUpRow[] = [];

  get size(): number {
    return this.rows.size;
  }

  all(): IterableIterator<RollUpRow> {
    return this.rows.values();
  }

  add(event: UsageEvent, reading: Reading, order: EventOrder): void {
    const { meter, groupValues, quantity, uniqueValue } = reading;
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
        value: meter.aggregation === 'unique' ? QUANTITY_ONE : quantity,
        eventCount: 1,
        latest: meter.aggregation === 'latest' ? order : null,
        uniqueValues: uniqueValue === null ? null : new Set([uniqueValue]),
        isDirty: false,
        rowHash: 0n,
      };
      this.rows.set(key, row);
    } else {
      accumulate(row, reading, order);
    }
    if (!row.isDirty) {
      row.isDirty = true;
      this.dirty.push(row);
    }
  }

  /** Takes over a row that was kept elsewhere; there must be none of its name. */
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
