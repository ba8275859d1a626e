// An independent account of what ought to be counted, from what clients sent and the order in which the log took it. It
// shares no code with the aggregator: plain Maps and BigInt, one event after the other. Everything that is sealed is
// compared with it at once; the stores are compared with it at the end.

import type { RevisionSeal } from '../../../aggregator/recounting/recount-tables.ts';
import type { Seal } from '../../../aggregator/seal-store.ts';
import type { Catalog, Meter } from '../../../domain/catalog/catalog.ts';
import type { MeterCorrection } from '../../../domain/metering/corrections.ts';
import { recountsOf, type SealVector } from '../../../domain/sealing/seal-vector.ts';
import type { UsageEvent } from '../../../domain/usage-event.ts';
import type { LogRecord } from '../../../platform/event-log/event-log.ts';
import type { ClientEvent, Plan } from '../plan.ts';
import { groupOf, isTaken, quantityOf, sumOf } from './units.ts';

export class Violation extends Error {
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'Violation';
  }
}

type Outcome = 'accepted' | 'duplicate' | 'conflict' | 'too_late' | 'poison';

/** What a record holds, as its writer knows it. */
export type Content =
  | { readonly kind: 'events'; readonly events: readonly UsageEvent[] }
  | { readonly kind: 'tick'; readonly ruleSet: number }
  | { readonly kind: 'catalog'; readonly version: number }
  | { readonly kind: 'garbage' };

/** One reading of a meter that counts. */
export interface Reading {
  readonly partition: number;
  readonly chunk: number;
  readonly tenant: string;
  readonly meter: string;
  readonly subject: string;
  readonly windowStart: number;
  /** By the names that dimensions had for whoever counted it. */
  readonly groups: Readonly<Record<string, string>>;
  /** In 10^-12. */
  readonly quantity: bigint;
  readonly text: string;
  readonly order: readonly [number, number, number, number];
  /** Names the roll-up it belongs to. */
  readonly rollUp: string;
  /** Names the total that it belongs to; null: its meter does not sum. */
  readonly total: string | null;
  /** It counts from this recount number of its partition on, and up to `until`. */
  readonly since: number;
  until: number;
}

/** Whether a reading counts as of a vector that has its chunk. */
export function countsIn(vector: SealVector, { partition, since, until }: Reading): boolean {
  const recounts = recountsOf(vector, GENERATION, partition);
  return since <= recounts && recounts < until;
}
const countsNow = ({ until }: Reading): boolean => until === Number.POSITIVE_INFINITY;

interface AcceptedEvent {
  readonly offset: number;
  readonly index: number;
  readonly event: UsageEvent;
  /** T, and the catalog version, where it stands. */
  readonly now: number;
  readonly version: number;
}

interface ReferenceChunk {
  readonly chunk: number;
  readonly startOffset: number;
  endOffset: number | null;
  watermark: number;
  catalogVersion: number;
  readonly ruleSet: number;
  readonly outcomes: Map<string, Record<Outcome, number>>;
  readonly accepted: AcceptedEvent[];
  readonly rejected: { readonly offset: number; readonly index: number; readonly outcome: Outcome }[];
  readonly readings: Reading[];
  readonly rollUps: Set<string>;
  /** What all subjects come to, of meters that sum. */
  readonly totals: Set<string>;
}

interface ReferencePartition {
  readonly records: LogRecord[];
  /** Records before this one are decided. */
  decided: number;
  watermark: number | null;
  catalogVersion: number;
  /** Of the next chunk. */
  nextRuleSet: number;
  readonly keys: Map<string, { readonly payload: string; readonly liveUntil: number }>;
  readonly chunks: ReferenceChunk[];
}

const GENERATION = 1;
const windowMs: Readonly<Record<string, number>> = { '1m': 60e3, '15m': 900e3, '1h': 3600e3, '1d': 86400e3 };

export class UsageOracle {
  private readonly plan: Plan;
  /** Whose each version is, in the order of their numbers; null: of all who have none of their own. */
  private readonly catalogs: { readonly version: number; readonly tenant: string | null; readonly catalog: Catalog }[] =
    [];
  private readonly partitions: ReferencePartition[];
  private readonly contents = new Map<Buffer, Content>();
  /** Which client's event an admitted one is. */
  private readonly origins = new Map<UsageEvent, ClientEvent>();
  private readonly payloads = new Map<ClientEvent, string>();
  private readonly data = new Map<ClientEvent, string>();
  private readonly inLog = new Set<UsageEvent>();
  private readonly partitionOfKey = new Map<string, number>();
  /** By [tenant, subject] as JSON. */
  readonly readingsBySubject = new Map<string, Reading[]>();
  /** By [tenant, subject, meter] as JSON. */
  readonly readingsByMeter = new Map<string, Reading[]>();
  acknowledged = 0;
  readonly counts: Record<Outcome, number> = { accepted: 0, duplicate: 0, conflict: 0, too_late: 0, poison: 0 };
  private publishedWatermark = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan, partitions: number) {
    this.plan = plan;
    this.partitions = Array.from({ length: partitions }, () => ({
      records: [],
      decided: 0,
      watermark: null,
      catalogVersion: 0,
      nextRuleSet: 1,
      keys: new Map(),
      chunks: [],
    }));
  }

  addCatalog(version: number, tenant: string | null, catalog: Catalog): void {
    const before = this.catalogs.at(-1)?.version ?? 0;
    if (version !== before + 1) throw new Error(`version ${version} was stored after ${before}`);
    this.catalogs.push({ version, tenant, catalog });
  }

  /** What a gateway made of a client's event: nothing may have been changed. */
  admitted(tenant: string, sent: ClientEvent, event: UsageEvent): void {
    const isSame =
      event.tenant === tenant &&
      event.id === sent.id &&
      event.source === (sent.source ?? '') &&
      event.type === sent.type &&
      event.subject === sent.subject &&
      event.timeGiven === (sent.time !== undefined) &&
      (sent.time === undefined || event.eventTime === Date.parse(sent.time)) &&
      event.data === this.dataOf(sent);
    if (!isSame)
      throw new Violation(
        'I6',
        `event ${sent.id} of ${tenant} was admitted as ${JSON.stringify([event.tenant, event.id])}`,
      );
    this.origins.set(event, sent);
  }

  written(value: Buffer, content: Content): void {
    this.contents.set(value, content);
  }

  appended(partition: number, record: LogRecord): void {
    this.partitions[partition]!.records.push(record);
    const content = this.contents.get(record.value);
    if (content?.kind !== 'events') return;
    for (const event of content.events) {
      this.inLog.add(event);
      const key = keyOf(event);
      const before = this.partitionOfKey.get(key);
      if (before !== undefined && before !== partition) {
        throw new Violation('I1', `copies of ${key} are in partitions ${before} and ${partition}`);
      }
      this.partitionOfKey.set(key, partition);
    }
  }

  /** A client got its 200: from now on each of these events has to have an outcome. */
  acknowledge(events: readonly UsageEvent[]): void {
    for (const event of events) {
      if (!this.inLog.has(event)) throw new Violation('I1', `event ${event.id} was acknowledged and is not in the log`);
    }
    this.acknowledged += events.length;
  }

  published(watermark: number): void {
    if (watermark < this.publishedWatermark) {
      throw new Violation('I3', `the watermark was ${this.publishedWatermark} and is ${watermark}`);
    }
    this.publishedWatermark = watermark;
    for (const [partition, { chunks, decided, records }] of this.partitions.entries()) {
      if (decided < records.length || chunks.length > 0) this.decideAll(partition);
      const most = this.partitions[partition]!.watermark ?? Number.NEGATIVE_INFINITY;
      if (watermark > most) throw new Violation('I3', `the watermark ${watermark} is ahead of partition ${partition}`);
    }
  }

  /** At the moment of the seal, everything it says has to be what follows from the log. */
  sealed(seal: Seal): void {
    this.decideAll(seal.partition);
    const chunk = this.chunkOf(seal.partition, seal.chunk);
    const expected = {
      start: chunk.startOffset,
      end: chunk.endOffset,
      watermark: chunk.watermark,
      catalogVersion: chunk.catalogVersion,
      ruleSet: chunk.ruleSet,
      events: chunk.accepted.length,
      rejects: chunk.rejected.length,
      rollUps: chunk.rollUps.size,
      totals: chunk.totals.size,
      outcomes: print(chunk.outcomes),
    };
    const found = {
      start: seal.startOffset,
      end: seal.endOffset,
      watermark: seal.partitionTime,
      catalogVersion: seal.catalogVersion,
      ruleSet: seal.ruleSet,
      events: seal.events.count,
      rejects: seal.rejects.count,
      rollUps: seal.rollUps.count,
      totals: seal.totals.count,
      outcomes: print(seal.outcomesByTenant),
    };
    const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
    if (a !== b)
      throw new Violation('I2', `seal ${seal.chunk} of partition ${seal.partition} says ${b}, the log says ${a}`);
  }

  chunkOf(partition: number, chunk: number): ReferenceChunk {
    const found = this.partitions[partition]!.chunks[chunk];
    if (found === undefined) throw new Violation('I2', `partition ${partition} has no chunk ${chunk} in the log`);
    return found;
  }

  chunksOf(partition: number): readonly ReferenceChunk[] {
    this.decideAll(partition);
    return this.partitions[partition]!.chunks;
  }

  /** Every partition has the record of a version that is published. */
  checkPublished(version: number): void {
    for (const [partition, state] of this.partitions.entries()) {
      this.decideAll(partition);
      if (state.catalogVersion >= version) continue;
      throw new Violation(
        'I2',
        `version ${version} is published, and partition ${partition} is at ${state.catalogVersion}`,
      );
    }
  }

  /** What a tenant is metered by where a version of the log is in force. */
  private metersOf(tenant: string, inForce: number): Catalog['meters'] {
    const upTo = this.catalogs.filter(({ version }) => version <= inForce);
    const own = upTo.filter((each) => each.tenant === tenant).at(-1);
    return (own ?? upTo.filter((each) => each.tenant === null).at(-1))?.catalog.meters ?? [];
  }

  /** A meter's slug means the same for ever, to one tenant. */
  aggregationOf(tenant: string, slug: string): string {
    for (const whose of [tenant, null]) {
      const meters = this.catalogs.filter((each) => each.tenant === whose).flatMap(({ catalog }) => catalog.meters);
      const found = meters.find((meter) => meter.slug === slug);
      if (found !== undefined) return found.aggregation;
    }
    throw new Error(`no meter ${slug} of ${tenant}`);
  }

  private decideAll(partition: number): void {
    const state = this.partitions[partition]!;
    while (state.decided < state.records.length) this.decide(partition, state, state.records[state.decided++]!);
  }

  private decide(partition: number, state: ReferencePartition, { offset, appendTime, value }: LogRecord): void {
    const { slotMs, chunkOffsets } = this.plan;
    const now = Math.max(state.watermark ?? 0, appendTime);
    let chunk = state.chunks.at(-1);
    const isCut =
      chunk === undefined ||
      offset - chunk.startOffset >= chunkOffsets ||
      Math.floor(now / slotMs) > Math.floor(state.watermark! / slotMs);
    if (isCut) {
      if (chunk !== undefined) chunk.endOffset = offset;
      chunk = {
        chunk: state.chunks.length,
        startOffset: chunk === undefined ? 0 : offset,
        endOffset: null,
        watermark: now,
        catalogVersion: state.catalogVersion,
        ruleSet: state.nextRuleSet,
        outcomes: new Map(),
        accepted: [],
        rejected: [],
        readings: [],
        rollUps: new Set(),
        totals: new Set(),
      };
      state.chunks.push(chunk);
    }
    state.watermark = now;
    chunk!.watermark = now;
    const content = this.contents.get(value);
    if (content === undefined) throw new Error('a record that nobody wrote');
    if (content.kind === 'catalog' && content.version > state.catalogVersion) state.catalogVersion = content.version;
    chunk!.catalogVersion = state.catalogVersion;
    if (content.kind === 'tick') state.nextRuleSet = Math.max(state.nextRuleSet, content.ruleSet);
    if (content.kind === 'garbage') {
      this.count(chunk!, '', 'poison');
      chunk!.rejected.push({ offset, index: 0, outcome: 'poison' });
    }
    if (content.kind !== 'events') return;
    for (const [index, event] of content.events.entries()) {
      const outcome = this.outcomeOf(partition, state, chunk!, event, offset, index, now);
      this.count(chunk!, event.tenant, outcome);
      const { catalogVersion: version } = state;
      if (outcome === 'accepted') chunk!.accepted.push({ offset, index, event, now, version });
      else if (outcome !== 'duplicate') chunk!.rejected.push({ offset, index, outcome });
    }
  }

  private count(chunk: ReferenceChunk, tenant: string, outcome: Outcome): void {
    let counts = chunk.outcomes.get(tenant);
    if (counts === undefined) {
      counts = { accepted: 0, duplicate: 0, conflict: 0, too_late: 0, poison: 0 };
      chunk.outcomes.set(tenant, counts);
    }
    counts[outcome]++;
    this.counts[outcome]++;
  }

  private outcomeOf(
    partition: number,
    state: ReferencePartition,
    chunk: ReferenceChunk,
    event: UsageEvent,
    offset: number,
    index: number,
    now: number,
  ): Outcome {
    const sent = this.origins.get(event)!;
    const key = keyOf(event);
    const payload = this.payloadOf(sent);
    const horizonStart = now - this.plan.horizonMs;
    const known = state.keys.get(key);
    // A key lives on whole seconds, rounded in favour of living.
    if (known !== undefined && Math.ceil(known.liveUntil / 1000) >= Math.floor(horizonStart / 1000)) {
      return known.payload === payload ? 'duplicate' : 'conflict';
    }
    if (event.eventTime < horizonStart) return 'too_late';
    const readings = this.read(partition, chunk, state.catalogVersion, event, sent, offset, index, now);
    if (readings === null) return 'poison';
    state.keys.set(key, { payload, liveUntil: Math.max(now, event.eventTime) });
    for (const reading of readings) {
      chunk.rollUps.add(reading.rollUp);
      if (reading.total !== null) chunk.totals.add(reading.total);
      this.addReading(chunk, reading);
    }
    const subject = JSON.stringify([event.tenant, sent.subject]);
    if (!this.readingsBySubject.has(subject)) this.readingsBySubject.set(subject, []);
    return 'accepted';
  }

  private addReading(chunk: ReferenceChunk, reading: Reading): void {
    chunk.readings.push(reading);
    const { tenant, subject, meter } = reading;
    const add = (map: Map<string, Reading[]>, key: string): void => {
      const readings = map.get(key);
      if (readings === undefined) map.set(key, [reading]);
      else readings.push(reading);
    };
    add(this.readingsBySubject, JSON.stringify([tenant, subject]));
    add(this.readingsByMeter, JSON.stringify([tenant, subject, meter]));
  }

  /**
   * A revision of a chunk is sealed: meters that its corrections name are read anew, where the last of them that is
   * about the event says so, by that one's version; whatever was read of them by then counts no more.
   */
  recounted(partition: number, seal: RevisionSeal, corrections: readonly MeterCorrection[]): void {
    const chunk = this.chunkOf(partition, seal.chunk);
    const named = new Set(corrections.map(({ meter }) => meter));
    for (const reading of chunk.readings) {
      if (countsNow(reading) && named.has(reading.meter)) reading.until = seal.number;
    }
    for (const { offset, index, event, now, version } of chunk.accepted) {
      const sent = this.origins.get(event)!;
      for (const slug of named) {
        const ofMeter = corrections.filter(({ meter }) => meter === slug);
        const last = ofMeter.findLast((correction) => this.concerns(correction, event));
        const meter =
          version === 0 && last === undefined ? null : this.meterIn(event.tenant, last?.version ?? version, slug);
        if (meter === null) continue;
        const reading = this.readMeter(meter, partition, chunk, event, sent, offset, index, now);
        if (reading === null || reading === 'unread') continue;
        this.addReading(chunk, { ...reading, since: seal.number });
      }
    }
    const current = chunk.readings.filter(countsNow);
    const expected = {
      rollUps: new Set(current.map(({ rollUp }) => rollUp)).size,
      totals: new Set(current.flatMap(({ total }) => total ?? [])).size,
    };
    const found = { rollUps: seal.rollUps.count, totals: seal.totals.count };
    const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
    const at = `revision ${seal.revision} of chunk ${seal.chunk} of partition ${partition}`;
    if (a !== b) throw new Violation('I2', `${at} is sealed with ${b}, the log and its corrections say ${a}`);
  }

  /** Whether a correction is about an event, whatever its meter makes of it. */
  private concerns({ tenant, meter: slug, version, from, to }: MeterCorrection, event: UsageEvent): boolean {
    const meter = this.meterIn(event.tenant, version, slug);
    if (meter === null) return false;
    const windowStart = event.eventTime - (event.eventTime % windowMs[meter.window]!);
    return (tenant === null || tenant === event.tenant) && windowStart >= from && (to === null || windowStart < to);
  }

  /** Whether a correction is about an event of a chunk, and of its meter's type. */
  isAbout(correction: MeterCorrection, partition: number, chunk: number): boolean {
    return this.chunksOf(partition)[chunk]!.accepted.some(({ event }) => {
      const meter = this.meterIn(event.tenant, correction.version, correction.meter);
      return meter?.eventType === event.type && this.concerns(correction, event);
    });
  }

  private meterIn(tenant: string, version: number, slug: string): Meter | null {
    return this.metersOf(tenant, version).find((meter) => meter.slug === slug) ?? null;
  }

  private dataOf(sent: ClientEvent): string {
    let data = this.data.get(sent);
    if (data === undefined) {
      data = JSON.stringify(sent.data);
      this.data.set(sent, data);
    }
    return data;
  }

  private payloadOf(sent: ClientEvent): string {
    let payload = this.payloads.get(sent);
    if (payload === undefined) {
      const data = Object.entries(sent.data).sort(([a], [b]) => (a < b ? -1 : 1));
      payload = JSON.stringify([sent.type, sent.subject, sent.time ?? null, data]);
      this.payloads.set(sent, payload);
    }
    return payload;
  }

  /** Null: it can't be metered. */
  private read(
    partition: number,
    chunk: ReferenceChunk,
    version: number,
    event: UsageEvent,
    sent: ClientEvent,
    offset: number,
    index: number,
    now: number,
  ): Reading[] | null {
    const readings: Reading[] = [];
    for (const meter of this.metersOf(event.tenant, version)) {
      const reading = this.readMeter(meter, partition, chunk, event, sent, offset, index, now);
      // By the first rule set, what one meter can't read is lost for all of them.
      if (reading === 'unread' && chunk.ruleSet === 1) return null;
      if (reading !== null && reading !== 'unread') readings.push(reading);
    }
    return readings;
  }

  /** Null: the meter leaves the event alone. */
  private readMeter(
    meter: Meter,
    partition: number,
    chunk: ReferenceChunk,
    event: UsageEvent,
    sent: ClientEvent,
    offset: number,
    index: number,
    now: number,
  ): Reading | 'unread' | null {
    if (meter.eventType !== sent.type) return null;
    const taken = isTaken(meter.where ?? [], sent.data, chunk.ruleSet);
    if (taken === false) return null;
    const value = meter.valuePath === null ? 1 : sent.data[String(meter.valuePath[0])];
    const sum = meter.addends === undefined ? 0n : sumOf(meter.addends, sent.data, chunk.ruleSet);
    if ((value === undefined || sum === undefined) && !meter.required) return null;
    let quantity = sum ?? null;
    if (taken === null || value === undefined) quantity = null;
    else if (meter.addends === undefined && meter.aggregation !== 'unique') {
      quantity = quantityOf(value, chunk.ruleSet, meter.precision === 'exact');
    }
    const groups = meter.dimensions.map(({ path }) => groupOf(sent.data[String(path[0])], chunk.ruleSet));
    const text = groupOf(value, chunk.ruleSet);
    if (quantity === null || groups.includes(null) || (meter.aggregation === 'unique' && text === null))
      return 'unread';
    const windowStart = event.eventTime - (event.eventTime % windowMs[meter.window]!);
    return {
      partition,
      chunk: chunk.chunk,
      tenant: event.tenant,
      meter: meter.slug,
      subject: sent.subject,
      windowStart,
      groups: Object.fromEntries(meter.dimensions.map(({ name }, i) => [name, groups[i]!])),
      rollUp: rollUpKey(event.tenant, meter.slug, sent.subject, windowStart, groups as string[]),
      total: ['sum', 'count', 'avg'].includes(meter.aggregation)
        ? rollUpKey(event.tenant, meter.slug, '', windowStart, groups as string[])
        : null,
      quantity,
      text: text ?? '',
      order: [event.eventTime, now, offset, index],
      since: 0,
      until: Number.POSITIVE_INFINITY,
    };
  }
}

const keyOf = (event: UsageEvent): string => JSON.stringify([event.tenant, event.source, event.id]);
export const rollUpKey = (
  tenant: string,
  meter: string,
  subject: string,
  windowStart: number,
  groups: readonly string[],
): string => JSON.stringify([tenant, meter, subject, windowStart, ...groups]);

const print = (byTenant: ReadonlyMap<string, Readonly<Record<Outcome, number>>>): string =>
  [...byTenant]
    .map(([tenant, { accepted, duplicate, conflict, too_late, poison }]) =>
      [tenant, accepted, duplicate, conflict, too_late, poison].join(' '),
    )
    .sort()
    .join('; ');
