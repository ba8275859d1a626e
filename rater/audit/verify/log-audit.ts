// I1 from the log itself: the events in the records of every sealed chunk, against the outcomes its seal counted.
import { placeOf } from '../../../domain/sealing/seals.ts';
import type { EventLog, LogRecord } from '../../../platform/event-log/event-log.ts';
import {
  AvroRegistry,
  decodeRecord,
  MalformedRecord,
  UnknownSchema,
} from '../../../platform/event-log/record-codec.ts';
import type { ChunkMap, MappedChunk } from '../chunk-map.ts';
import type { AuditLog } from '../discrepancy.ts';

export interface LogAuditOptions {
  readonly eventLog: EventLog;
  readonly generation: number;
  readonly findSchema: (fingerprint: Buffer) => Promise<object | null>;
  /** Names a consumer group of its own, so that no partition is taken from an aggregator. */
  readonly group: string;
}

async function countEvents(registry: AvroRegistry, value: Buffer, options: LogAuditOptions): Promise<number> {
  try {
    const entry = decodeRecord(registry, value);
    return entry.kind === 'event-batch' ? entry.events.length : 0;
  } catch (error) {
    if (error instanceof MalformedRecord) return 1;
    if (!(error instanceof UnknownSchema)) throw error;
    const schema = await options.findSchema(error.fingerprint);
    if (schema === null) return 1;
    registry.add(schema);
    return countEvents(registry, value, options);
  }
}

/** Counts the events of one partition chunk by chunk, in the order of the log. */
class PartitionCount {
  readonly startOffset: number;
  private readonly chunks: Iterator<MappedChunk>;
  private readonly log: AuditLog;
  private current: MappedChunk | null;
  private events = 0;

  constructor(first: MappedChunk, chunks: Iterator<MappedChunk>, log: AuditLog) {
    this.startOffset = first.startOffset;
    this.current = first;
    this.chunks = chunks;
    this.log = log;
  }

  /** True once every chunk is counted. */
  async add({ offset, value }: LogRecord, count: (value: Buffer) => Promise<number>): Promise<boolean> {
    while (this.current !== null && offset >= this.current.endOffset) this.close(this.current);
    if (this.current === null) return true;
    if (offset >= this.current.startOffset) this.events += await count(value);
    // Offsets between this record and the chunk's end may be missing, but a chunk that ends right behind it is
    // complete.
    if (offset + 1 >= this.current.endOffset) this.close(this.current);
    return this.current === null;
  }

  private close(chunk: MappedChunk): void {
    this.log.compare('I1', `${placeOf(chunk)}, events in the log`, chunk.decided, this.events);
    this.events = 0;
    const next = this.chunks.next();
    this.current = next.done === true ? null : next.value;
  }
}

/**
 * Chunks that the log no longer holds in full are left out. Resolves once every sealed offset of the generation was
 * read.
 */
export async function auditLog(chunks: ChunkMap, options: LogAuditOptions, log: AuditLog): Promise<void> {
  const { eventLog, generation } = options;
  const registry = new AvroRegistry();
  const unread = new Map<number, PartitionCount>();
  const ends = new Map<number, number>();
  for (const { partition, startOffset, endOffset } of await eventLog.bounds()) {
    ends.set(partition, endOffset);
    const ofPartition = chunks.of(generation, partition)[Symbol.iterator]();
    let first = ofPartition.next();
    while (first.done !== true && first.value.startOffset < startOffset) first = ofPartition.next();
    if (first.done === true) continue;
    const sealedEnd = chunks.last(generation, partition)!.endOffset;
    if (sealedEnd >= endOffset) {
      // The record that ended the last chunk is gone, so waiting for it would have no end.
      log.compare(
        'I1',
        `generation ${generation} partition ${partition}, end of the log`,
        `past ${sealedEnd}`,
        endOffset,
      );
      continue;
    }
    unread.set(partition, new PartitionCount(first.value, ofPartition, log));
  }
  if (unread.size === 0) return;

  let allRead = (): void => {};
  const done = new Promise<void>((resolve) => {
    allRead = resolve;
  });
  const consumption = await eventLog.consume(options.group, {
    assigned: async (partition) => unread.get(partition)?.startOffset ?? ends.get(partition) ?? 0,
    records: async (partition, records) => {
      for (const record of records) {
        const isDone = await unread.get(partition)?.add(record, (value) => countEvents(registry, value, options));
        if (isDone === true) unread.delete(partition);
      }
      if (unread.size === 0) allRead();
      return undefined;
    },
    revoked: async () => {},
  });
  try {
    await Promise.race([done, consumption.failed]);
  } finally {
    await consumption.stop();
  }
}
