// The bodies that are arriving. What holds always: each of them keeps the least pace (platform/http/least-pace.ts) or
// is given up, so that none arrives for longer than its largest size takes at that pace; and once the gateway drains,
// all of them are whole or given up within a few seconds. One timer looks at all of them; they are a linked list, so
// that a body that is whole before the timer's next tick costs next to nothing (a Set costs 0.4 µs for an entry that
// comes and goes).

import { Problem, retryAfter } from '../../domain/problem.ts';
import { repeat, type Timers } from '../../platform/calls/timers.ts';
import { PATIENCE_MS, patienceAfter } from '../../platform/http/least-pace.ts';

const LOOK_INTERVAL_MS = 1_000;
/** A longer time between two looks is this process's own delay: bytes that came meanwhile were not read. */
const LOOK_ELAPSED_MAX_MS = 2 * LOOK_INTERVAL_MS;
/**
 * How long a body may still arrive once the gateway drains: clients with more to send wait for the next gateway anyway.
 */
const DRAIN_MS = 1_000;

export class ArrivingBody {
  /** So far. */
  bytes = 0;
  bytesSeen = 0;
  patienceMs = Number.POSITIVE_INFINITY;
  previous: ArrivingBody | null = null;
  next: ArrivingBody | null = null;
  readonly giveUp: (problem: Problem) => void;

  /** `giveUp` also has to `end` the arrival. */
  constructor(giveUp: (problem: Problem) => void) {
    this.giveUp = giveUp;
  }
}

// What is left of the body would have to be read before the connection can be used again.
const HEADERS = { ...retryAfter(1), connection: 'close' };

const tooSlow = (): Problem =>
  new Problem('request_timeout', 'The body came too slowly. Nothing was accepted. Send the request again.', {
    headers: HEADERS,
  });

const shuttingDown = (): Problem =>
  new Problem('shutting_down', 'This gateway is shutting down. Nothing was accepted. Send the request again.', {
    headers: HEADERS,
  });

export class BodyArrivals {
  private first: ArrivingBody | null = null;
  private readonly monotonicMs: () => number;
  private readonly patienceMs: number;
  private readonly stopLooking: () => void;
  private lookedAt: number;
  private drainUntil = Number.POSITIVE_INFINITY;

  /** `monotonicMs` counts milliseconds from anywhere and never steps. */
  constructor(timers: Timers, monotonicMs: () => number, patienceMs = PATIENCE_MS) {
    this.monotonicMs = monotonicMs;
    this.patienceMs = patienceMs;
    this.lookedAt = monotonicMs();
    this.stopLooking = repeat(timers, LOOK_INTERVAL_MS, () => this.look());
  }

  get count(): number {
    let count = 0;
    for (let body = this.first; body !== null; body = body.next) count++;
    return count;
  }

  begin(body: ArrivingBody): void {
    body.next = this.first;
    if (this.first !== null) this.first.previous = body;
    this.first = body;
  }

  /** Once for each that began. */
  end(body: ArrivingBody): void {
    if (body.next !== null) body.next.previous = body.previous;
    if (body.previous === null) this.first = body.next;
    else body.previous.next = body.next;
  }

  /** From now on what arrives has little time left. */
  drain(): void {
    this.drainUntil = Math.min(this.drainUntil, this.monotonicMs() + DRAIN_MS);
  }

  stop(): void {
    this.stopLooking();
  }

  private look(): void {
    const now = this.monotonicMs();
    const elapsedMs = Math.min(now - this.lookedAt, LOOK_ELAPSED_MAX_MS);
    this.lookedAt = now;
    let next: ArrivingBody | null;
    for (let body = this.first; body !== null; body = next) {
      // Giving up takes the body out of the list.
      next = body.next;
      if (now >= this.drainUntil) {
        body.giveUp(shuttingDown());
        continue;
      }
      body.patienceMs = patienceAfter(body.patienceMs, elapsedMs, body.bytes - body.bytesSeen, this.patienceMs);
      body.bytesSeen = body.bytes;
      if (body.patienceMs <= 0) body.giveUp(tooSlow());
    }
  }
}
