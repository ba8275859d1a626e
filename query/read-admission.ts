// What stands before every read: how often its key may ask, whose turn it is, and how long all of it may take. A read
// that costs a store much waits at the gate of that store; what is answered from what all share has a gate of its own,
// so that a status never waits behind a month of usage.

import { Problem, retryAfter } from '../domain/problem.ts';
import type { Identity } from '../platform/access/keyring.ts';
import { RateLimit } from '../platform/access/rate-limit.ts';
import { RequestTurns } from '../platform/access/request-turns.ts';
import type { RequestBudget } from '../platform/calls/request-budget.ts';
import type { Settings } from '../platform/settings/settings.ts';
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
/** A read that began later would be given up before it is done. */
const TURN_SHARE = 1 / 2;

export class ReadAdmission {
  private readonly rateLimit: RateLimit;
  private readonly turns: Readonly<Record<ReadCost, RequestTurns>>;
  private readonly clock: () => number;
  private readonly metrics: QueryMetrics;

  constructor(settings: Settings['query'], clock: () => number, metrics: QueryMetrics) {
    const turnTimeoutMs = settings.readTimeoutMs * TURN_SHARE;
    const onRefused = metrics.refused;
    const turns = (places: number) => new RequestTurns({ places, turnTimeoutMs, what: 'reads', onRefused });
    this.rateLimit = new RateLimit(settings.requestsPerSecondMax);
    const { readsAtOnce } = settings;
    this.turns = {
      light: turns(LIGHT_PLACES),
      usage: turns(readsAtOnce),
      stream: turns(Math.max(1, Math.floor(readsAtOnce * STREAMS_SHARE))),
      billing: turns(readsAtOnce),
    };
    this.clock = clock;
    this.metrics = metrics;
    const { light, usage, stream, billing } = this.turns;
    metrics.watchGates({ light: light.gate, usage: usage.gate, stream: stream.gate, billing: billing.gate });
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
  inTurn<Result>(
    cost: ReadCost,
    reader: Identity,
    budget: RequestBudget,
    read: () => Promise<Result>,
  ): Promise<Result> {
    return this.turns[cost].inTurn(reader, budget, read);
  }
}
