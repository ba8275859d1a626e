// What an aggregator computes, without what it writes: records are decoded, every event is decided and rolled up. The
// rows of a flush are made, as a flush makes them, and thrown away; their time is told apart. Chunks end where they
// would end.

import { CatalogReader } from '../../aggregator/catalog-reader.ts';
import { DedupIndex } from '../../aggregator/core/dedup-index.ts';
import type { NewCounter } from '../../aggregator/counting/counter.ts';
import { fastCounter } from '../../aggregator/counting/fast-counter.ts';
import { plainCounter } from '../../aggregator/counting/plain-counter.ts';
import { RecordReader } from '../../aggregator/record-reader.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { makeRecords } from '../workload/records.ts';
import { benchCatalog, type Workload } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';
export interface AggregatorCoreInput {
  readonly counter: 'fast' | 'plain';
  readonly workload: Workload;
  readonly events: number;
  readonly warmUpEvents: number;
}

export interface AggregatorCoreOutput {
  readonly accepted: number;
  readonly rollUpRows: number;
  /** What it took to make the rows of flushes. */
  readonly rowsSeconds: number;
  readonly rowsCpuMicros: number;
}

const FLUSH_EVENTS = 100_000;
const rules = { chunkOffsets: 1_024, slotMs: 30_000, horizonMs: 35 * 86_400_000 };
const start = { nextOffset: 0, nextChunk: 0, partitionTime: null, catalogVersion: 1, ruleSet: NEWEST_RULE_SET };

async function count(newCounter: NewCounter, records: readonly LogRecord[]): Promise<AggregatorCoreOutput> {
  const { meters } = benchCatalog();
  const catalogs = new CatalogReader({
    versionsAt: async (version) => ({ default: version, own: new Map() }),
    metersOf: async (numbers) => new Map(numbers.map((number) => [number, meters])),
  });
  const reader = new RecordReader(async () => null, catalogs, NEWEST_RULE_SET);
  const counter = newCounter(rules, start, await catalogs.meters(1), new DedupIndex());
  const { state } = counter;
  let accepted = 0;
  let rollUpRows = 0;
  let rowsSeconds = 0;
  let rowsCpuMicros = 0;
  const flush = (): void => {
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const { events } = counter.takeFlush({
      generation: 1,
      partition: 0,
      chunk: state.chunk.chunk,
      epoch: 1n,
      version: 1n,
    });
    accepted += events.rows.count;
    rowsSeconds += (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    rowsCpuMicros += user + system;
  };
  for (const record of records) {
    if (state.isCutBy(record)) {
      flush();
      rollUpRows += counter.rollUpRowSet().count;
      state.startChunk(record.offset);
    }
    if (!counter.countBytes(record)) state.apply(await reader.read(record, state.catalogVersion));
    if (counter.pending >= FLUSH_EVENTS) flush();
  }
  flush();
  rollUpRows += counter.rollUpRowSet().count;
  return { accepted, rollUpRows, rowsSeconds, rowsCpuMicros };
}

await runAsProgram<AggregatorCoreInput, AggregatorCoreOutput>(async ({ counter, workload, events, warmUpEvents }) => {
  const newCounter = counter === 'fast' ? fastCounter : plainCounter;
  const make = (stream: number, howMany: number): LogRecord[] =>
    makeRecords({
      workload: { ...workload, stream },
      events: howMany,
      partitions: 1,
      until: Date.now(),
      isEnded: true,
    })[0]!;
  await count(newCounter, make(workload.stream + 500, warmUpEvents));
  const records = make(workload.stream, events);
  return { work: () => count(newCounter, records) };
});
