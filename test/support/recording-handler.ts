// A partition handler for tests: keeps what it was called with, per ownership, and lets a test wait for a condition on
// it.
import type { LogRecord, PartitionHandler } from '../../platform/event-log/event-log.ts';

/** One partition from `assigned` to `revoked`. */
export interface Ownership {
  readonly partition: number;
  readonly startOffset: number;
  readonly records: LogRecord[];
  revoked: boolean;
}

export class RecordingHandler implements PartitionHandler {
  readonly ownerships: Ownership[] = [];
  /** Faults of the log itself: calls out of turn. A test expects it to be empty. */
  readonly violations: string[] = [];
  /** Runs inside `records`: to delay, to reject, or to name the offset to go on from. */
  onRecords: (partition: number, records: readonly LogRecord[]) => Promise<number | undefined> = async () => undefined;
  private readonly startOffset: (partition: number) => number;
  private readonly busy = new Set<number>();
  private readonly waiting = new Set<() => void>();

  /**
   * @param startOffset where a partition is read from when it is assigned; by default one past what was read before,
   * else 0
   */
  constructor(startOffset?: (partition: number) => number) {
    this.startOffset = startOffset ?? ((partition) => (this.read(partition).at(-1)?.offset ?? -1) + 1);
  }

  async assigned(partition: number): Promise<number> {
    if (this.owned().includes(partition)) this.violations.push(`${partition} assigned twice`);
    const startOffset = this.startOffset(partition);
    this.ownerships.push({ partition, startOffset, records: [], revoked: false });
    this.changed();
    return startOffset;
  }

  async records(partition: number, records: readonly LogRecord[]): Promise<number | undefined> {
    const ownership = this.current(partition);
    if (ownership === undefined) this.violations.push(`records of ${partition} without owning it`);
    if (this.busy.has(partition)) this.violations.push(`two calls of ${partition} at once`);
    if (records.length === 0) this.violations.push(`an empty call of ${partition}`);
    this.busy.add(partition);
    try {
      const next = await this.onRecords(partition, records);
      ownership?.records.push(...records);
      return next;
    } finally {
      this.busy.delete(partition);
      this.changed();
    }
  }

  async revoked(partition: number): Promise<void> {
    const ownership = this.current(partition);
    if (ownership === undefined) this.violations.push(`${partition} revoked without being owned`);
    else ownership.revoked = true;
    if (this.busy.has(partition)) this.violations.push(`${partition} revoked while its handler ran`);
    this.changed();
  }

  /** The partitions held now, ascending. */
  owned(): number[] {
    return this.ownerships
      .filter((each) => !each.revoked)
      .map((each) => each.partition)
      .sort((a, b) => a - b);
  }

  /** Every record read of a partition, over all ownerships. */
  read(partition: number): LogRecord[] {
    return this.ownerships.filter((each) => each.partition === partition).flatMap((each) => each.records);
  }

  values(partition: number): string[] {
    return this.read(partition).map((record) => record.value.toString());
  }

  /** Resolves as soon as `condition` holds; it is looked at after every call of the log. */
  async until(condition: () => boolean, what: string, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > deadline)
        throw new Error(`not within ${timeoutMs} ms: ${what}; violations: ${this.violations.join('; ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private current(partition: number): Ownership | undefined {
    return this.ownerships.find((each) => each.partition === partition && !each.revoked);
  }

  private changed(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
