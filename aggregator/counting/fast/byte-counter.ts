// Counts the events of a batch record from its bytes. An event takes three steps:
//
//   1. find out what core/partition-state.ts would decide, and change nothing. Where that is not certain, the event is
//      decoded and given to core/partition-state.ts, and the other steps are left out.
//   2. remember the event's key, and count it as accepted
//   3. add its values to their rows

import { EVENT_TIME_AHEAD_MAX_MS, type OutcomeCounts } from '../../../domain/metering/event-outcome.ts';
import { isClosed, windowStartOf } from '../../../domain/time/time-window.ts';
import type { LogRecord } from '../../../platform/event-log/event-log.ts';
import type { DedupIndex } from '../../core/dedup-index.ts';
import type { Chunk, PartitionState } from '../../core/partition-state.ts';
import type { AcceptedEvents } from './accepted-events.ts';
import { EventCursor } from './event-cursor.ts';
import type { FastRollUps } from './fast-roll-ups.ts';
export class ByteCounter {
  private readonly state: PartitionState;
  private readonly index: DedupIndex;
  private readonly accepted: AcceptedEvents;
  private readonly rollUps: FastRollUps;
  private readonly cursor = new EventCursor();
  /** The chunk's outcomes by the ids of their tenants' names. */
  private readonly outcomesById = new Map<number, OutcomeCounts>();
  private chunk: Chunk | null = null;

  constructor(state: PartitionState, index: DedupIndex, accepted: AcceptedEvents, rollUps: FastRollUps) {
    this.state = state;
    this.index = index;
    this.accepted = accepted;
    this.rollUps = rollUps;
  }

  /** Counts the record, or returns false and changes nothing. */
  count(record: LogRecord): boolean {
    const { cursor, state, index } = this;
    // `open` checks the whole record: where a part of it can't be read, all of it is poison.
    if (!cursor.open(record.value)) return false;
    const now = state.advance(record);
    this.enterChunk(state.chunk);
    this.accepted.enter(record, now);
    const horizonStart = now - state.rules.horizonMs;
    const { count } = cursor;
    const { table, isSplit } = index;
    for (let i = 0; i < count; i++) table.touch(cursor.view.getInt32(cursor.startOf(i) + 4, true));
    if (isSplit) for (let i = 0; i < count; i++) index.touchOlder(cursor.view.getInt32(cursor.startOf(i) + 4, true));
    for (let i = 0; i < count; i++) {
      cursor.select(i);
      if (!this.decide(i, now, horizonStart)) state.decide(cursor.usageEvent(), record.offset, i, now);
    }
    return true;
  }

  /**
   * Decides the cursor's event as `PartitionState.decide` does. False: it is not certain how, and nothing has changed.
   */
  private decide(place: number, now: number, horizonStart: number): boolean {
    const { cursor, index, rollUps } = this;
    const { names, readings } = rollUps;
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
      this.outcomesOf(tenant).duplicate += 1;
      return true;
    }
    if (found === 'conflict' || eventTime < horizonStart || eventTime > now + EVENT_TIME_AHEAD_MAX_MS) return false;
    const type = readings.typeOf(tenant, names.intern(view, cursor.type, cursor.typeEnd));
    if (type === null || (type !== undefined && !readings.read(cursor, type))) return false;

    table.addWords(k0, k1, k2, k3, hashLow, hashHigh, Math.max(now, eventTime), deadBeforeSeconds);
    this.outcomesOf(tenant).accepted += 1;
    this.accepted.add(place, cursor.start);

    if (type === undefined || readings.firstItemMs === 0) return true;
    readings.addTo(rollUps, type, tenant, subject, eventTime);
    const { firstItemMs } = readings;
    if (isClosed(windowStartOf(eventTime, firstItemMs) + firstItemMs, now, 0)) this.state.lateForItem++;
    return true;
  }

  private enterChunk(chunk: Chunk): void {
    if (this.chunk === chunk) return;
    this.chunk = chunk;
    this.outcomesById.clear();
  }

  private outcomesOf(tenant: number): OutcomeCounts {
    let outcomes = this.outcomesById.get(tenant);
    if (outcomes === undefined) {
      outcomes = this.state.outcomesOf(this.rollUps.names.text(tenant));
      this.outcomesById.set(tenant, outcomes);
    }
    return outcomes;
  }
}
