// The rules of core/partition-state.ts on decoded records and nothing else: slow, and plain to see through. What the fast counter
// does is measured against it.
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { type AcceptedEvent, PartitionState } from '../core/partition-state.ts';
import { type ChunkCoordinates, eventRows, type RowSet, rejectRows, rollUpRowSet, rollUpRows } from './chunk-rows.ts';
import type { Counter, Flush, NewCounter } from './counter.ts';

export class PlainCounter extends PartitionState implements Counter {
  countBytes(_record: LogRecord): boolean {
    return false;
  }

  takeFlush(at: ChunkCoordinates): Flush {
    const { accepted, rejected } = this.takeDecided();
    return {
      events: eventRows(at, accepted),
      rejects: rejectRows(at, rejected),
      rollUps: rollUpRows(at, this.chunk.rollUps.takeDirty()),
      rejected,
      receivedAt: receivedAt(accepted),
    };
  }

  rollUpRowSet(): RowSet {
    return rollUpRowSet(this.chunk.rollUps.all());
  }
}

export const plainCounter: NewCounter = (rules, from, meters, index) => new PlainCounter(rules, from, meters, index);

function receivedAt(accepted: readonly AcceptedEvent[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const { offset, event } of accepted) if (!times.has(offset)) times.set(offset, event.receivedAt);
  return times;
}
