// What a partition's owner knows, and every decision it makes, as a pure function of the log: given the same records
// from the same seal on, every owner decides the same, cuts the same chunks and builds the same rows. No clock and no
// I/O here.
//
//   T          the running maximum of append times: the only clock of a decision
//   chunk      the records from startOffset to its end: it ends before the first record that is `chunkOffsets` further
//              on, or that moves T into a new slot; the record that ends it is the first of the next
//   outcome    each event has exactly one, decided in this order:
//                duplicate, conflict   its key is alive: the same payload, or another
//                too_late              its time is before T - horizon, so its key may be forgotten
//                poison                it can't be metered (a record that can't be read is one poison event)
//                accepted              anything else: it is remembered and rolled up
//   rule set   what the bytes of an event mean, the same for a whole chunk: ticks ask for a later one
//
// Where the decisions go is handed in (`Decisions`): each accepted or rejected event to a list, each reading of an
// accepted event to the roll-ups. core/decided-list.ts and core/roll-up.ts are the plain ones; counting/fast-counter.ts
// hands in others.

import type { EventOrder } from '../../domain/aggregation/aggregation-rules.ts';
import { itemWidthMs } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { parseExactJson } from '../../domain/json/exact-json.ts';
import {
  EVENT_TIME_AHEAD_MAX_MS,
  noOutcomes,
  type Outcome,
  type OutcomeCounts,
  outcomes,
} from '../../domain/metering/event-outcome.ts';
import { type MeterReadings, type Reading, readMeters } from '../../domain/metering/meter-reading.ts';
import { type RuleSet, ruleSet } from '../../domain/metering/rule-set.ts';
import type { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { nameFault } from '../../domain/name-text.ts';
import type { Rejection } from '../../domain/rejection.ts';
import { spanText } from '../../domain/time/span-text.ts';
import { isClosed, windowStartOf } from '../../domain/time/time-window.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import type { DedupIndex } from './dedup-index.ts';
/** Fixed for a topic generation. */
export interface GenerationRules {
  readonly chunkOffsets: number;
  readonly slotMs: number;
  readonly horizonMs: number;
}

/** A decoded record. */
export type PartitionInput = { readonly offset: number; readonly appendTime: number } & (
  | { readonly kind: 'event-batch'; readonly events: readonly UsageEvent[] }
  /** `ruleSet`: the owner asks that later chunks are read by it; 1 asks for nothing. */
  | { readonly kind: 'tick'; readonly ruleSet: number }
  /** `meters` null: the version is not newer than the current one. */
  | { readonly kind: 'catalog-change'; readonly version: number; readonly meters: TenantMeters | null }
  | { readonly kind: 'malformed'; readonly reason: string; readonly bytes: Buffer }
);

export interface AcceptedEvent {
  readonly offset: number;
  readonly index: number;
  /** T when it was decided. */
  readonly decidedAt: number;
  readonly event: UsageEvent;
}

export interface RejectedEvent {
  readonly offset: number;
  readonly index: number;
  readonly decidedAt: number;
  readonly outcome: 'conflict' | 'too_late' | 'poison';
  readonly code: string;
  readonly message: string;
  /** Null for a record that can't be read. */
  readonly event: UsageEvent | null;
  /** The bytes of a record that can't be read; null where there is an event. */
  readonly bytes: Buffer | null;
}

export interface Chunk {
  readonly chunk: number;
  readonly startOffset: number;
  /** One past the last record applied. */
  nextOffset: number;
  /** T at the first record; null while there is none. */
  startedAt: number | null;
  readonly outcomesByTenant: Map<string, OutcomeCounts>;
  /** Where another catalog version took effect. */
  readonly catalogChanges: { readonly offset: number; readonly version: number }[];
  /** By a meter's slug, how many accepted events it can't read, and of how many it rounds the value. */
  readonly unread: Map<string, number>;
  readonly rounded: Map<string, number>;
  /** The number of the rule set that all its events are read by. */
  readonly ruleSet: number;
  /** That of the next chunk: a tick of this one, or of one before, asked for it. */
  nextRuleSet: number;
}

/** Where a partition stands: all that the next chunk takes over from a seal. */
export interface SealedPosition {
  readonly nextOffset: number;
  readonly nextChunk: number;
  /** T; null before the first record. */
  readonly partitionTime: number | null;
  readonly catalogVersion: number;
  /** Of the next chunk. */
  readonly ruleSet: number;
}

/** Takes the events that become rows; duplicates are only counted. */
export interface DecidedEvents {
  accept(event: AcceptedEvent): void;
  reject(event: RejectedEvent): void;
}

/** Adds up what accepted events say to their meters, for one chunk. */
export interface RollUps {
  add(event: UsageEvent, reading: Reading, order: EventOrder): void;
  /** Another catalog version took effect: the readings that follow are of its meters. */
  changeMeters(meters: TenantMeters): void;
  /** The chunk has ended, and the next one has no rows yet. */
  startChunk(): void;
}

/** Where the decisions go. */
export interface Decisions {
  readonly events: DecidedEvents;
  readonly rollUps: RollUps;
}

const noMeters: readonly Meter[] = [];
const noReadings: MeterReadings = { readings: [], unread: [] };

/**
 * Why a tenant or subject can't be billed, or null. The stores of money refuse some texts as keys; gateways accept none
 * of them.
 */
export const billedNameFault = (name: string): string | null => (name === '' ? 'not be empty' : nameFault(name));

export class PartitionState {
  readonly rules: GenerationRules;
  private readonly index: DedupIndex;
  private readonly decisions: Decisions;
  private meters: TenantMeters;
  private ruleSet: RuleSet;
  chunk: Chunk;
  partitionTime: number | null;
  catalogVersion: number;
  /** Accepted events the width of whose line item the partition's own T had already passed; for the metric only. */
  lateForItem = 0;

  constructor(
    rules: GenerationRules,
    from: SealedPosition,
    meters: TenantMeters,
    index: DedupIndex,
    decisions: Decisions,
  ) {
    this.rules = rules;
    this.index = index;
    this.decisions = decisions;
    this.meters = meters;
    this.partitionTime = from.partitionTime;
    this.catalogVersion = from.catalogVersion;
    this.chunk = newChunk(from.nextChunk, from.nextOffset, from.ruleSet);
    this.ruleSet = ruleSet(from.ruleSet);
  }

  get keys(): number {
    return this.index.size;
  }

  /** The memory that the keys take. */
  get keyBytes(): number {
    return this.index.bytes;
  }

  /** Whether the chunk ends before this record. A chunk without a record never does. */
  isCutBy({ offset, appendTime }: { offset: number; appendTime: number }): boolean {
    const { chunk, partitionTime, rules } = this;
    if (chunk.startedAt === null || partitionTime === null) return false;
    if (offset >= chunk.startOffset + rules.chunkOffsets) return true;
    return Math.floor(Math.max(partitionTime, appendTime) / rules.slotMs) !== Math.floor(partitionTime / rules.slotMs);
  }

  /** The next chunk starts at the record that ended this one. */
  startChunk(startOffset: number): void {
    const { chunk, nextRuleSet } = this.chunk;
    this.chunk = newChunk(chunk + 1, startOffset, nextRuleSet);
    this.ruleSet = ruleSet(nextRuleSet);
    this.decisions.rollUps.startChunk();
  }

  /** Takes the next record into the chunk and returns T with it. Its events are still to be decided, in their order. */
  advance(input: { readonly offset: number; readonly appendTime: number }): number {
    const { chunk } = this;
    if (input.offset < chunk.nextOffset) {
      throw new Error(`record ${input.offset} was applied before: the next offset is ${chunk.nextOffset}`);
    }
    const now = Math.max(this.partitionTime ?? 0, input.appendTime);
    this.partitionTime = now;
    chunk.startedAt ??= now;
    chunk.nextOffset = input.offset + 1;
    return now;
  }

  apply(input: PartitionInput): void {
    const { chunk } = this;
    const now = this.advance(input);
    switch (input.kind) {
      case 'event-batch':
        for (let index = 0; index < input.events.length; index++) {
          this.decide(input.events[index]!, input.offset, index, now);
        }
        return;
      case 'catalog-change':
        if (input.meters !== null && input.version > this.catalogVersion) {
          this.meters = input.meters;
          this.catalogVersion = input.version;
          this.decisions.rollUps.changeMeters(input.meters);
          chunk.catalogChanges.push({ offset: input.offset, version: input.version });
        }
        return;
      case 'malformed':
        this.count('', 'poison');
        this.decisions.events.reject({
          offset: input.offset,
          index: 0,
          decidedAt: now,
          outcome: 'poison',
          code: 'malformed_record',
          message: input.reason,
          event: null,
          bytes: input.bytes,
        });
        return;
      case 'tick':
        chunk.nextRuleSet = Math.max(chunk.nextRuleSet, input.ruleSet);
        return;
    }
  }

  /** Decides an event of the record that was advanced to. `now` is T. */
  decide(event: UsageEvent, offset: number, index: number, now: number): void {
    const tenantFault = billedNameFault(event.tenant);
    const fault = tenantFault ?? billedNameFault(event.subject);
    if (fault !== null) {
      // A tenant's name that can't be stored is counted as the empty name: any other name might be that of another
      // tenant.
      const named = tenantFault === null ? event : { ...event, tenant: '' };
      const message = `${tenantFault === null ? 'subject' : 'tenant'} must ${fault}`;
      this.reject(named, offset, index, now, 'poison', 'invalid_name', message);
      return;
    }
    const horizonStart = now - this.rules.horizonMs;
    const deadBeforeSeconds = Math.floor(horizonStart / 1000);
    const found = this.index.look(event.dedupKey, event.payloadHash, deadBeforeSeconds);
    if (found === 'duplicate') {
      this.count(event.tenant, 'duplicate');
      return;
    }
    if (found === 'conflict') {
      const message = 'an event with this source and id was accepted before, with another payload';
      this.reject(event, offset, index, now, 'conflict', 'conflict', message);
      return;
    }
    if (event.eventTime < horizonStart) {
      const message = `the event's time lies more than ${spanText(this.rules.horizonMs)} before it was appended`;
      this.reject(event, offset, index, now, 'too_late', 'too_late', message);
      return;
    }
    const read = this.read(event, now);
    if (!('readings' in read)) {
      this.reject(event, offset, index, now, 'poison', read.code, read.message);
      return;
    }
    const { readings, unread } = read;
    this.index.add(event.dedupKey, event.payloadHash, Math.max(now, event.eventTime), deadBeforeSeconds);
    this.count(event.tenant, 'accepted');
    this.decisions.events.accept({ offset, index, decidedAt: now, event });
    for (const { meter } of unread) addOne(this.chunk.unread, meter.slug);
    if (readings.length === 0) return;
    const order = { eventTime: event.eventTime, acceptedAt: now, place: [offset, index] };
    for (const reading of readings) {
      if (reading.isRounded) addOne(this.chunk.rounded, reading.meter.slug);
      this.decisions.rollUps.add(event, reading, order);
    }
    const itemMs = itemWidthMs(readings[0]!.meter);
    if (isClosed(windowStartOf(event.eventTime, itemMs) + itemMs, now, 0)) this.lateForItem++;
  }

  private read(
    event: UsageEvent,
    now: number,
  ): MeterReadings | (Pick<Rejection, 'message'> & { readonly code: string }) {
    if (event.eventTime > now + EVENT_TIME_AHEAD_MAX_MS) {
      return { code: 'time_in_future', message: "the event's time lies more than a day after it was appended" };
    }
    const meters = this.meters.of(event.tenant).get(event.type) ?? noMeters;
    if (meters.length === 0) return noReadings;
    let data: unknown;
    try {
      data = parseExactJson(event.data);
    } catch {
      return { code: 'malformed_data', message: 'data is not JSON' };
    }
    return readMeters(meters, data, this.ruleSet);
  }

  private reject(
    event: UsageEvent,
    offset: number,
    index: number,
    decidedAt: number,
    outcome: RejectedEvent['outcome'],
    code: string,
    message: string,
  ): void {
    this.count(event.tenant, outcome);
    this.decisions.events.reject({ offset, index, decidedAt, outcome, code, message, event, bytes: null });
  }

  private count(tenant: string, outcome: Outcome): void {
    this.outcomesOf(tenant)[outcome] += 1;
  }

  /** The tenant's outcomes in this chunk, for the caller to add to. */
  outcomesOf(tenant: string): OutcomeCounts {
    let counts = this.chunk.outcomesByTenant.get(tenant);
    if (counts === undefined) {
      counts = noOutcomes();
      this.chunk.outcomesByTenant.set(tenant, counts);
    }
    return counts;
  }
}

const addOne = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};

function newChunk(chunk: number, startOffset: number, ruleSet: number): Chunk {
  return {
    chunk,
    startOffset,
    nextOffset: startOffset,
    startedAt: null,
    outcomesByTenant: new Map(),
    catalogChanges: [],
    unread: new Map(),
    rounded: new Map(),
    ruleSet,
    nextRuleSet: ruleSet,
  };
}

/** The chunk's outcomes over all tenants. */
export function totalOutcomes(chunk: Pick<Chunk, 'outcomesByTenant'>): OutcomeCounts {
  const total = noOutcomes();
  for (const counts of chunk.outcomesByTenant.values())
    for (const outcome of outcomes) total[outcome] += counts[outcome];
  return total;
}
