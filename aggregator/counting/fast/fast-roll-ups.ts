// The roll-ups of a chunk, and its totals, for the fast counter. Rows of meters that sum or count are in columns, all
// others in the plain table.
//
// When the meters of a tenant change within a chunk, its rows go to the plain table, and the plain rules decide every
// event of it up to the end of the chunk: cells are laid out for the meters of one version, but a meter of the next one
// may go on with the same row. Nothing happens to tenants whose meters stay as they are.

import type { EventOrder } from '../../../domain/aggregation/aggregation-rules.ts';
import type { Meter } from '../../../domain/catalog/catalog.ts';
import type { Reading } from '../../../domain/metering/meter-reading.ts';
import { ChangedMeters, type TenantMeters } from '../../../domain/metering/tenant-meters.ts';
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
/** And of layouts, which are few unless many tenants have meters of their own. */
const FAMILIES_MAX = 1 << 14;

export class FastRollUps implements RollUps {
  readonly columns = new RollUpColumns();
  readonly totals = new TotalColumns();
  readonly table = new RollUpTable();
  names = new NameTable();
  /** Reads events for the meters in force, with ids of `names`. */
  readings: EventReadings;
  private meters: TenantMeters;
  private types: MeteredTypes;
  /** Whose meters have changed in this chunk: nothing of theirs may be added to the columns. */
  private changed = new ChangedMeters();
  private hasChanged = false;

  constructor(meters: TenantMeters) {
    this.meters = meters;
    this.types = new MeteredTypes();
    this.readings = this.newReadings();
  }

  get families(): readonly Family[] {
    return this.types.families;
  }

  /** Adds a reading of an event that the plain rules accepted. Its row may be one that ordinary events are added to. */
  add(event: UsageEvent, reading: Reading, order: EventOrder): void {
    const { meter, groupValues, quantity } = reading;
    const place = this.placeOf(event, meter);
    const minute = windowStartOf(event.eventTime, windowSizeMs[meter.window]) / MINUTE_MS;
    if (place === undefined || Math.abs(minute) > MINUTE_MAX) {
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

  /** Undefined: the row is in the plain table. */
  private placeOf({ tenant, type }: UsageEvent, meter: Meter): ReturnType<MeteredTypes['placeOf']> {
    if (this.changed.has(tenant)) return undefined;
    return this.types.placeOf(meter, this.meters.of(tenant).get(type)!);
  }

  changeMeters(meters: TenantMeters): void {
    const { columns, table } = this;
    if (columns.isEmpty && table.size === 0) {
      this.meters = meters;
      this.layOut();
      return;
    }
    this.changed.add(this.meters, meters);
    this.hasChanged = true;
    this.meters = meters;
    this.readings = this.newReadings();
    this.moveToTable();
  }

  /** The rows of those whose meters have changed. */
  private moveToTable(): void {
    const { columns, table, names, families, totals } = this;
    const changed = new Map<number, boolean>();
    const isChanged = (tenant: number): boolean => {
      const known = changed.get(tenant) ?? this.changed.has(names.text(tenant));
      changed.set(tenant, known);
      return known;
    };
    columns.forEachRow(families, (row, cell, member) => {
      if (!isChanged(columns.tenant(cell))) return;
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
    totals.columns.forEachRow(families, (row, cell, member) => {
      if (!isChanged(totals.columns.tenant(cell))) return;
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
    for (const each of [columns, totals.columns]) {
      each.forEachCell(families, (cell, family) => {
        if (isChanged(each.tenant(cell))) each.empty(cell, family);
      });
    }
  }

  private layOut(): void {
    this.types = new MeteredTypes();
    this.readings = this.newReadings();
  }

  private newReadings(): EventReadings {
    const metersOf = (tenant: string) => (this.changed.has(tenant) ? null : this.meters.of(tenant));
    return new EventReadings(this.types, this.names, metersOf);
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
    const isFull = this.names.size >= NAMES_MAX;
    if (isFull) this.names = new NameTable();
    if (!isFull && !this.hasChanged && this.families.length < FAMILIES_MAX) return;
    this.changed = new ChangedMeters();
    this.hasChanged = false;
    this.layOut();
  }
}

function groupName(values: readonly string[]): Buffer {
  const separator = Buffer.from([GROUP_SEPARATOR]);
  return Buffer.concat(
    values.flatMap((value, i) => (i === 0 ? [Buffer.from(value)] : [separator, Buffer.from(value)])),
  );
}
