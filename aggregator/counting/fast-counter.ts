// Counts a batch of events in one pass over its bytes, and allocates nothing for an ordinary event. An unusual event,
// record or catalog is decoded and decided by core/partition-state.ts. So this counter can do nothing that the plain
// one can't, and where it decides by itself, it decides as the plain rules would.
//
//   record ──▶ ByteCounter ── an ordinary event ──────────▶ AcceptedEvents   its place in the record
//                  │                              └───────▶ FastRollUps      its values, as numbers in columns
//                  │
//                  └── an unusual event, decoded ──▶ PartitionState ──▶ DecidedList
//                                                               └─────▶ FastRollUps
//
// A flush has the rows of both ways, one after the other.

import { plusRows } from '../../domain/sealing/row-set.ts';
import { DecidedList } from '../core/decided-list.ts';
import { PartitionState } from '../core/partition-state.ts';
import { rollUpRowSet } from './chunk-rows.ts';
import type { NewCounter } from './counter.ts';
import { AcceptedEvents } from './fast/accepted-events.ts';
import { ByteCounter } from './fast/byte-counter.ts';
import { FastRollUps } from './fast/fast-roll-ups.ts';
import { rollUpBody, totalBody } from './fast/roll-up-body.ts';
import { takePlainFlush } from './plain-counter.ts';
export const fastCounter: NewCounter = (rules, from, meters, index) => {
  const accepted = new AcceptedEvents();
  const decided = new DecidedList();
  const rollUps = new FastRollUps(meters);
  const state = new PartitionState(rules, from, meters, index, { events: decided, rollUps });
  const bytes = new ByteCounter(state, index, accepted, rollUps);
  return {
    state,
    get pending() {
      return accepted.size + decided.size;
    },
    countBytes: (record) => bytes.count(record),
    takeFlush(at) {
      const plain = takePlainFlush(at, decided, rollUps.table);
      const ordinary = accepted.rows(at);
      const flush = {
        ...plain,
        events: { body: [...ordinary.body, ...plain.events.body], rows: plusRows(ordinary.rows, plain.events.rows) },
        rollUps: [...rollUpBody(at, rollUps), ...plain.rollUps],
        totals: [...totalBody(at, rollUps), ...plain.totals],
        receivedAt: new Map([...accepted.receivedAt(), ...plain.receivedAt]),
      };
      accepted.clear();
      return flush;
    },
    rollUpRowSet: () => plusRows(rollUps.rowSetOf(rollUps.columns), rollUpRowSet(rollUps.table.all())),
    totalRowSet: () => plusRows(rollUps.rowSetOf(rollUps.totals.columns), rollUpRowSet(rollUps.table.totals.all())),
  };
};
