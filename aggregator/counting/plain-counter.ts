// The rules of core/partition-state.ts on decoded records and nothing else: slow and easy to understand. The fast
// counter is tested against it.

import { DecidedList } from '../core/decided-list.ts';
import { type AcceptedEvent, PartitionState } from '../core/partition-state.ts';
import { RollUpTable } from '../core/roll-up.ts';
import { type ChunkCoordinates, eventRows, rejectRows, rollUpRowSet, rollUpRows, totalRows } from './chunk-rows.ts';
import type { Flush, NewCounter } from './counter.ts';
export const plainCounter: NewCounter = (rules, from, meters, index) => {
  const events = new DecidedList();
  const rollUps = new RollUpTable();
  return {
    state: new PartitionState(rules, from, meters, index, { events, rollUps }),
    get pending() {
      return events.size;
    },
    countBytes: () => false,
    takeFlush: (at) => takePlainFlush(at, events, rollUps),
    rollUpRowSet: () => rollUpRowSet(rollUps.all()),
    totalRowSet: () => rollUpRowSet(rollUps.totals.all()),
  };
};

/** What the plain rules have decided and rolled up since the last call, as rows. */
export function takePlainFlush(at: ChunkCoordinates, events: DecidedList, rollUps: RollUpTable): Flush {
  const { accepted, rejected } = events.take();
  return {
    events: eventRows(at, accepted),
    rejects: rejectRows(at, rejected),
    rollUps: rollUpRows(at, rollUps.takeDirty()),
    totals: totalRows(at, rollUps.totals.takeDirty()),
    rejected,
    receivedAt: receivedAt(accepted),
  };
}

function receivedAt(accepted: readonly AcceptedEvent[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const { offset, event } of accepted) if (!times.has(offset)) times.set(offset, event.receivedAt);
  return times;
}
