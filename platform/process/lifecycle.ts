// How a process of Tallyline ends: on a signal, or when its parent is gone, it drains its stages within a deadline and
// exits 0; when a stage can't go on it says why and exits 1.
import type { Logger } from 'pino';
import type { Stage } from './stage.ts';

export interface StopOptions {
  /** Signals that mean "drain and end"; the process ignores SIGINT where it is not among them. */
  readonly signals?: readonly NodeJS.Signals[];
}

/** What a parent sends over IPC to have this process drain. */
export const STOP_MESSAGE = 'stop';

export const DRAIN_TIMEOUT_MS = 30_000;
/** Nobody waits for an orphan, and the stores may be going too. */
const ORPHAN_DRAIN_TIMEOUT_MS = 10_000;
const ORPHANED = 'the parent process is gone';

/**
 * Resolves, with the reason in words, once this process is to drain: on one of the signals, on the parent's message, or
 * when the channel to the parent closes because it is gone. A second signal is left to its default, which ends at once.
 */
export function untilStopped(options: StopOptions = {}): Promise<string> {
  const signals = options.signals ?? ['SIGTERM', 'SIGINT'];
  // A Ctrl-C reaches every process of the terminal; the supervisor alone decides the order in which they end.
  if (!signals.includes('SIGINT')) process.on('SIGINT', () => {});
  if (!signals.includes('SIGTERM')) process.on('SIGTERM', () => {});
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal));
    if (process.send !== undefined) {
      process.once('disconnect', () => resolve(ORPHANED));
      process.on('message', (message) => {
        if (message === STOP_MESSAGE) resolve('the supervisor said so');
      });
    }
  });
}

/** What a stage halts on, and what to do about it. */
const HALTED = 'docs/operate/runbooks/halted.md';

export interface RunOptions extends StopOptions {
  /** How long the stages may take to drain. */
  readonly drainTimeoutMs?: number;
}

/**
 * Keeps the process alive for its stages and ends it: resolves to the exit status. 0 after a drain that was asked for;
 * 1 when a stage failed, or when the drain took longer than the deadline. Stages are stopped in the order given.
 */
export async function runStages(stages: readonly Stage[], logger: Logger, options: RunOptions = {}): Promise<0 | 1> {
  let failure: unknown = null;
  const reason = await Promise.race([
    untilStopped(options),
    ...stages.map((stage) =>
      stage.failed.catch((error: unknown) => {
        failure = error ?? new Error(`stage ${stage.name} failed without a reason`);
        return `stage ${stage.name} failed`;
      }),
    ),
  ]);
  if (failure === null) logger.info({ reason }, 'draining');
  else logger.fatal({ err: failure, runbook: HALTED }, reason);

  const allowedMs = options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS;
  const drainTimeoutMs = reason === ORPHANED ? Math.min(allowedMs, ORPHAN_DRAIN_TIMEOUT_MS) : allowedMs;
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<'overdue'>((resolve) => {
    timer = setTimeout(() => resolve('overdue'), drainTimeoutMs);
  });
  const drain = async (): Promise<'drained'> => {
    for (const stage of stages) {
      try {
        await stage.stop();
      } catch (error) {
        logger.error({ err: error }, `stage ${stage.name} could not be drained`);
        failure ??= error;
      }
    }
    return 'drained';
  };
  const outcome = await Promise.race([drain(), overdue]);
  clearTimeout(timer);
  if (outcome === 'overdue')
    logger.error(
      { drainTimeoutMs },
      'the drain is not done by its deadline; what is unfinished is done again at the next start',
    );
  else logger.info('drained');
  return failure === null && outcome === 'drained' ? 0 : 1;
}
