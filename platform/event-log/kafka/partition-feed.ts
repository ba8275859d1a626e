// One partition while it is this member's: assigned, then records, then revoked, never two of these at once. Fetches
// fill its bounded buffer and its own loop empties it into the handler, so a slow handler delays neither the other
// partitions nor the heartbeats of the member.
import type { Logger } from 'pino';
import { EventLogError, type LogRecord, type PartitionHandler } from '../event-log.ts';
import { WakeSignal } from '../wake-signal.ts';

/** What a feed asks of the consumer that fetches for it. */
export interface FeedSource {
  /** The next fetch of the partition begins at `offset`. */
  seek(partition: number, offset: number): void;
  pause(partition: number): void;
  resume(partition: number): void;
  /**
   * Rejects with `offset_out_of_range` when the log does not hold what begins at `offset`, with `unavailable` when that
   * can't be told now.
   */
  assertHeld(partition: number, offset: number): Promise<void>;
}

interface Batch {
  /** Where the fetch began that brought it. */
  readonly fetchOffset: number;
  readonly records: readonly LogRecord[];
  /** Where the next fetch begins. */
  readonly nextOffset: number;
}

/** Batches are handed over together up to this size: while the handler waited for a store, many small ones came. */
const handoverBytesMax = 4 * 1024 * 1024;
const idleMs = 60_000;
const retryMs = 1000;

export class PartitionFeed {
  readonly partition: number;
  /** Resolves when the feed has ended, whatever ended it; with the error, if one did. */
  readonly ended: Promise<unknown>;
  private readonly handler: PartitionHandler;
  private readonly source: FeedSource;
  private readonly bufferBytesMax: number;
  private readonly logger: Logger;
  private readonly signal = new WakeSignal();
  private readonly ready: Promise<void>;
  private buffer: Batch[] = [];
  private bufferBytes = 0;
  private paused = true;
  private isStopping = false;
  /** Where the next fetch must begin; null until the handler has said so. */
  private fetchOffset: number | null = null;
  /** The fetch offset at which a batch from further on was turned away once. */
  private refetchedOffset: number | null = null;

  /**
   * @param ready resolves when the log is known to be the one that was opened; nothing is asked of the handler before
   */
  constructor(
    partition: number,
    handler: PartitionHandler,
    source: FeedSource,
    ready: Promise<void>,
    bufferBytesMax: number,
    logger: Logger,
  ) {
    this.partition = partition;
    this.handler = handler;
    this.source = source;
    this.ready = ready;
    this.bufferBytesMax = bufferBytesMax;
    this.logger = logger;
    source.pause(partition);
    this.ended = this.run().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  get stopping(): boolean {
    return this.isStopping;
  }

  /** Asks the feed to end after the running handler; what is buffered is forgotten. */
  stop(): void {
    this.isStopping = true;
    this.signal.wake();
  }

  /**
   * Takes what a fetch brought. False when the batch is not the next one: it is dropped and the fetch repeated. kafkajs
   * passes over batches without records in silence; such a gap is believed when the repeated fetch shows it again.
   */
  offer({ fetchOffset, records, nextOffset }: Batch): boolean {
    if (this.isStopping || this.fetchOffset === null) return false;
    if (fetchOffset !== this.fetchOffset) {
      const gapAgain = fetchOffset > this.fetchOffset && this.refetchedOffset === this.fetchOffset;
      if (!gapAgain) {
        this.refetchedOffset = this.fetchOffset;
        this.source.seek(this.partition, this.fetchOffset);
        return false;
      }
    }
    this.buffer.push({ fetchOffset: this.fetchOffset, records, nextOffset });
    this.bufferBytes += bytesOf(records);
    this.fetchOffset = nextOffset;
    this.refetchedOffset = null;
    if (!this.paused && this.bufferBytes >= this.bufferBytesMax) {
      this.paused = true;
      this.source.pause(this.partition);
    }
    this.signal.wake();
    return true;
  }

  /** The group was joined anew and the partition stayed: kafkajs has forgotten where it was. */
  reposition(): void {
    if (this.fetchOffset !== null) this.source.seek(this.partition, this.fetchOffset);
    if (!this.paused) this.source.resume(this.partition);
  }

  private async run(): Promise<void> {
    await this.ready;
    if (this.isStopping) return;
    try {
      const startOffset = await this.handler.assigned(this.partition);
      await this.moveTo(startOffset);
      while (!this.isStopping) {
        const batch = this.take();
        if (batch === undefined) {
          await this.signal.wait(idleMs);
          continue;
        }
        // A gap is legal only where nothing that once was in it has been deleted before it was read.
        if (batch.records[0]!.offset > batch.fetchOffset) await this.assertHeld(batch.fetchOffset);
        if (this.isStopping) break;
        const next = await this.handler.records(this.partition, batch.records);
        if (next !== undefined && next !== batch.nextOffset) await this.moveTo(next);
      }
    } finally {
      this.isStopping = true;
      this.buffer = [];
      await this.handler.revoked(this.partition);
    }
  }

  /** The batches at the front that follow each other without a gap, as one. */
  private take(): Batch | undefined {
    const batches = this.buffer.splice(0, this.joinable());
    const batch = batches.length < 2 ? batches[0] : joined(batches);
    if (batch !== undefined) this.bufferBytes -= bytesOf(batch.records);
    if (this.paused && this.fetchOffset !== null && this.bufferBytes <= this.bufferBytesMax / 2) {
      this.paused = false;
      this.source.resume(this.partition);
    }
    return batch;
  }

  /** How many batches at the front can be one; at least one where there is any. */
  private joinable(): number {
    let bytes = 0;
    for (const [i, { fetchOffset, records }] of this.buffer.entries()) {
      bytes += bytesOf(records);
      if (i > 0 && (records[0]!.offset > fetchOffset || bytes > handoverBytesMax)) return i;
    }
    return this.buffer.length;
  }

  private async moveTo(offset: number): Promise<void> {
    await this.assertHeld(offset);
    if (this.isStopping) return;
    this.buffer = [];
    this.bufferBytes = 0;
    this.fetchOffset = offset;
    this.refetchedOffset = null;
    this.source.seek(this.partition, offset);
  }

  private async assertHeld(offset: number): Promise<void> {
    while (!this.isStopping) {
      try {
        return await this.source.assertHeld(this.partition, offset);
      } catch (error) {
        if (!(error instanceof EventLogError && error.retriable)) throw error;
        this.logger.warn(
          { err: error, partition: this.partition },
          'the bounds of the log cannot be read; trying again',
        );
        await this.signal.wait(retryMs);
      }
    }
  }
}

const joined = (batches: readonly Batch[]): Batch => ({
  fetchOffset: batches[0]!.fetchOffset,
  records: batches.flatMap(({ records }) => records),
  nextOffset: batches.at(-1)!.nextOffset,
});

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, record) => sum + record.value.length, 0);
}
