// A rater's lease: while it lasts nobody takes what the rater holds. It is prolonged by a timer, also while a step
// takes long, and ended when the rater stops or its stores do not answer, for another one may reach them. Nothing that
// is billed depends on it, so a prolongation that fails is tried again by the next tick.
import type { Logger } from 'pino';
import { repeat, type Timers } from '../../platform/calls/timers.ts';
import type { RatingState } from '../store/rating-store.ts';

/** So often a lease is prolonged while it lasts: two of them may be missed. */
const PROLONGATIONS = 3;

export interface ShardLeaseParts {
  readonly store: Pick<RatingState, 'prolongLease' | 'endLease'>;
  readonly rater: string;
  readonly leaseMs: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class ShardLease {
  private readonly parts: ShardLeaseParts;
  private readonly stopTimer: () => void;
  private isHeld = false;

  constructor(parts: ShardLeaseParts) {
    this.parts = parts;
    this.stopTimer = repeat(parts.timers, parts.leaseMs / PROLONGATIONS, () => {
      if (this.isHeld) void this.tick();
    });
  }

  /** Resolves when there is one. */
  async begin(): Promise<void> {
    if (this.isHeld) return;
    const { store, rater, leaseMs } = this.parts;
    await store.prolongLease(rater, leaseMs);
    this.isHeld = true;
  }

  /** All that the rater holds is given back, if Postgres answers; else it is free when the lease is over. */
  async end(): Promise<void> {
    this.isHeld = false;
    const { store, rater, logger } = this.parts;
    await store.endLease(rater).catch((err: unknown) => logger.warn({ err }, 'shards are given back by time alone'));
  }

  async stop(): Promise<void> {
    this.stopTimer();
    await this.end();
  }

  private async tick(): Promise<void> {
    const { store, rater, leaseMs, logger } = this.parts;
    await store
      .prolongLease(rater, leaseMs)
      .catch((err: unknown) => logger.warn({ err }, 'the lease of the shards was not prolonged'));
  }
}
