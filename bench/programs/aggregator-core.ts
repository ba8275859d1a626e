// What an aggregator computes, without what it writes: records are decoded, every event is decided and rolled up. The rows of
// a flush are taken, as a flush takes them, and thrown away; chunks end where they would end.
import { CatalogReader } from '../../aggregator/catalog-reader.ts';
import { DedupIndex } from '../../aggregator/core/dedup-index.ts';
import { PartitionState } from '../../aggregator/core/partition-state.ts';
import { RecordReader } from '../../aggregator/record-reader.ts';
import { metersByType } from '../../domain/meter-reading.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { makeRecords } from '../workload/records.ts';
import { benchCatalog, type Workload } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface AggregatorCoreInput {
  readonly workload: Workload;
  readonly events: number;
  readonly warmUpEvents: number;
}

export interface AggregatorCoreOutput {
  readonly accepted: number;
  readonly rollUpRows: number;
}

const FLUSH_EVENTS = 100_000;
const rules = { chunkOffsets: 1_024, slotMs: 30_000, horizonMs: 35 * 86_400_000 };
const start = { nextOffset: 0, nextChunk: 0, watermark: null, catalogVersion: 1 };

async function count(records: readonly LogRecord[]): Promise<AggregatorCoreOutput> {
  const catalogs = new CatalogReader(async (version) => ({ version, effectiveAt: 0, catalog: benchCatalog() }));
  const reader = new RecordReader(async () => null, catalogs);
  const state = new PartitionState(rules, start, metersByType(benchCatalog()), new DedupIndex());
  let accepted = 0;
  let rollUpRows = 0;
  const flush = (): void => {
    accepted += state.takeDecided().accepted.length;
    rollUpRows += state.chunk.rollUps.takeDirty().length;
  };
  for (const record of records) {
    if (state.isCutBy(record)) {
      flush();
      state.startChunk(record.offset);
    }
    state.apply(await reader.read(record, state.catalogVersion));
    if (state.pending >= FLUSH_EVENTS) flush();
  }
  flush();
  return { accepted, rollUpRows };
}

await runAsProgram<AggregatorCoreInput, AggregatorCoreOutput>(async ({ workload, events, warmUpEvents }) => {
  const make = (stream: number, howMany: number): LogRecord[] =>
    makeRecords({
      workload: { ...workload, stream },
      events: howMany,
      partitions: 1,
      until: Date.now(),
      isEnded: true,
    })[0]!;
  await count(make(workload.stream + 500, warmUpEvents));
  const records = make(workload.stream, events);
  return { work: () => count(records) };
});
