// Collects admitted events of many requests into one log record a partition, and tells each request when all of its
// events are durable. What holds always:
//
//   - a request's promise resolves only after the log acknowledged every record that holds one of its events;
//   - events that wait or are under way are bounded in number and bytes; past a bound nothing more is taken;
//   - no request waits longer than the append timeout for its record to be sent, plus the same for its acknowledgement.
//
// A batch is open (collecting), ready (closed, waiting for a place) or under way (given to the log). An open batch is
// closed when it is full or its linger is over. A request whose append fails is answered 503 although some of its
// events may be in the log: the client sends it again, and the aggregator counts each event once.
import { Problem, retryAfter } from '../domain/problem.ts';
import type { UsageEvent } from '../domain/usage-event.ts';
import { partitionOf } from '../domain/usage-event.ts';
import type { Timers } from '../platform/calls/timers.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { recordBytesMax } from '../platform/event-log/record-size.ts';
import { LogHealth } from './log-health.ts';

/** Records of one partition under way at once. Their order does not matter. */
const APPENDS_PER_PARTITION = 4;
/** What an event takes beyond its strings: hashes, times, lengths, and its objects in memory. */
const EVENT_OVERHEAD_BYTES = 96;
/**
 * Batches are measured in UTF-16 units, which take up to three bytes each: whatever is set, a record must fit into the
 * log.
 */
const BATCH_BYTES_MAX = recordBytesMax / 4;

export interface BatcherLimits {
  readonly lingerMs: number;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  readonly appendTimeoutMs: number;
}

/** A log record that is being written. */
export interface BatchRecord {
  /** Events in it. */
  readonly count: number;
  add(event: UsageEvent): void;
  record(): Buffer;
}

export interface BatcherParts {
  readonly log: Pick<EventLog, 'append' | 'partitions'>;
  readonly newRecord: () => BatchRecord;
  readonly clock: () => number;
  readonly timers: Timers;
  /** Told of each append that ended: how long it took, and why it failed. */
  readonly onAppend?: (durationMs: number, error: unknown) => void;
}

const RETRY_SECONDS = 1;

/** Why a request can't be taken now. Nothing of it was appended. */
const refusal = (code: 'log_unavailable' | 'overloaded' | 'shutting_down', detail: string): Problem =>
  new Problem(code, `${detail} Send the request again.`, {
    // A client that reconnects finds a gateway that stays; one that waits on this connection does not.
    headers: { ...retryAfter(RETRY_SECONDS), ...(code === 'shutting_down' ? { connection: 'close' } : {}) },
  });

const queueFull = (): Problem => refusal('overloaded', 'Nothing was accepted: too many events wait for the event log.');

/** Why an append did not succeed; the events may be in the log all the same. */
export class AppendFailed extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'AppendFailed';
  }
}

/** One request: settled when its last batch is. */
interface Ticket {
  batchesLeft: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Batch {
  readonly record: BatchRecord;
  bytes: number;
  readonly tickets: Ticket[];
  readonly openedAt: number;
}

interface PartitionQueue {
  open: Batch | null;
  readonly ready: Batch[];
  underWay: number;
}

const bytesOf = (event: UsageEvent): number =>
  EVENT_OVERHEAD_BYTES +
  event.tenant.length +
  event.source.length +
  event.id.length +
  event.type.length +
  event.subject.length +
  event.data.length;

export class Batcher {
  private readonly limits: BatcherLimits;
  private readonly parts: BatcherParts;
  private readonly health: LogHealth;
  private readonly queues: PartitionQueue[];
  private queuedEvents = 0;
  private queuedBytes = 0;
  private lingerTimer: unknown = null;
  private sweepTimer: unknown = null;
  private draining = false;
  private drained: (() => void) | null = null;

  constructor(limits: BatcherLimits, parts: BatcherParts) {
    this.limits = { ...limits, batchBytesMax: Math.min(limits.batchBytesMax, BATCH_BYTES_MAX) };
    this.parts = parts;
    this.health = new LogHealth(limits.appendTimeoutMs / 2);
    this.queues = Array.from({ length: parts.log.partitions }, () => ({ open: null, ready: [], underWay: 0 }));
  }

  /** Events and bytes that are admitted and not yet settled. */
  get queued(): { readonly events: number; readonly bytes: number } {
    return { events: this.queuedEvents, bytes: this.queuedBytes };
  }

  /** For /readyz: why the log does not take appends, or null. */
  notReady(): string | null {
    return this.health.notReady(this.parts.clock());
  }

  /** Whether a request that arrives now would be refused; asked before its body is read. */
  refusal(): Problem | null {
    if (this.draining) return refusal('shutting_down', 'This gateway is shutting down.');
    const now = this.parts.clock();
    const fault = this.health.fault(now);
    if (fault !== null && !this.health.mayProbe(now)) {
      return refusal('log_unavailable', `Nothing was accepted: ${fault}.`);
    }
    const isFull = this.queuedEvents >= this.limits.queueEventsMax || this.queuedBytes >= this.limits.queueBytesMax;
    return isFull ? queueFull() : null;
  }

  /**
   * Takes all of a request's events or, throwing the `Problem`, none. The promise resolves once every event is durable,
   * and rejects with `AppendFailed` otherwise.
   */
  append(events: readonly UsageEvent[]): Promise<void> {
    const problem = this.refusal() ?? this.overflow(events);
    if (problem !== null) throw problem;
    const now = this.parts.clock();
    if (this.health.mayProbe(now)) this.health.claimProbe(now);
    return new Promise<void>((resolve, reject) => {
      const ticket: Ticket = { batchesLeft: 0, resolve, reject };
      for (const event of events) this.add(event, ticket, now);
      if (ticket.batchesLeft === 0) resolve();
      this.startTimers();
    });
  }

  /** A request that is larger than the whole queue is taken when nothing else waits: else it could never be. */
  private overflow(events: readonly UsageEvent[]): Problem | null {
    if (this.queuedEvents === 0) return null;
    let bytes = this.queuedBytes;
    for (const event of events) bytes += bytesOf(event);
    const fits = this.queuedEvents + events.length <= this.limits.queueEventsMax && bytes <= this.limits.queueBytesMax;
    return fits ? null : queueFull();
  }

  private add(event: UsageEvent, ticket: Ticket, now: number): void {
    const partition = partitionOf(event.dedupKey, this.queues.length);
    const queue = this.queues[partition]!;
    const bytes = bytesOf(event);
    let batch = queue.open;
    if (batch !== null && batch.bytes + bytes > this.limits.batchBytesMax) {
      this.close(partition);
      batch = null;
    }
    if (batch === null) {
      batch = { record: this.parts.newRecord(), bytes: 0, tickets: [], openedAt: now };
      queue.open = batch;
    }
    // A request's events are added in one go, so its ticket is the last one or not there yet.
    if (batch.tickets[batch.tickets.length - 1] !== ticket) {
      batch.tickets.push(ticket);
      ticket.batchesLeft++;
    }
    batch.record.add(event);
    batch.bytes += bytes;
    this.queuedEvents++;
    this.queuedBytes += bytes;
    if (batch.record.count >= this.limits.batchEventsMax || batch.bytes >= this.limits.batchBytesMax)
      this.close(partition);
  }

  private close(partition: number): void {
    const queue = this.queues[partition]!;
    if (queue.open === null) return;
    queue.ready.push(queue.open);
    queue.open = null;
    this.send(partition);
  }

  private send(partition: number): void {
    const queue = this.queues[partition]!;
    while (queue.underWay < APPENDS_PER_PARTITION && queue.ready.length > 0) {
      queue.underWay++;
      void this.appendBatch(partition, queue.ready.shift()!);
    }
  }

  private async appendBatch(partition: number, batch: Batch): Promise<void> {
    const { clock, log, onAppend, timers } = this.parts;
    const startedAt = clock();
    const append = this.health.begin(startedAt);
    // The log's adapter may take longer than a request can wait. The request is told then; the batch still counts as
    // queued until the adapter lets go of it, so that memory stays bounded.
    const timeout = timers.setTimeout(() => {
      this.fail(batch, new AppendFailed(`the event log did not acknowledge within ${this.limits.appendTimeoutMs} ms`));
    }, this.limits.appendTimeoutMs);
    let failure: unknown = null;
    try {
      await log.append(partition, [batch.record.record()]);
    } catch (error) {
      failure = error;
    }
    timers.clearTimeout(timeout);
    const endedAt = clock();
    if (failure === null) {
      this.health.succeeded(append);
      for (const ticket of batch.tickets) if (--ticket.batchesLeft === 0) ticket.resolve();
    } else {
      this.health.failed(append, endedAt);
      this.fail(batch, new AppendFailed('the event log did not take the events', failure));
    }
    onAppend?.(endedAt - startedAt, failure);
    this.release(batch);
    this.queues[partition]!.underWay--;
    this.send(partition);
    this.noteIfDrained();
  }

  /** A ticket that fails never resolves: its count can't come down to zero any more. */
  private fail(batch: Batch, error: AppendFailed): void {
    for (const ticket of batch.tickets) {
      ticket.batchesLeft = Number.POSITIVE_INFINITY;
      ticket.reject(error);
    }
  }

  private release(batch: Batch): void {
    this.queuedEvents -= batch.record.count;
    this.queuedBytes -= batch.bytes;
  }

  private startTimers(): void {
    const { timers } = this.parts;
    this.lingerTimer ??= timers.setTimeout(() => {
      this.lingerTimer = null;
      this.closeAll();
    }, this.limits.lingerMs);
    this.sweepTimer ??= timers.setTimeout(() => this.sweep(), this.limits.appendTimeoutMs / 4);
  }

  private closeAll(): void {
    for (let partition = 0; partition < this.queues.length; partition++) this.close(partition);
  }

  /** Gives up what has waited for a place for too long. It was never sent, so it is gone with its requests' 503. */
  private sweep(): void {
    this.sweepTimer = null;
    const now = this.parts.clock();
    for (const queue of this.queues) {
      while (queue.ready.length > 0 && now - queue.ready[0]!.openedAt >= this.limits.appendTimeoutMs) {
        const batch = queue.ready.shift()!;
        this.fail(batch, new AppendFailed('the events waited too long for the event log'));
        this.release(batch);
      }
    }
    if (this.queuedEvents > 0)
      this.sweepTimer = this.parts.timers.setTimeout(() => this.sweep(), this.limits.appendTimeoutMs / 4);
    this.noteIfDrained();
  }

  private noteIfDrained(): void {
    if (this.queuedEvents === 0) this.drained?.();
  }

  /**
   * Takes nothing more, and resolves once everything taken is durable or has failed, or after `deadlineMs`. Returns the
   * number of events that were still under way then; their requests were not acknowledged.
   */
  async drain(deadlineMs: number): Promise<number> {
    const { timers } = this.parts;
    this.draining = true;
    this.closeAll();
    if (this.queuedEvents > 0) {
      let timer: unknown;
      await new Promise<void>((resolve) => {
        this.drained = resolve;
        timer = timers.setTimeout(resolve, deadlineMs);
      });
      timers.clearTimeout(timer);
    }
    if (this.lingerTimer !== null) timers.clearTimeout(this.lingerTimer);
    if (this.sweepTimer !== null) timers.clearTimeout(this.sweepTimer);
    return this.queuedEvents;
  }
}
