import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Catalog, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { outcomes } from '../../domain/metering/event-outcome.ts';
import { metersByType } from '../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { DecidedList } from './decided-list.ts';
import { DedupIndex } from './dedup-index.ts';
import { type PartitionInput, PartitionState, totalOutcomes } from './partition-state.ts';
import { RollUpTable } from './roll-up.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 20, 10);
const rules = { chunkOffsets: 4, slotMs: 30_000, horizonMs: 35 * 24 * HOUR };

const meter = (slug: string, aggregation: Meter['aggregation'], more: Partial<Meter> = {}): Meter =>
  aMeter(slug, { eventType: 'call', aggregation, valuePath: aggregation === 'count' ? null : ['n'], ...more });

const catalog: Catalog = {
  ...emptyCatalog,
  meters: [
    meter('tokens', 'sum', { dimensions: [{ name: 'model', path: ['model'] }] }),
    meter('calls', 'count'),
    meter('largest', 'max'),
    meter('smallest', 'min'),
    meter('last', 'latest'),
    meter('users', 'unique', { valuePath: ['user'] }),
  ],
};

interface EventShape {
  readonly id: string;
  readonly time?: number;
  readonly subject?: string;
  readonly tenant?: string;
  readonly data?: object;
}

function usageEvent({ id, time = START, subject = 'cus', tenant = 't', data = { n: 1 } }: EventShape): UsageEvent {
  const text = JSON.stringify(data);
  return {
    tenant,
    source: '',
    id,
    type: 'call',
    subject,
    eventTime: time,
    timeGiven: true,
    receivedAt: START,
    data: text,
    dedupKey: dedupKeyOf(tenant, '', id),
    payloadHash: payloadHashOf('call', subject, time, text),
  };
}

const batch = (offset: number, events: readonly UsageEvent[], appendTime = START): PartitionInput => ({
  kind: 'event-batch',
  offset,
  appendTime,
  events,
});

/** A state, and what its decisions went to. */
class TestState extends PartitionState {
  readonly events: DecidedList;
  readonly rollUps: RollUpTable;

  constructor(ruleSet: number) {
    const from = { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet };
    const decisions = { events: new DecidedList(), rollUps: new RollUpTable() };
    super(rules, from, new TenantMeters(metersByType(catalog)), new DedupIndex(), decisions);
    this.events = decisions.events;
    this.rollUps = decisions.rollUps;
  }
}
const newState = (ruleSet = NEWEST_RULE_SET): TestState => new TestState(ruleSet);

const rowsOf = ({ rollUps }: TestState): Record<string, string> =>
  Object.fromEntries(
    [...rollUps.all()].map((row) => [
      [row.tenant, row.meter.slug, row.subject, row.windowStart - START, ...row.groupValues].join('|'),
      `${formatQuantity(row.value)}/${row.eventCount}`,
    ]),
  );

describe('outcomes', () => {
  it('counts an event once, however often it stands in the log', () => {
    const state = newState();
    state.apply(batch(0, [usageEvent({ id: 'a' }), usageEvent({ id: 'a' })]));
    state.apply(batch(5, [usageEvent({ id: 'a' })]));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1, duplicate: 2 });
    expect(rowsOf(state)['t|calls|cus|0']).toBe('1/1');
  });

  it('reports the same id with another payload, and keeps the first', () => {
    const state = newState();
    state.apply(batch(0, [usageEvent({ id: 'a', data: { n: 1 } }), usageEvent({ id: 'a', data: { n: 2 } })]));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1, conflict: 1 });
    expect(state.events.take().rejected).toMatchObject([{ outcome: 'conflict', offset: 0, index: 1 }]);
  });

  it('keeps tenants with the same ids apart', () => {
    const state = newState();
    state.apply(batch(0, [usageEvent({ id: 'a', tenant: 'x' }), usageEvent({ id: 'a', tenant: 'y' })]));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 2, duplicate: 0, conflict: 0 });
  });

  it('rejects what came after its key may have been forgotten, by the log’s clock alone', () => {
    const state = newState();
    const horizonStart = START - rules.horizonMs;
    state.apply(
      batch(0, [usageEvent({ id: 'just', time: horizonStart }), usageEvent({ id: 'late', time: horizonStart - 1 })]),
    );
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1, too_late: 1 });
  });

  it('knows a duplicate even when it is too late by now', () => {
    const state = newState();
    const time = START - rules.horizonMs + 1000;
    state.apply(batch(0, [usageEvent({ id: 'a', time })]));
    state.apply(batch(1, [usageEvent({ id: 'a', time })], START + HOUR));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1, duplicate: 1, too_late: 0 });
  });

  it('turns what can’t be metered into poison with its reason, and counts nothing of it (rule set 1)', () => {
    const state = newState(1);
    state.apply(
      batch(0, [usageEvent({ id: 'a', data: { n: 'many' } }), usageEvent({ id: 'b', time: START + 25 * HOUR })]),
    );
    state.apply({ kind: 'malformed', offset: 1, appendTime: START, reason: 'no marker', bytes: Buffer.from('x') });
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 0, poison: 3 });
    expect(state.events.take().rejected.map(({ code }) => code)).toEqual([
      'invalid_value',
      'time_in_future',
      'malformed_record',
    ]);
    expect(rowsOf(state)).toEqual({});
  });

  it('counts a group value of 256 characters beyond the basic plane, as gateways do', () => {
    const state = newState();
    const group = (model: string) => ({ n: 1, model });
    state.apply(batch(0, [usageEvent({ id: 'a', data: group('😀'.repeat(256)) })]));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1, poison: 0 });
    // What no gateway lets pass may come by way of a meter that is newer than the gateway's catalog.
    const names = ['😀'.repeat(257), 'a\u0000b', '\ud800'];
    state.apply(
      batch(
        1,
        names.map((model, index) => usageEvent({ id: `b${index}`, data: group(model) })),
      ),
    );
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 1 + names.length, poison: 0 });
    expect(state.chunk.unread).toEqual(new Map([['tokens', names.length]]));
  });

  it('counts for the other meters what one can’t read, and says so', () => {
    const state = newState();
    state.apply(batch(0, [usageEvent({ id: 'a', data: { n: 'many' } }), usageEvent({ id: 'b', data: { n: 1 } })]));
    expect(totalOutcomes(state.chunk)).toMatchObject({ accepted: 2, poison: 0 });
    expect(rowsOf(state)['t|calls|cus|0']).toBe('2/2');
    expect(state.chunk.unread.get('tokens')).toBe(1);
  });

  it('takes no tenant or subject that the stores of money refuse, and counts none of it for somebody else', () => {
    const state = newState();
    const bad = [
      { tenant: '' },
      { tenant: 't\u0000' },
      { subject: '' },
      { subject: 'c\u0000us' },
      { subject: 's'.repeat(257) },
    ];
    state.apply(
      batch(
        0,
        bad.map((more, index) => usageEvent({ id: `e${index}`, ...more })),
      ),
    );
    const { rejected } = state.events.take();
    expect(rejected.map(({ code, event }) => [code, event?.tenant])).toEqual([
      ['invalid_name', ''],
      ['invalid_name', ''],
      ['invalid_name', 't'],
      ['invalid_name', 't'],
      ['invalid_name', 't'],
    ]);
    expect(rejected.map(({ message }) => message)).toContain('tenant must not hold the character U+0000');
  });

  it('leaves a meter alone whose value is absent', () => {
    const state = newState();
    state.apply(batch(0, [usageEvent({ id: 'a', data: {} })]));
    expect(rowsOf(state)).toEqual({ 't|calls|cus|0': '1/1' });
  });
});

describe('roll-ups', () => {
  it('aggregates each way a meter may', () => {
    const state = newState();
    const events = [
      { id: '1', time: START + 3, data: { n: '10.5', model: 'm', user: 'u' } },
      { id: '2', time: START + 9, data: { n: 0.1, model: 'm', user: 'v' } },
      { id: '3', time: START + 6, data: { n: 7, model: 'k', user: 'u' } },
    ];
    state.apply(batch(0, events.map(usageEvent)));
    expect(rowsOf(state)).toEqual({
      't|tokens|cus|0|m': '10.6/2',
      't|tokens|cus|0|k': '7/1',
      't|calls|cus|0': '3/3',
      't|largest|cus|0': '10.5/3',
      't|smallest|cus|0': '0.1/3',
      't|last|cus|0': '0.1/3',
      't|users|cus|0': '2/3',
    });
  });

  it('does not depend on the order of events, but for duplicates and conflicts', () => {
    const shapes = fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 0, max: 40 }).map(String),
        time: fc.integer({ min: START - 2 * HOUR, max: START }),
        data: fc.record({ n: fc.integer(), model: fc.constantFrom('m', 'k'), user: fc.constantFrom('u', 'v', 'w') }),
      }),
      // Equal event times of `latest` are told apart by place in the log, so each time occurs once here.
      { selector: ({ id }) => id, maxLength: 30 },
    );
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (events, random) => {
        const distinct = events.map((event, at) => ({ ...event, time: event.time - (event.time % 64) + at }));
        const shuffled = distinct
          .map((event) => ({ event, rank: random.next().value as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ event }) => event);
        const [one, other] = [newState(), newState()];
        one.apply(batch(0, distinct.map(usageEvent)));
        shuffled.forEach((event, offset) => {
          other.apply(batch(offset, [usageEvent(event)]));
        });
        expect(rowsOf(other)).toEqual(rowsOf(one));
      }),
    );
  });

  it('replayed once more, decides and adds up the same', () => {
    const records = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }), { maxLength: 8 });
    fc.assert(
      fc.property(records, fc.nat(8), (log, crashAt) => {
        const input = log.map((ids, offset) =>
          batch(
            offset,
            ids.map((id) => usageEvent({ id: String(id), data: { n: id % 3 } })),
            START + offset,
          ),
        );
        const steady = newState();
        for (const record of input) steady.apply(record);
        // A first owner that got part of the way, then another from the start of the chunk.
        const crashed = newState();
        for (const record of input.slice(0, crashAt)) crashed.apply(record);
        const next = newState();
        for (const record of input) next.apply(record);
        expect(rowsOf(next)).toEqual(rowsOf(steady));
        expect(totalOutcomes(next.chunk)).toEqual(totalOutcomes(steady.chunk));
        const decided = log.flat().length;
        expect(outcomes.reduce((sum, outcome) => sum + totalOutcomes(next.chunk)[outcome], 0)).toBe(decided);
      }),
    );
  });
});

describe('chunks', () => {
  it('end before the record that is chunkOffsets on', () => {
    const state = newState();
    expect(state.isCutBy({ offset: 99, appendTime: START })).toBe(false);
    state.apply(batch(0, []));
    expect(state.isCutBy({ offset: 3, appendTime: START })).toBe(false);
    expect(state.isCutBy({ offset: 4, appendTime: START })).toBe(true);
  });

  it('end before the record that moves T into a new slot, and not for a clock that steps back', () => {
    const state = newState();
    state.apply(batch(0, [], START + 29_999));
    expect(state.isCutBy({ offset: 1, appendTime: START })).toBe(false);
    expect(state.isCutBy({ offset: 1, appendTime: START + 30_000 })).toBe(true);
  });

  it('refuse a record that was applied before', () => {
    const state = newState();
    state.apply(batch(3, []));
    expect(() => state.apply(batch(3, []))).toThrow(/applied before/);
  });
});

describe('the catalog', () => {
  it('changes at the offset of the control record, and never back', () => {
    const state = newState();
    state.apply({
      kind: 'catalog-change',
      offset: 0,
      appendTime: START,
      version: 2,
      meters: new TenantMeters(new Map()),
    });
    state.apply(batch(1, [usageEvent({ id: 'a' })]));
    expect(rowsOf(state)).toEqual({});
    state.apply({
      kind: 'catalog-change',
      offset: 2,
      appendTime: START,
      version: 1,
      meters: new TenantMeters(metersByType(catalog)),
    });
    state.apply(batch(3, [usageEvent({ id: 'b' })]));
    expect(rowsOf(state)).toEqual({});
    expect(state.catalogVersion).toBe(2);
  });
});
