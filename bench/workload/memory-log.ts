// A log that is read from memory, as fast as it is taken: what an aggregator can do when Kafka is never what holds it.
// It hands out records by about as many bytes as a fetch brings. What is appended (ticks) is dropped: the records were
// made before.
import type {
  Consumption,
  EventLog,
  LogRecord,
  PartitionBounds,
  PartitionHandler,
} from '../../platform/event-log/event-log.ts';

/** About 1 MB of events. */
const FETCH_RECORDS = 10;

export class MemoryLog implements EventLog {
  readonly topicId: string;
  readonly partitions: number;
  private readonly records: readonly (readonly LogRecord[])[];
  private readonly gate: Promise<void>;
  private openGate: () => void = () => {};
  private assignedCount = 0;
  private resolveAssigned: () => void = () => {};
  private resolveDrained: () => void = () => {};
  private rejectDrained: (error: unknown) => void = () => {};
  /** Resolves once every partition is owned; its reader then waits for `deliver`. */
  readonly assigned: Promise<void>;
  private readonly drained: Promise<void>;

  /** `topicId`: of the generation that is counted. */
  constructor(topicId: string, records: readonly (readonly LogRecord[])[]) {
    this.topicId = topicId;
    this.records = records;
    this.partitions = records.length;
    this.gate = new Promise((resolve) => {
      this.openGate = resolve;
    });
    this.assigned = new Promise((resolve) => {
      this.resolveAssigned = resolve;
    });
    this.drained = new Promise((resolve, reject) => {
      this.resolveDrained = resolve;
      this.rejectDrained = reject;
    });
    this.drained.catch(() => {});
  }

  /** Hands out all records; resolves once the handler is done with the last. */
  deliver(): Promise<void> {
    this.openGate();
    return this.drained;
  }

  async append(): Promise<void> {}

  async close(): Promise<void> {}

  bounds(): Promise<readonly PartitionBounds[]> {
    return Promise.resolve(
      this.records.map((records, partition) => ({
        partition,
        startOffset: 0,
        endOffset: (records.at(-1)?.offset ?? -1) + 1,
      })),
    );
  }

  consume(_group: string, handler: PartitionHandler): Promise<Consumption> {
    const readers = this.records.map((_, partition) => this.read(partition, handler));
    const failed = new Promise<never>((_, reject) => {
      Promise.all(readers).then(this.resolveDrained, (error: unknown) => {
        this.rejectDrained(error);
        reject(error);
      });
    });
    failed.catch(() => {});
    return Promise.resolve({
      failed,
      commit: () => {},
      async stop() {
        await Promise.allSettled(readers);
      },
    });
  }

  private async read(partition: number, handler: PartitionHandler): Promise<void> {
    const records = this.records[partition]!;
    let offset = await handler.assigned(partition);
    if (++this.assignedCount === this.partitions) this.resolveAssigned();
    await this.gate;
    for (;;) {
      const first = records.findIndex((record) => record.offset >= offset);
      if (first === -1) return;
      for (let at = first; at < records.length; at += FETCH_RECORDS) {
        const next = await handler.records(partition, records.slice(at, at + FETCH_RECORDS));
        if (next !== undefined)
          throw new Error(`partition ${partition} wants to go on from ${next}: a chunk was not sealed`);
        // Timers and answers of the stores get their turn, as between two fetches.
        await new Promise((resolve) => setImmediate(resolve));
      }
      offset = records.at(-1)!.offset + 1;
    }
  }
}
