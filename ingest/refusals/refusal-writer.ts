// Writes what the gateway refused down every few seconds, away from every request. Where Postgres does not take it, it
// is kept for the next time, within the bounds of the book.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { addRefusals, deleteOldRefusals } from '../../platform/refusals/refusal-store.ts';
import type { RefusalBook } from './refusal-book.ts';

const WRITE_INTERVAL_MS = 3_000;
const CLEAN_INTERVAL_MS = 3_600_000;

export interface RefusalWriter {
  /** Writes what is left, and stops. */
  stop(): Promise<void>;
}

/** `clock` in milliseconds since the epoch. */
export function startRefusalWriter(book: RefusalBook, pool: Pool, clock: () => number, logger: Logger): RefusalWriter {
  let writing: Promise<void> = Promise.resolve();
  let cleanedAt = Number.NEGATIVE_INFINITY;
  let failing = false;
  const write = async (): Promise<void> => {
    const rows = book.take();
    if (rows.length === 0) return;
    try {
      await addRefusals(pool, rows);
      failing = false;
    } catch (err) {
      book.giveBack(rows);
      // Said once an outage.
      if (!failing) logger.warn({ err }, 'what was refused lately could not be written down; it is tried again');
      failing = true;
      return;
    }
    const now = clock();
    if (now - cleanedAt < CLEAN_INTERVAL_MS) return;
    cleanedAt = now;
    await deleteOldRefusals(pool, now).catch((err) => logger.warn({ err }, 'old refusals could not be deleted'));
  };
  /** One after the other. */
  const writeNext = (): Promise<void> => {
    writing = writing.then(write);
    return writing;
  };
  let isWaiting = false;
  const timer = setInterval(() => {
    if (isWaiting) return;
    isWaiting = true;
    void writeNext().finally(() => {
      isWaiting = false;
    });
  }, WRITE_INTERVAL_MS);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await writeNext();
    },
  };
}
