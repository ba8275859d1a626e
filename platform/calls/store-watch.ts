// Whether the stores of a process answer, asked all the time and each by itself, on connections of its own: a store
// that hangs is known within seconds, however idle the process is, and one that is only busy with this process's own
// work is not taken for it.

import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { withDeadline } from './deadline.ts';

export const storeNames = ['Postgres', 'ClickHouse', 'the event log'] as const;
export type StoreName = (typeof storeNames)[number];

export interface StoreProbe {
  readonly store: StoreName;
  /** The cheapest question that it can't answer without being there. What comes after `timeoutMs` is not waited for. */
  ask(timeoutMs: number): Promise<unknown>;
  /** Releases the connection that is asked on. */
  close(): Promise<void>;
}

export interface WatchTiming {
  /** From an answer to the next question. */
  readonly intervalMs: number;
  /** A question without an answer for this long is a fault. */
  readonly timeoutMs: number;
}

/** A hang is known after 7 s at most; /readyz promises 15. */
const TIMING: WatchTiming = { intervalMs: 2_000, timeoutMs: 5_000 };

interface Watched {
  readonly probe: StoreProbe;
  fault: string | null;
  /** By `performance.now()`. */
  answeredAt: number;
}

export class StoreWatch {
  private readonly watched: readonly Watched[];
  private readonly logger: Logger;
  private readonly timing: WatchTiming;
  private readonly timers = new Set<NodeJS.Timeout>();
  private isStopped = false;

  /** Begins to ask at once. */
  constructor(probes: readonly StoreProbe[], registry: Registry, logger: Logger, timing: WatchTiming = TIMING) {
    const now = performance.now();
    this.watched = probes.map((probe) => ({ probe, fault: `${probe.store} was not asked yet`, answeredAt: now }));
    this.logger = logger;
    this.timing = timing;
    const { watched } = this;
    new Gauge({
      name: 'tallyline_store_silent_seconds',
      help: 'How long ago a store last answered when it was asked whether it is there; some seconds are none.',
      labelNames: ['store'],
      registers: [registry],
      collect() {
        for (const { probe, answeredAt } of watched)
          this.set({ store: probe.store }, (performance.now() - answeredAt) / 1_000);
      },
    });
    for (const each of watched) void this.ask(each);
  }

  /** What is wrong with a store, in words for an operator; null: nothing, or it is not one of this process. */
  fault(store: StoreName): string | null {
    return this.watched.find(({ probe }) => probe.store === store)?.fault ?? null;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.allSettled(this.watched.map(({ probe }) => probe.close()));
  }

  private async ask(watched: Watched): Promise<void> {
    const { store } = watched.probe;
    const { intervalMs, timeoutMs } = this.timing;
    try {
      // What comes later than that is no answer: the question may have waited at a process that was stopped.
      const late = (): Error => new Error(`it was silent for ${timeoutMs} ms`);
      await withDeadline(watched.probe.ask(timeoutMs), timeoutMs, late);
      if (watched.fault !== null) this.logger.info({ store }, 'a store answers');
      watched.fault = null;
      watched.answeredAt = performance.now();
    } catch (error) {
      const fault = `${store} does not answer: ${error instanceof Error ? error.message : String(error)}`;
      if (!this.isStopped && watched.fault !== fault)
        this.logger.warn({ err: error, store }, 'a store does not answer');
      watched.fault = fault;
    }
    if (this.isStopped) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      void this.ask(watched);
    }, intervalMs);
    timer.unref();
    this.timers.add(timer);
  }
}
