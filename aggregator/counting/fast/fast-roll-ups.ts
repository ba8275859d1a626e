// The roll-ups of a chunk, and its totals, for the fast counter. Rows of meters that sum or count are in columns, all
// others in the plain table.
//
// When the catalog changes within a chunk, all rows go to the plain table, and the plain rules decide every event up to
// the end of the chunk: cells are laid out for the meters of one catalog version, but a meter of the next version may
// go on with the same row.

import type { EventOrder } from '../../../domain/aggregation/aggregation-rules.ts';
import type { MetersByType, Reading } from '../../../domain/metering/meter-reading.ts';
import { type RowSet, wrap64 } from '../../../domain/sealing/row-set.ts';
import { windowSizeMs, windowStartOf } from '../../../domain/time/time-window.ts';
import type { UsageEvent } from '../../../domain/usage-event.ts';
import type { RollUps } from '../../core/partition-state.ts';
import { RollUpTable } from '../../core/roll-up.ts';
import { EventReadings } from './event-readings.ts';
import { type Family, MeteredTypes } from './metered-types.ts';
import { GROUP_SEPARATOR, NameTable } from './name-table.ts';
import { MINUTE_MAX, MINUTE_MS, RollUpColumns } from './roll-up-columns.ts';
import { REST_GROUP, TotalColumns } from './total-columns.ts';

/** Once there are so many names, they are forgotten when the chunk ends. */
const NAMES_MAX = 1 << 18;

export class FastRollUps implements RollUps {
  readonly columns = new RollUpColumns();
  readonly totals = new TotalColumns();
  readonly table = new RollUpTable();
  names = new NameTable();
  /** Reads events for the meters in force, with ids of `names`. */
  readings: EventReadings;
  /** True where the catalog has changed in this chunk: nothing may be added to the columns then. */
  isPlain = false;
  private meters: MetersByType;
  private types: MeteredTypes;

  constructor(meters: MetersByType) {
    this.meters = meters;
    this.types = new MeteredTypes(meters);
    this.readings = new EventReadings(this.types, this.names);
  }

  get families(): readonly Family[] {
    return this.types.families;
  }

  /** Adds a reading of an event that the plain rules accepted. Its row may be one that ordinary events are added to. */
  add(event: UsageEvent, reading: Reading, order: EventOrder): void {
    const { meter, groupValues, quantity } = reading;
    const place = this.types.placeOf(meter);
    const minute = windowStartOf(event.eventTime, windowSizeMs[meter.window]) / MINUTE_MS;
    if (this.isPlain || place === undefined || Math.abs(minute) > MINUTE_MAX) {
      this.table.add(event, reading, order);
      return;
    }
    const { names, columns } = this;
    const cell = columns.cell(
      names.internBytes(Buffer.from(event.tenant)),
      names.internBytes(Buffer.from(event.subject)),
      names.internBytes(groupName(groupValues)),
      place.family,
      minute,
    );
    columns.countQuantity(cell, place.member, quantity);
    const total = this.totals.cellOf(columns, cell, place.family);
    this.totals.countQuantity(total, place.family, place.member, quantity);
  }

  changeMeters(meters: MetersByType): void {
    const { columns, table } = this;
    this.isPlain = !columns.isEmpty || table.size > 0;
    this.moveToTable();
    this.meters = meters;
    this.layOut();
  }

  private moveToTable(): void {
    const { columns, table, names, families } = this;
    columns.forEachRow(families, (row, cell, member) => {
      const family = families[columns.family(cell)]!;
      table.insert({
        tenant: names.text(columns.tenant(cell)),
        meter: family.members[member]!.meter,
        subject: names.text(columns.subject(cell)),
        windowStart: columns.minute(cell) * MINUTE_MS,
        groupValues: this.groupValues(columns.group(cell), family),
        value: columns.quantity(row),
        eventCount: columns.events(row),
        latest: null,
        uniqueValues: null,
        isDirty: columns.isChanged(cell, member),
        rowHash: columns.hash(row),
      });
    });
    columns.clear();
    const { totals } = this;
    totals.columns.forEachRow(families, (row, cell, member) => {
      const family = families[totals.columns.family(cell)]!;
      const group = totals.columns.group(cell);
      table.totals.insert({
        tenant: names.text(totals.columns.tenant(cell)),
        meter: family.members[member]!.meter,
        windowStart: totals.columns.minute(cell) * MINUTE_MS,
        groupValues: group === REST_GROUP ? null : this.groupValues(group, family),
        value: totals.columns.quantity(row),
        eventCount: totals.columns.events(row),
        isDirty: totals.columns.isChanged(cell, member),
        rowHash: totals.columns.hash(row),
      });
    });
    totals.clear();
  }

  private layOut(): void {
    this.types = new MeteredTypes(this.meters);
    this.readings = new EventReadings(this.types, this.names);
  }

  private groupValues(group: number, { groupSlots }: Family): string[] {
    const { names } = this;
    const values: string[] = [];
    let from = names.start(group);
    for (let i = 0; i < groupSlots.length; i++) {
      const separator = i < groupSlots.length - 1 ? names.bytes.indexOf(GROUP_SEPARATOR, from) : names.end(group);
      values.push(names.bytes.toString('utf8', from, separator));
      from = separator + 1;
    }
    return values;
  }

  /** The rows of these columns, which are of this object, as they were last taken. */
  rowSetOf(columns: RollUpColumns): RowSet {
    const { families } = this;
    let count = 0;
    let low = 0;
    let high = 0;
    columns.forEachRow(families, (row) => {
      count++;
      low += columns.hashLow(row);
      high += columns.hashHigh(row);
    });
    return { count, checksum: wrap64((BigInt(high) << 32n) + BigInt(low)) };
  }

  startChunk(): void {
    this.columns.clear();
    this.totals.clear();
    this.table.startChunk();
    this.isPlain = false;
    if (this.names.size < NAMES_MAX) return;
    this.names = new NameTable();
    this.layOut();
  }
}

function groupName(values: readonly string[]): Buffer {
  const separator = Buffer.from([GROUP_SEPARATOR]);
  return Buffer.concat(
    values.flatMap((value, i) => (i === 0 ? [Buffer.from(value)] : [separator, Buffer.from(value)])),
  );
}
