// I1 from the log itself: the events in the records of every sealed chunk, against the outcomes its seal counted.
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { AvroRegistry, decodeRecord, MalformedRecord, UnknownSchema } from '../../platform/event-log/record-codec.ts';
import type { AuditLog } from './discrepancy.ts';
import { outcomes, placeOf, type SealedChunks, type SealRow } from './sealed-chunks.ts';

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

/** Chunks that the log no longer holds in full are left out. Resolves once every sealed offset of the generation was read. */
export async function auditLog(chunks: SealedChunks, options: LogAuditOptions, log: AuditLog): Promise<void> {
  const { eventLog, generation } = options;
  const registry = new AvroRegistry();
  const counted = new Map<SealRow, number>();
  /** Per partition: the sealed span that is to be read. */
  const spans = new Map<number, { from: number; to: number }>();
  for (const { partition, startOffset } of await eventLog.bounds()) {
    for (const seals of chunks.partitions()) {
      if (seals[0]!.generation !== generation || seals[0]!.partition !== partition) continue;
      const held = seals.filter((seal) => seal.startOffset >= startOffset);
      for (const seal of held) counted.set(seal, 0);
      if (held.length > 0) spans.set(partition, { from: held[0]!.startOffset, to: held.at(-1)!.endOffset });
    }
  }
  if (spans.size === 0) return;

  const unread = new Set(spans.keys());
  let allRead = (): void => {};
  const done = new Promise<void>((resolve) => {
    allRead = resolve;
  });
  const consumption = await eventLog.consume(options.group, {
    assigned: async (partition) => spans.get(partition)?.from ?? 0,
    records: async (partition, records) => {
      const span = spans.get(partition);
      for (const { offset, value } of records) {
        const seal = chunks.holding(generation, partition, offset);
        const sum = seal === null ? undefined : counted.get(seal);
        if (sum !== undefined) counted.set(seal!, sum + (await countEvents(registry, value, options)));
        if (span === undefined || offset + 1 >= span.to) unread.delete(partition);
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
  for (const [seal, count] of counted) {
    const decided = outcomes.reduce((sum, outcome) => sum + seal.outcomes[outcome], 0);
    log.compare('I1', `${placeOf(seal)}, events in the log`, decided, count);
  }
}
