// Each bad record between two good ones, as a partition's owner applies them: it becomes a reject with its bytes and
// its reason, the good ones are counted, and every row can be written.
import { describe, expect, it } from '@jest/globals';
import { DecidedList } from '../../aggregator/core/decided-list.ts';
import { DedupIndex } from '../../aggregator/core/dedup-index.ts';
import { type PartitionInput, PartitionState, totalOutcomes } from '../../aggregator/core/partition-state.ts';
import { RollUpTable } from '../../aggregator/core/roll-up.ts';
import { eventRows, rejectRows, rollUpRows } from '../../aggregator/counting/chunk-rows.ts';
import { readRejectedEvent } from '../../aggregator/counting/rejected-event.ts';
import { metersByType } from '../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import {
  AvroRegistry,
  decodeRecord,
  encodeEventBatch,
  MalformedRecord,
  UnknownSchema,
} from '../../platform/event-log/record-codec.ts';
import { sampleCatalog } from '../fuzz/targets/catalog-sample.ts';
import { readBlocks } from '../support/native-rows.ts';
import { APPENDED_AT, event, laterSchema, malformedRecords, oddEvents } from './records.cases.ts';

const registry = new AvroRegistry();
registry.add(laterSchema);
const rules = { chunkOffsets: 1024, slotMs: 30_000, horizonMs: 35 * 86_400_000 };
const coordinates = { generation: 1, partition: 0, chunk: 0, epoch: 1n, version: 1n };

/** As aggregator/record-reader.ts, with no other schema registered. */
function inputOf(offset: number, bytes: Buffer): PartitionInput {
  const at = { offset, appendTime: APPENDED_AT };
  try {
    const entry = decodeRecord(registry, bytes);
    if (entry.kind === 'event-batch') return { ...at, kind: 'event-batch', events: entry.events };
    if (entry.kind === 'tick') return { ...at, kind: 'tick', ruleSet: entry.ruleSet };
    return { ...at, kind: 'catalog-change', version: entry.version, meters: null };
  } catch (error) {
    if (!(error instanceof MalformedRecord || error instanceof UnknownSchema)) throw error;
    return { ...at, kind: 'malformed', reason: error.message, bytes };
  }
}

const applyAll = (...records: readonly Buffer[]) => applyBy(NEWEST_RULE_SET, records);

function applyBy(ruleSet: number, records: readonly Buffer[]) {
  const decisions = { events: new DecidedList(), rollUps: new RollUpTable() };
  const state = new PartitionState(
    rules,
    { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet },
    new TenantMeters(metersByType(sampleCatalog)),
    new DedupIndex(),
    decisions,
  );
  for (const [offset, bytes] of records.entries()) state.apply(inputOf(offset, bytes));
  return { state, rollUps: decisions.rollUps, ...decisions.events.take() };
}

const goodRecord = (id: string): Buffer => encodeEventBatch([event({ id })]);

describe('a record that can’t be read', () => {
  it.each(malformedRecords)('%s', (_, bytes, reason) => {
    const { state, accepted, rejected } = applyAll(goodRecord('before'), bytes, goodRecord('after'));
    expect(accepted.map((each) => each.event.id)).toEqual(['before', 'after']);
    expect(rejected).toMatchObject([
      { offset: 1, index: 0, outcome: 'poison', code: 'malformed_record', event: null, bytes },
    ]);
    expect(rejected[0]!.message).toMatch(reason);
    expect(rejected[0]!.message.length).toBeLessThan(300);
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 2, poison: 1 });
    expect(rejectRows(coordinates, rejected).rows.count).toBe(1);
  });
});

/** What a meter says of a value; since rule set 2 the event is no poison for it. */
const METER_CODES: readonly (string | null)[] = ['invalid_value', 'missing_value', 'invalid_group'];

describe.each([1, 2])('an event that no gateway would have taken, by rule set %d', (ruleSet) => {
  it.each(oddEvents)('%s', (_, odd, saidCode) => {
    const code = ruleSet > 1 && METER_CODES.includes(saidCode) ? null : saidCode;
    const batch = encodeEventBatch([event({ id: 'before' }), odd, event({ id: 'after' })]);
    const { state, accepted, rejected, rollUps } = applyBy(ruleSet, [batch]);
    expect(state.chunk.unread.size > 0).toBe(code !== saidCode);
    const ids = accepted.map((each) => each.event.id);
    expect(ids).toEqual(code === null ? ['before', odd.id, 'after'] : ['before', 'after']);
    expect(rejected.map((each) => [each.index, each.code])).toEqual(code === null ? [] : [[1, code]]);
    const { body, rows } = eventRows(coordinates, accepted);
    expect(rows.count).toBe(accepted.length);
    // Whatever stands in a name or in data is in the row as it was.
    expect(readBlocks(body)[0]!.texts('data')).toEqual(accepted.map((each) => each.event.data));
    expect(rollUpRows(coordinates, rollUps.takeDirty()).length).toBeGreaterThan(0);
    const reject = rejected[0];
    if (reject?.event == null) return;
    const [stored] = readBlocks(rejectRows(coordinates, rejected).body);
    expect(stored!.texts('code')).toEqual([code]);
    expect(stored!.bytes('bytes')[0]!.length).toBeGreaterThan(odd.data.length);
    // What is kept of it is enough to feed it back.
    expect(reject.event).toMatchObject({ id: odd.id, data: odd.data });
  });
});

it('a batch of 1,000 events in which every other one is poison counts the others', () => {
  const events = Array.from({ length: 1_000 }, (_, index) =>
    event({ id: `e${index}`, data: index % 2 === 0 ? '{"tokens":1}' : '{"tokens":"x"}' }),
  );
  const batch = encodeEventBatch(events);
  expect(totalOutcomes(applyBy(1, [batch]).state.chunk)).toMatchObject({ accepted: 500, poison: 500 });
  const { chunk } = applyBy(2, [batch]).state;
  expect(totalOutcomes(chunk)).toMatchObject({ accepted: 1_000, poison: 0 });
  expect(chunk.unread.get('tokens')).toBe(500);
});

it('a record of poison alone is sealed like any other: its rows say everything that is needed to feed it back', () => {
  const odd = event({ data: '{"tokens":1},"subject":"other"' });
  const { rejected } = applyAll(encodeEventBatch([odd]));
  const { body } = rejectRows(coordinates, rejected);
  expect(readRejectedEvent(readBlocks(body)[0]!.texts('bytes')[0]!)).toMatchObject({
    id: odd.id,
    subject: odd.subject,
    data: odd.data,
  });
});
