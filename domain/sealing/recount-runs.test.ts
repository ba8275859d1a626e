import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type RecountRun, recountedSince, recountedSpans } from './recount-runs.ts';
import { type SealVector, sealVectorOf } from './seal-vector.ts';

/** What the seals of revisions say, one by one: the slow account of runs. */
interface Sealed {
  readonly partition: number;
  readonly number: number;
  readonly chunk: number;
  readonly revision: number;
  readonly epoch: bigint;
}

const CHUNKS = 12;
/** Stretches of chunks that were recounted one after the other. */
const arbitraryRuns = fc
  .array(
    fc.record({
      partition: fc.nat(1),
      fromChunk: fc.nat(CHUNKS - 1),
      chunks: fc.integer({ min: 1, max: 6 }),
      revision: fc.integer({ min: 1, max: 3 }),
      epoch: fc.bigInt({ min: 1n, max: 3n }),
    }),
    { maxLength: 6 },
  )
  .map((stretches): RecountRun[] => {
    const next = [1, 1];
    return stretches.map((stretch) => {
      const firstNumber = next[stretch.partition]!;
      next[stretch.partition] = firstNumber + stretch.chunks;
      return { ...stretch, generation: 1, firstNumber, meters: ['m'] };
    });
  });

const sealsOf = (runs: readonly RecountRun[]): Sealed[] =>
  runs.flatMap(({ partition, firstNumber, fromChunk, chunks, revision, epoch }) =>
    Array.from({ length: chunks }, (_, i) => ({
      ...{ partition, number: firstNumber + i, chunk: fromChunk + i, revision, epoch },
    })),
  );

const arbitraryNumbers = fc.tuple(fc.nat(20), fc.nat(20));
const vectorOf = (numbers: readonly number[]): SealVector =>
  sealVectorOf(numbers.map((recounts, partition) => ({ generation: 1, partition, nextChunk: 30, recounts })));

describe('recount runs', () => {
  it('say of each chunk what the last seal of a revision says, as of any vector', () => {
    fc.assert(
      fc.property(arbitraryRuns, arbitraryNumbers, (runs, numbers) => {
        const spans = recountedSpans(runs, vectorOf(numbers));
        for (let partition = 0; partition < 2; partition++) {
          for (let chunk = 0; chunk < 20; chunk++) {
            const last = sealsOf(runs)
              .filter(
                (seal) => seal.partition === partition && seal.chunk === chunk && seal.number <= numbers[partition]!,
              )
              .sort((a, b) => a.number - b.number)
              .at(-1);
            const found = spans.filter(
              (span) => span.partition === partition && span.fromChunk <= chunk && chunk < span.toChunk,
            );
            expect(found.map(({ revision, epoch }) => ({ revision, epoch }))).toEqual(
              last === undefined ? [] : [{ revision: last.revision, epoch: last.epoch }],
            );
          }
        }
      }),
    );
  });

  it('name every chunk that was recounted between two vectors, and no other', () => {
    fc.assert(
      fc.property(arbitraryRuns, arbitraryNumbers, arbitraryNumbers, (runs, from, more) => {
        const to = from.map((number, i) => number + more[i]!);
        const ranges = recountedSince(runs, vectorOf(from), vectorOf(to));
        const named = new Set<string>();
        for (const { partition, fromChunk, toChunk } of ranges) {
          for (let chunk = fromChunk; chunk < toChunk; chunk++) named.add(`${partition}/${chunk}`);
        }
        const expected = sealsOf(runs)
          .filter(({ partition, number }) => number > from[partition]! && number <= to[partition]!)
          .map(({ partition, chunk }) => `${partition}/${chunk}`);
        expect(named).toEqual(new Set(expected));
      }),
    );
  });

  it('are one span where owner and revision stay the same', () => {
    const run = { generation: 1, partition: 0, revision: 1, epoch: 4n, meters: ['m'] };
    const runs = [
      { ...run, firstNumber: 1, fromChunk: 3, chunks: 2 },
      { ...run, firstNumber: 3, fromChunk: 5, chunks: 4, meters: ['n'] },
    ];
    expect(recountedSpans(runs, null)).toEqual([
      { generation: 1, partition: 0, fromChunk: 3, toChunk: 9, revision: 1, epoch: 4n },
    ]);
  });
});
