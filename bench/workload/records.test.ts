import { describe, expect, it } from '@jest/globals';
import { Random, WeightedIndex } from '../../domain/random.ts';
import { partitionOf } from '../../domain/usage-event.ts';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import { makeRecords } from './records.ts';
import { benchCatalog, eventJson, fewSubjects, manySubjects, UsageStream } from './usage-stream.ts';

const until = Date.parse('2026-11-20T10:00:00Z');

describe('workload', () => {
  it('has events of about 170 bytes that its catalog meters', () => {
    const stream = new UsageStream({ ...manySubjects, stream: 0 });
    const lengths = Array.from({ length: 1_000 }, () => eventJson(stream.next(), until).length);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean).toBeGreaterThan(160);
    expect(mean).toBeLessThan(190);
    expect(benchCatalog().meters.map(({ dimensions }) => dimensions.length)).toEqual([3, 3]);
  });

  it('is the same in every run, and different from stream to stream', () => {
    const first = (stream: number) => new UsageStream({ ...fewSubjects, stream }).next();
    expect(first(1)).toEqual(first(1));
    expect(first(1).id).not.toBe(first(2).id);
  });

  it('gives each event to its partition, once, and ends every partition with a tick', () => {
    const records = makeRecords({
      workload: { ...manySubjects, stream: 3 },
      events: 2_345,
      partitions: 3,
      until,
      isEnded: true,
    });
    const ids = new Set<string>();
    for (const [partition, ofPartition] of records.entries()) {
      expect(ofPartition.map(({ offset }) => offset)).toEqual(ofPartition.map((_, i) => i));
      const entries = ofPartition.map(({ value }) => decodeRecord(new AvroRegistry(), value));
      expect(entries.at(-1)!.kind).toBe('tick');
      for (const entry of entries.slice(0, -1)) {
        if (entry.kind !== 'event-batch') throw new Error(`a ${entry.kind} among the batches`);
        for (const event of entry.events) {
          expect(partitionOf(event.dedupKey, 3)).toBe(partition);
          ids.add(event.id);
        }
      }
    }
    expect(ids.size).toBe(2_345);
  });

  it('draws the first of 200 subjects seventeen times in a hundred when skewed', () => {
    const random = new Random(1);
    const zipf = WeightedIndex.zipf(200, 1);
    const draws = Array.from({ length: 20_000 }, () => zipf.pick(random));
    const first = draws.filter((drawn) => drawn === 0).length / draws.length;
    expect(first).toBeGreaterThan(0.15);
    expect(first).toBeLessThan(0.19);
    expect(Math.max(...draws)).toBeLessThan(200);
  });
});
