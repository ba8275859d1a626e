// What one event says to the meters of its type: read from the bytes of its data into numbers, which the next event
// overwrites. `read` returns false where it is not certain that readMeters (domain/metering) would read the same
// without a fault.

import type { MetersByType } from '../../../domain/metering/meter-reading.ts';
import { NAME_LENGTH_MAX } from '../../../domain/name-text.ts';
import { windowStartOf } from '../../../domain/time/time-window.ts';
import { DataScanner, NO, UNCERTAIN } from './data-scanner.ts';
import type { EventCursor } from './event-cursor.ts';
import type { MeteredType, MeteredTypes } from './metered-types.ts';
import { GROUP_SEPARATOR, type NameTable } from './name-table.ts';
import { MINUTE_MAX, MINUTE_MS, type RollUpColumns } from './roll-up-columns.ts';
import type { TotalColumns } from './total-columns.ts';

const NONE = -1;

/** What is met of the meters that some tenants share. */
interface TypesById {
  readonly meters: MetersByType;
  /** By the ids of the types' names. */
  readonly byId: Map<number, MeteredType | null | undefined>;
}

/** In place of a group, for a family in which no meter reads a value. */
const NO_GROUP = -1;

export class EventReadings {
  private readonly types: MeteredTypes;
  private readonly names: NameTable;
  private readonly metersOf: (tenant: string) => MetersByType | null;
  /** By the ids of their tenants' names. */
  private readonly tenants = new Map<number, TypesById | null>();
  private readonly sharing = new Map<MetersByType, TypesById>();
  private tenant = NONE;
  private ofTenant: TypesById | null = null;
  private readonly scanner = new DataScanner();
  /** For each family of the type: the id of the group. */
  private groups = new Int32Array(0);
  // For each meter of the type, in the order of families: its value as whole + fraction * 10^-12. NaN: it reads no
  // value.
  private wholes = new Float64Array(0);
  private fractions = new Float64Array(0);
  private groupText = new Uint8Array(0);
  private groupView = new DataView(this.groupText.buffer);
  /** The item width of the first meter, in the catalog's order, that reads a value; 0: none does. */
  firstItemMs = 0;

  /** `metersOf`: those of a tenant; null: the plain rules decide all its events. */
  constructor(types: MeteredTypes, names: NameTable, metersOf: (tenant: string) => MetersByType | null) {
    this.types = types;
    this.names = names;
    this.metersOf = metersOf;
  }

  /**
   * The meters that read events of a type, by the ids of the tenant's and of the type's name. Null: the plain rules
   * decide them. Undefined: no meter reads them.
   */
  typeOf(tenant: number, name: number): MeteredType | null | undefined {
    // Events of one tenant come together.
    if (tenant !== this.tenant) {
      this.ofTenant = this.typesOf(tenant);
      this.tenant = tenant;
    }
    const { ofTenant } = this;
    if (ofTenant === null) return null;
    const known = ofTenant.byId.get(name);
    if (known !== undefined || ofTenant.byId.has(name)) return known;
    const meters = ofTenant.meters.get(this.names.text(name));
    const type = meters === undefined ? undefined : this.types.of(meters);
    if (type !== undefined && type !== null) this.makeRoom(type);
    ofTenant.byId.set(name, type);
    return type;
  }

  private typesOf(tenant: number): TypesById | null {
    const known = this.tenants.get(tenant);
    if (known !== undefined) return known;
    const meters = this.metersOf(this.names.text(tenant));
    const types = meters === null ? null : (this.sharing.get(meters) ?? { meters, byId: new Map() });
    if (types !== null) this.sharing.set(types.meters, types);
    this.tenants.set(tenant, types);
    return types;
  }

  private makeRoom({ families }: MeteredType): void {
    const members = families.reduce((sum, family) => sum + family.members.length, 0);
    const groupBytes = Math.max(0, ...families.map(({ groupSlots }) => groupSlots.length)) * (NAME_LENGTH_MAX + 1);
    if (families.length > this.groups.length) this.groups = new Int32Array(families.length);
    if (members > this.wholes.length) {
      this.wholes = new Float64Array(members);
      this.fractions = new Float64Array(members);
    }
    if (groupBytes <= this.groupText.length) return;
    this.groupText = new Uint8Array(groupBytes);
    this.groupView = new DataView(this.groupText.buffer);
  }

  read(cursor: EventCursor, { paths, families }: MeteredType): boolean {
    const { scanner, wholes, fractions } = this;
    if (!scanner.scan(cursor.bytes, cursor.data, cursor.dataEnd, paths)) return false;
    let firstMeter = Number.POSITIVE_INFINITY;
    let at = 0;
    this.firstItemMs = 0;
    for (let f = 0; f < families.length; f++) {
      const { members, groupSlots, windowMs } = families[f]!;
      let hasValue = false;
      for (let m = 0; m < members.length; m++, at++) {
        const { slot, meter, order, addends, where, itemMs } = members[m]!;
        wholes[at] = Number.NaN;
        if (where !== null) {
          const passes = scanner.passes(where);
          if (passes === UNCERTAIN) return false;
          if (passes === NO) continue;
        }
        if (addends !== null) {
          const isThere = scanner.sum(addends);
          if (isThere === UNCERTAIN || (isThere === NO && meter.required)) return false;
          if (isThere === NO) continue;
          wholes[at] = scanner.whole;
          fractions[at] = scanner.fraction;
        } else if (slot === -1) {
          wholes[at] = 1;
          fractions[at] = 0;
        } else if (scanner.isMissing(slot)) {
          if (meter.required) return false;
          continue;
        } else {
          if (!scanner.decimal(slot)) return false;
          wholes[at] = scanner.whole;
          fractions[at] = scanner.fraction;
        }
        hasValue = true;
        if (order > firstMeter) continue;
        firstMeter = order;
        this.firstItemMs = itemMs;
      }
      this.groups[f] = NO_GROUP;
      if (!hasValue) continue;
      const length = this.writeGroup(groupSlots);
      if (length === -1) return false;
      this.groups[f] = this.names.intern(this.groupView, 0, length);
      if (Math.abs(windowStartOf(cursor.eventTime, windowMs)) > MINUTE_MAX * MINUTE_MS) return false;
    }
    return true;
  }

  /** Writes the group's name to `groupText` and returns its length; -1 where a value may not be allowed in a group. */
  private writeGroup(slots: readonly number[]): number {
    const { scanner, groupText } = this;
    let length = 0;
    for (let i = 0; i < slots.length; i++) {
      if (i > 0) groupText[length++] = GROUP_SEPARATOR;
      length = scanner.writeGroup(slots[i]!, groupText, length);
      if (length === -1) return -1;
    }
    return length;
  }

  /** Adds what was read last to the rows and their totals. */
  addTo(
    { columns, totals }: { readonly columns: RollUpColumns; readonly totals: TotalColumns },
    { families }: MeteredType,
    tenant: number,
    subject: number,
    eventTime: number,
  ): void {
    const { wholes, fractions, groups } = this;
    let at = 0;
    for (let f = 0; f < families.length; f++) {
      const family = families[f]!;
      const { members, windowMs } = family;
      const group = groups[f]!;
      if (group === NO_GROUP) {
        at += members.length;
        continue;
      }
      const cell = columns.cell(tenant, subject, group, family, windowStartOf(eventTime, windowMs) / MINUTE_MS);
      const total = totals.cellOf(columns, cell, family);
      for (let m = 0; m < members.length; m++, at++) {
        const whole = wholes[at]!;
        if (Number.isNaN(whole)) continue;
        columns.count(cell, m, whole, fractions[at]!);
        totals.count(total, family, m, whole, fractions[at]!);
      }
    }
  }
}
