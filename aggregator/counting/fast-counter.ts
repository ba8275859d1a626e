// Counts a batch of events in one pass over its bytes, and allocates nothing for an event that is as most events are. The rules
// are those of core/partition-state.ts, which this counter extends: wherever an event, a record or a catalog is unusual, it is
// decoded and decided by them. So there is nothing that only this counter can do, and nothing that it decides by rules of its own.
//
//   record bytes ──▶ cursor ──▶ names: tenant, subject, type, group ──▶ ids
//                       │                                               │
//                       ├────▶ dedup index, by the words of the key     ▼
//                       └────▶ scanner: values in the JSON data ──▶ columns: cell (tenant, subject, group, family, window)
//                                                                       └─ row of a meter: whole | fraction | events | hash
//
// An event is decided in three steps. What the plain rules would say is found out, and nothing is changed; whoever is not certain
// says so, and the plain rules decide. Its key is added and it is counted as accepted. Its values are added to their rows.
//
// From a change of the catalog to the end of its chunk everything is counted by the plain rules: rows have the names of their
// meters, and a family's cells would not survive another layout.

import type { EventOrder } from '../../domain/aggregation/aggregation-rules.ts';
import type { MetersByType, Reading } from '../../domain/metering/meter-reading.ts';
import { NAME_LENGTH_MAX } from '../../domain/name-text.ts';
import { isClosed, windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import type { DedupIndex } from '../core/dedup-index.ts';
import {
  EVENT_TIME_AHEAD_MAX_MS,
  type GenerationRules,
  type OutcomeCounts,
  type PartitionInput,
  type SealedPosition,
} from '../core/partition-state.ts';
import { type ChunkCoordinates, plusRows, type RowSet, wrap64 } from './chunk-rows.ts';
import type { Flush, NewCounter } from './counter.ts';
import { AcceptedEvents } from './fast/accepted-events.ts';
import { DataScanner } from './fast/data-scanner.ts';
import { EventCursor } from './fast/event-cursor.ts';
import { type Family, type MeteredType, MeteredTypes } from './fast/metered-types.ts';
import { NameTable } from './fast/name-table.ts';
import { GROUP_SEPARATOR, rollUpBody } from './fast/roll-up-body.ts';
import { RollUpColumns } from './fast/roll-up-columns.ts';
import { PlainCounter } from './plain-counter.ts';

const MINUTE_MS = 60_000;
/** Windows that begin further from 1970 than so many minutes are left to the plain rules. */
const MINUTE_MAX = 2 ** 31 - 1;
/** Once there are so many names they are forgotten at the next cut of a chunk. */
const NAMES_MAX = 1 << 18;
/** Of a family: none of its members has a value. */
const NO_GROUP = -1;

export class FastCounter extends PlainCounter {
  private readonly cursor = new EventCursor();
  private readonly scanner = new DataScanner();
  private readonly columns = new RollUpColumns();
  private readonly events = new AcceptedEvents();
  private names = new NameTable();
  private types: MeteredTypes;
  /** By the ids of their names. Null: events of the type are left to the plain rules; undefined: no meter reads them. */
  private readonly typesById = new Map<number, MeteredType | null | undefined>();
  private readonly outcomesById = new Map<number, OutcomeCounts>();
  /** The catalog has changed in this chunk. */
  private isPlain = false;

  // What the event that is being decided says to its meters. By family: the id of the group; by member: a number that is
  // whole + fraction * 10^-12, or NaN where the meter is left alone.
  private groups = new Int32Array(0);
  private wholes = new Float64Array(0);
  private fractions = new Float64Array(0);
  private groupText = new Uint8Array(0);
  private groupView = new DataView(this.groupText.buffer);
  /** The window of the first meter that is not left alone; 0: all are. */
  private firstWindowMs = 0;

  constructor(rules: GenerationRules, from: SealedPosition, meters: MetersByType, index: DedupIndex) {
    super(rules, from, meters, index);
    this.types = this.layOutMeters();
  }

  override get pending(): number {
    return super.pending + this.events.size;
  }

  override countBytes(record: LogRecord): boolean {
    const { cursor } = this;
    // All of the record is checked here: one that can't be read is poison as a whole.
    if (this.isPlain || !cursor.open(record.value)) return false;
    const now = this.advance(record);
    this.events.enter(record, now);
    const horizonStart = now - this.rules.horizonMs;
    const { count } = cursor;
    const { table, isSplit } = this.index;
    for (let i = 0; i < count; i++) table.touch(cursor.view.getInt32(cursor.startOf(i) + 4, true));
    if (isSplit)
      for (let i = 0; i < count; i++) this.index.touchOlder(cursor.view.getInt32(cursor.startOf(i) + 4, true));
    for (let i = 0; i < count; i++) {
      cursor.select(i);
      if (!this.decideBytes(i, now, horizonStart)) this.decide(cursor.usageEvent(), record.offset, i, now);
    }
    return true;
  }

  /** Decides the cursor's event as `decide` does; false: it is not certain how, and nothing has changed. */
  private decideBytes(place: number, now: number, horizonStart: number): boolean {
    const { cursor, names, index } = this;
    const { view, eventTime, hashLow, hashHigh } = cursor;
    const tenant = names.intern(view, cursor.tenant, cursor.tenantEnd);
    const subject = names.intern(view, cursor.subject, cursor.subjectEnd);
    if (!names.isBillable(tenant) || !names.isBillable(subject)) return false;
    const deadBeforeSeconds = Math.floor(horizonStart / 1000);
    const k0 = cursor.keyWord(0);
    const k1 = cursor.keyWord(1);
    const k2 = cursor.keyWord(2);
    const k3 = cursor.keyWord(3);
    const { table } = index;
    let found = table.lookWords(k0, k1, k2, k3, hashLow, hashHigh, deadBeforeSeconds);
    if (found === 'new' && index.isSplit) found = index.lookOlder(k0, k1, k2, k3, hashLow, hashHigh, deadBeforeSeconds);
    if (found === 'duplicate') {
      this.outcomesOfName(tenant).duplicate += 1;
      return true;
    }
    if (found === 'conflict' || eventTime < horizonStart || eventTime > now + EVENT_TIME_AHEAD_MAX_MS) return false;
    const type = this.typeOfName(names.intern(view, cursor.type, cursor.typeEnd));
    if (type === null || (type !== undefined && !this.readBytes(type))) return false;

    table.addWords(k0, k1, k2, k3, hashLow, hashHigh, Math.max(now, eventTime), deadBeforeSeconds);
    this.outcomesOfName(tenant).accepted += 1;
    this.events.add(place, cursor.start);

    if (type !== undefined && this.firstWindowMs > 0) this.rollUpRead(type, tenant, subject, now);
    return true;
  }

  /** Reads what the event says to the meters of its type; false where `readMeters` may see a fault, or something else. */
  private readBytes({ paths, families }: MeteredType): boolean {
    const { cursor, scanner, wholes, fractions } = this;
    if (!scanner.scan(cursor.bytes, cursor.data, cursor.dataEnd, paths)) return false;
    let firstMeter = Number.POSITIVE_INFINITY;
    let at = 0;
    this.firstWindowMs = 0;
    for (let f = 0; f < families.length; f++) {
      const { members, groupSlots, windowMs } = families[f]!;
      let hasValue = false;
      for (let m = 0; m < members.length; m++, at++) {
        const { slot, meter, order } = members[m]!;
        wholes[at] = Number.NaN;
        if (slot === -1) {
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
        this.firstWindowMs = windowMs;
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

  /** Writes the group's name to `groupText`, and returns its length; -1 where its values may be no group. */
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

  /** Adds what was read to its rows. */
  private rollUpRead({ families }: MeteredType, tenant: number, subject: number, now: number): void {
    const { columns, wholes, fractions, cursor } = this;
    let at = 0;
    for (let f = 0; f < families.length; f++) {
      const family = families[f]!;
      const { members, windowMs } = family;
      const group = this.groups[f]!;
      if (group === NO_GROUP) {
        at += members.length;
        continue;
      }
      const minute = windowStartOf(cursor.eventTime, windowMs) / MINUTE_MS;
      const cell = columns.cell(tenant, subject, group, family, minute);
      for (let m = 0; m < members.length; m++, at++) {
        const whole = wholes[at]!;
        if (!Number.isNaN(whole)) columns.count(cell, m, whole, fractions[at]!);
      }
    }
    const { firstWindowMs } = this;
    if (isClosed(windowStartOf(cursor.eventTime, firstWindowMs) + firstWindowMs, now, 0)) this.lateForWindow++;
  }

  private typeOfName(name: number): MeteredType | null | undefined {
    const known = this.typesById.get(name);
    if (known !== undefined || this.typesById.has(name)) return known;
    const type = this.types.find(this.names.text(name));
    this.typesById.set(name, type);
    return type;
  }

  private outcomesOfName(tenant: number): OutcomeCounts {
    let outcomes = this.outcomesById.get(tenant);
    if (outcomes === undefined) {
      outcomes = this.outcomesOf(this.names.text(tenant));
      this.outcomesById.set(tenant, outcomes);
    }
    return outcomes;
  }

  /** A reading of an event that the plain rules accepted: it may be of a row that others were added to by `rollUpRead`. */
  protected override rollUp(event: UsageEvent, reading: Reading, order: EventOrder): void {
    const { meter, groupValues, quantity } = reading;
    const place = this.types.placeOf(meter);
    const minute = windowStartOf(event.eventTime, windowSizeMs[meter.window]) / MINUTE_MS;
    if (this.isPlain || place === undefined || Math.abs(minute) > MINUTE_MAX) {
      super.rollUp(event, reading, order);
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
  }

  override apply(input: PartitionInput): void {
    const { meters } = this;
    super.apply(input);
    if (this.meters !== meters) this.changeMeters();
  }

  private changeMeters(): void {
    const { columns, chunk, types } = this;
    this.isPlain = !columns.isEmpty || chunk.rollUps.size > 0;
    columns.forEachRow(types.families, (row, cell, member) => {
      const family = types.families[columns.family(cell)]!;
      chunk.rollUps.insert({
        tenant: this.names.text(columns.tenant(cell)),
        meter: family.members[member]!.meter,
        subject: this.names.text(columns.subject(cell)),
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
    this.types = this.layOutMeters();
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

  private layOutMeters(): MeteredTypes {
    const types = new MeteredTypes(this.meters);
    const { families } = types;
    const members = families.reduce((sum, family) => sum + family.members.length, 0);
    const groupValuesMax = Math.max(0, ...families.map(({ groupSlots }) => groupSlots.length));
    this.groups = new Int32Array(families.length);
    this.wholes = new Float64Array(members);
    this.fractions = new Float64Array(members);
    this.groupText = new Uint8Array(groupValuesMax * (NAME_LENGTH_MAX + 1));
    this.groupView = new DataView(this.groupText.buffer);
    this.typesById.clear();
    return types;
  }

  override takeFlush(at: ChunkCoordinates): Flush {
    const { columns, events, types, names } = this;
    const plain = super.takeFlush(at);
    const accepted = events.rows(at);
    const flush = {
      ...plain,
      events: { body: [...accepted.body, ...plain.events.body], rows: plusRows(accepted.rows, plain.events.rows) },
      rollUps: [...rollUpBody(at, columns, types.families, names), ...plain.rollUps],
      receivedAt: new Map([...events.receivedAt(), ...plain.receivedAt]),
    };
    events.clear();
    return flush;
  }

  override rollUpRowSet(): RowSet {
    const { columns, types } = this;
    let count = 0;
    let low = 0;
    let high = 0;
    columns.forEachRow(types.families, (row) => {
      count++;
      low += columns.hashLow(row);
      high += columns.hashHigh(row);
    });
    const checksum = wrap64((BigInt(high) << 32n) + BigInt(low));
    return plusRows({ count, checksum }, super.rollUpRowSet());
  }

  override startChunk(startOffset: number): void {
    super.startChunk(startOffset);
    this.columns.clear();
    this.outcomesById.clear();
    this.isPlain = false;
    if (this.names.size < NAMES_MAX) return;
    this.names = new NameTable();
    this.typesById.clear();
  }
}

function groupName(values: readonly string[]): Buffer {
  const separator = Buffer.from([GROUP_SEPARATOR]);
  return Buffer.concat(
    values.flatMap((value, i) => (i === 0 ? [Buffer.from(value)] : [separator, Buffer.from(value)])),
  );
}

export const fastCounter: NewCounter = (rules, from, meters, index) => new FastCounter(rules, from, meters, index);
