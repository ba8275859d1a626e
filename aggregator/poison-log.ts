// Writes to the process's log which records and events could not be metered. All of them are kept in event_rejects, so
// where there are many, it writes only a few lines a chunk and how many more there were.
import type { Logger } from 'pino';
import type { RejectedEvent } from './core/partition-state.ts';

const LINES_MAX = 10;
const REASON_LENGTH_MAX = 300;

export class PoisonLog {
  private readonly logger: Logger;
  private chunk = -1;
  private seen = 0;

  /** The logger names the partition. */
  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** What was decided in a chunk since the last call. */
  report(chunk: number, rejected: readonly RejectedEvent[]): void {
    for (const { outcome, offset, index, code, message } of rejected) {
      if (outcome !== 'poison') continue;
      if (chunk !== this.chunk) this.begin(chunk);
      if (++this.seen > LINES_MAX) continue;
      const reason = message.slice(0, REASON_LENGTH_MAX).toWellFormed();
      this.logger.warn(
        { chunk, offset, index, code, reason },
        'a record or event can’t be metered; it is kept in event_rejects',
      );
    }
  }

  /** The chunk is sealed or forgotten. */
  end(): void {
    this.begin(-1);
  }

  private begin(chunk: number): void {
    const more = this.seen - LINES_MAX;
    if (more > 0) this.logger.warn({ chunk: this.chunk, more }, 'more of this chunk can’t be metered');
    this.chunk = chunk;
    this.seen = 0;
  }
}
