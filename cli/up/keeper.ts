// Keeps one process running: started again, after a growing pause, whenever it ends by itself.
//
//   starting --ready--> running --ends--> waiting --pause over--> starting
//
// From every state `stop` leads to stopped. A start that fails leads to waiting, but for the very first, which is the
// caller's to report.
import type { Logger } from 'pino';
import { delay } from '../../platform/calls/retry.ts';

export interface Running {
  readonly pid: number;
  /** Rejects when it ends without `stop`. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

export interface KeeperOptions {
  readonly pauseMinMs?: number;
  readonly pauseMaxMs?: number;
  /** One that ran for this long counts as sound: the next pause is the shortest again. */
  readonly soundMs?: number;
}

export class Keeper<Process extends Running> {
  readonly name: string;
  private readonly startProcess: () => Promise<Process>;
  private readonly logger: Logger;
  private readonly onRunning: (process: Process) => void;
  private readonly options: Required<KeeperOptions>;
  private readonly stopping = new AbortController();
  private running: Process | null = null;
  private loop: Promise<void> = Promise.resolve();

  private constructor(
    name: string,
    start: () => Promise<Process>,
    logger: Logger,
    onRunning: (process: Process) => void,
    options: KeeperOptions,
  ) {
    this.name = name;
    this.startProcess = start;
    this.logger = logger;
    this.onRunning = onRunning;
    this.options = { pauseMinMs: 250, pauseMaxMs: 10_000, soundMs: 30_000, ...options };
  }

  /** Resolves once it runs for the first time; rejects where that fails. `onRunning` is told of each start. */
  static async start<Process extends Running>(
    name: string,
    start: () => Promise<Process>,
    logger: Logger,
    onRunning: (process: Process) => void,
    options: KeeperOptions = {},
  ): Promise<Keeper<Process>> {
    const keeper = new Keeper(name, start, logger, onRunning, options);
    const first = await start();
    keeper.loop = keeper.keep(first);
    return keeper;
  }

  private async keep(first: Process): Promise<void> {
    const { signal } = this.stopping;
    let pauseMs = this.options.pauseMinMs;
    let next: Process | null = first;
    for (;;) {
      if (next !== null) {
        const startedAt = performance.now();
        this.running = next;
        this.onRunning(next);
        const error = await Promise.race([next.failed.catch((reason: unknown) => reason), aborted(signal)]);
        if (signal.aborted) return;
        this.running = null;
        if (performance.now() - startedAt >= this.options.soundMs) pauseMs = this.options.pauseMinMs;
        this.logger.error({ err: error, pauseMs }, `${this.name} ended; it is started again`);
      }
      await delay(pauseMs, signal);
      if (signal.aborted) return;
      pauseMs = Math.min(pauseMs * 2, this.options.pauseMaxMs);
      try {
        next = await this.startProcess();
      } catch (error) {
        next = null;
        this.logger.error({ err: error, pauseMs }, `${this.name} could not be started; it is tried again`);
      }
      if (signal.aborted) {
        await next?.stop();
        return;
      }
    }
  }

  /** Drains what runs and starts nothing more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await this.running?.stop();
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
