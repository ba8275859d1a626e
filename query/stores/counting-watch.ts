// Whether the log is counted, for whoever looks at /readyz: a front takes events and answers reads all the same while
// an aggregator is halted, and should not look as if nothing were wrong.
import type { Logger } from 'pino';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import type { Freshness } from './freshness.ts';

const LOOK_INTERVAL_MS = 5_000;
/** Ticks move an idle partition every few seconds, so a partition that is this far behind is not counted. */
const BEHIND_MS = 60_000;

export interface CountingWatchParts {
  readonly readFreshness: () => Promise<Freshness>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly logger: Logger;
}

export class CountingWatch {
  private readonly parts: CountingWatchParts;
  private freshness: Freshness | null = null;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: CountingWatchParts) {
    this.parts = parts;
  }

  /** In words for an operator; null: every partition is counted, or it is not known yet. */
  fault(): string | null {
    this.look();
    const now = this.parts.clock();
    const behind = (this.freshness?.partitions ?? [])
      .flatMap(({ partition, watermark }) => (watermark === null ? [] : { partition, watermark }))
      .filter(({ watermark }) => now - watermark > BEHIND_MS)
      .sort((a, b) => a.watermark - b.watermark);
    const [worst] = behind;
    if (worst === undefined) return null;
    const more = behind.length > 1 ? `, and ${behind.length - 1} more partitions late` : '';
    return (
      `partition ${worst.partition} is counted up to ${formatRfc3339(worst.watermark)}${more}: ` +
      'docs/operate/runbooks/watermark-lagging.md'
    );
  }

  /** In the background: an answer that does not come changes nothing. */
  private look(): void {
    const now = this.parts.clock();
    if (now - this.lookedAt < LOOK_INTERVAL_MS) return;
    this.lookedAt = now;
    this.parts
      .readFreshness()
      .then((freshness) => {
        this.freshness = freshness;
      })
      .catch((error: unknown) => this.parts.logger.debug({ err: error }, 'it is not known how far the log is counted'));
  }
}
