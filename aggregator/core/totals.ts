// The totals of one chunk: for each (tenant, meter, window, group values) of a meter that sums, what all its subjects
// come to. Other aggregations have none: what they say of several subjects needs each subject's own value, or a state
// that grows with the values of all of them.
//
// A dimension may have a value for every event, and then totals would be as many as roll-ups. So of a window of a meter
// the first groups of the chunk have a row each, and all further ones share one, the rest. Which are the first follows
// from the log alone, as everything that is sealed does.
import type { Meter } from '../../domain/catalog/catalog.ts';
import { keyText } from '../../domain/composite-key.ts';
import type { Quantity } from '../../domain/number/quantity.ts';

/**
 * How many groups of a window of a meter have a total of their own in a chunk. It may change with a rule set only: a
 * chunk that is replayed must have the same rows.
 */
export const TOTAL_GROUPS_MAX = 256;

export interface TotalRow {
  readonly tenant: string;
  readonly meter: Meter;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  /** Null: the rest. */
  readonly groupValues: readonly string[] | null;
  value: Quantity;
  eventCount: number;
  /** True where the row has changed since it was last taken for a flush. */
  isDirty: boolean;
  /** The hash of the row as it was last written; the writer sets it. */
  rowHash: bigint;
}

type TotalPlace = Pick<TotalRow, 'tenant' | 'meter' | 'windowStart'>;

const windowKey = ({ tenant, meter, windowStart }: TotalPlace): string => keyText(tenant, meter.slug, windowStart);

export class TotalTable {
  private readonly rows = new Map<string, TotalRow>();
  /** By window: how many groups have a row of their own. */
  private readonly groups = new Map<string, number>();
  private dirty: TotalRow[] = [];

  all(): IterableIterator<TotalRow> {
    return this.rows.values();
  }

  add(place: TotalPlace, groupValues: readonly string[], quantity: Quantity): void {
    const row = this.rowOf(place, groupValues);
    row.value += quantity;
    row.eventCount += 1;
    if (row.isDirty) return;
    row.isDirty = true;
    this.dirty.push(row);
  }

  private rowOf({ tenant, meter, windowStart }: TotalPlace, groupValues: readonly string[]): TotalRow {
    const ofWindow = windowKey({ tenant, meter, windowStart });
    const own = this.rows.get(keyText(ofWindow, ...groupValues));
    if (own !== undefined) return own;
    const isOwn = (this.groups.get(ofWindow) ?? 0) < TOTAL_GROUPS_MAX;
    const rest = isOwn ? undefined : this.rows.get(ofWindow);
    if (rest !== undefined) return rest;
    const row: TotalRow = {
      ...{ tenant, meter, windowStart, groupValues: isOwn ? groupValues : null },
      ...{ value: 0n, eventCount: 0, isDirty: false, rowHash: 0n },
    };
    this.insert(row);
    return row;
  }

  /** Takes over a row that was kept elsewhere. The table must not hold one of the same key. */
  insert(row: TotalRow): void {
    const ofWindow = windowKey(row);
    if (row.groupValues === null) this.rows.set(ofWindow, row);
    else {
      this.rows.set(keyText(ofWindow, ...row.groupValues), row);
      this.groups.set(ofWindow, (this.groups.get(ofWindow) ?? 0) + 1);
    }
    if (row.isDirty) this.dirty.push(row);
  }

  startChunk(): void {
    this.rows.clear();
    this.groups.clear();
    this.dirty = [];
  }

  /** The rows that changed since the last call. */
  takeDirty(): TotalRow[] {
    const taken = this.dirty;
    this.dirty = [];
    for (const row of taken) row.isDirty = false;
    return taken;
  }
}
