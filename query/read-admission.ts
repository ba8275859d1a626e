// What stands before every read: how often its key may ask, whose turn it is, and how long all of it may take. A read
// that costs a store much waits at the gate of that store; what is answered from what all share has a gate of its own,
// so that a status never waits behind a month of usage.

import { Problem, retryAfter } from '../domain/problem.ts';
import type { Identity } from '../platform/access/keyring.ts';
import { RateLimit } from '../platform/access/rate-limit.ts';
import { withDeadline } from '../platform/calls/deadline.ts';
import type { RequestBudget } from '../platform/calls/request-budget.ts';
import type { Settings } from '../platform/settings/settings.ts';
import { type GateBounds, ReadGate, type ReadRefusal, type Turn } from './core/read-gate.ts';
import type { QueryMetrics } from './metrics.ts';

/**
 * What a read costs: next to nothing, a scan of ClickHouse, such a scan that lasts until its client has all of it, or a
 * page of Postgres.
 */
const readCosts = ['light', 'usage', 'stream', 'billing'] as const;
export type ReadCost = (typeof readCosts)[number];

/** A stream lasts as long as its client takes for it: however slow they are, the places of other reads stay free. */
const STREAMS_SHARE = 1 / 2;
/** Light reads are kept apart from each other by little more than their number. */
const LIGHT_PLACES = 16;
const WAITING_OF_KEY_MAX = 64;
const WAITING_MAX = 512;
/** A read that began later would be given up before it is done. */
const TURN_SHARE = 1 / 2;
const RETRY_AFTER_S = 2;

const refusals: Readonly<Record<ReadRefusal | 'turn', readonly ['rate_limited' | 'overloaded', string]>> = {
  key: ['rate_limited', 'As many reads of this API key as may wait do so already. Send fewer at once.'],
  all: ['overloaded', 'As many reads as may wait do so already. Send the request again.'],
  turn: ['overloaded', 'Other reads came first for too long. Send the request again.'],
};

export class ReadAdmission {
  private readonly rateLimit: RateLimit;
  private readonly gates: Readonly<Record<ReadCost, ReadGate>>;
  private readonly turnTimeoutMs: number;
  private readonly clock: () => number;
  private readonly metrics: QueryMetrics;

  constructor(settings: Settings['query'], clock: () => number, metrics: QueryMetrics) {
    const gate = (places: number): ReadGate => new ReadGate(boundsOf(places));
    this.rateLimit = new RateLimit(settings.requestsPerSecondMax);
    const { readsAtOnce } = settings;
    this.gates = {
      light: gate(LIGHT_PLACES),
      usage: gate(readsAtOnce),
      stream: gate(Math.max(1, Math.floor(readsAtOnce * STREAMS_SHARE))),
      billing: gate(readsAtOnce),
    };
    this.turnTimeoutMs = settings.readTimeoutMs * TURN_SHARE;
    this.clock = clock;
    this.metrics = metrics;
    metrics.watchGates(this.gates);
  }

  /** Counts a read of the key. Throws an `Problem` where there were too many in the last second. */
  countRequest({ keyId }: Identity): void {
    const waitMs = this.rateLimit.take(keyId, this.clock());
    if (waitMs === 0) return;
    this.metrics.refused('rate');
    throw new Problem('rate_limited', 'This API key reads more often than it may.', {
      headers: retryAfter(waitMs / 1_000),
    });
  }

  /** Runs the read when its turn comes. Throws an `Problem` where it does not. */
  async inTurn<Result>(
    cost: ReadCost,
    reader: Identity,
    budget: RequestBudget,
    read: () => Promise<Result>,
  ): Promise<Result> {
    const gate = this.gates[cost];
    let start = (): void => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    const turn: Turn = { reader, start: () => start() };
    const refusal = gate.enter(turn);
    if (refusal !== null) throw this.refusal(refusal);
    try {
      await this.turnOf(started, budget);
      return await read();
    } finally {
      gate.leave(turn);
    }
  }

  private async turnOf(started: Promise<void>, budget: RequestBudget): Promise<void> {
    const overdue = (): Problem => this.refusal('turn');
    await budget.within('its turn', () => withDeadline(started, this.turnTimeoutMs, overdue));
  }

  private refusal(why: keyof typeof refusals): Problem {
    this.metrics.refused(why);
    const [code, detail] = refusals[why];
    return new Problem(code, detail, { headers: retryAfter(RETRY_AFTER_S) });
  }
}

const boundsOf = (places: number): GateBounds => ({
  places,
  waitingOfKeyMax: WAITING_OF_KEY_MAX,
  waitingMax: WAITING_MAX,
});
