// Which revision of a recounted chunk counts, as of a vector of seals. A run is consecutive recount numbers of a
// partition whose chunks are consecutive as well: a recount goes through its chunks in their order, so a few runs say
// what a million seals do. A later number hides what an earlier one said of the same chunk, and a vector with a lower
// number does not see the later ones: so whatever was read by a vector can be read by it again.
import { recountsOf, type SealVector } from './seal-vector.ts';

/** The chunk that many after `fromChunk` was sealed with the number that many after `firstNumber`. */
export interface RecountRun {
  readonly generation: number;
  readonly partition: number;
  readonly firstNumber: number;
  readonly fromChunk: number;
  readonly chunks: number;
  readonly revision: number;
  /** Of the owner that sealed them. */
  readonly epoch: bigint;
  /** Slugs: rows of other meters are those of the revision before. */
  readonly meters: readonly string[];
}

/** Chunks from `fromChunk` on and before `toChunk`: of these, rows of the revision and of its epoch or a later one. */
export interface RecountedSpan
  extends Pick<RecountRun, 'generation' | 'partition' | 'fromChunk' | 'revision' | 'epoch'> {
  readonly toChunk: number;
}

/** The chunks of a run with numbers above `from` and up to `to`. */
function cut(run: RecountRun, from: number, to: number): { readonly fromChunk: number; readonly toChunk: number } {
  const skipped = Math.max(0, from + 1 - run.firstNumber);
  const ended = Math.min(run.chunks, to + 1 - run.firstNumber);
  return { fromChunk: run.fromChunk + skipped, toChunk: run.fromChunk + Math.max(skipped, ended) };
}

const isOneSpan = (a: RecountedSpan, b: RecountedSpan): boolean =>
  a.generation === b.generation &&
  a.partition === b.partition &&
  a.toChunk === b.fromChunk &&
  a.revision === b.revision &&
  a.epoch === b.epoch;

/**
 * The recounted chunks as of the vector (null: as of now), in order of generation, partition and chunk; none is in two
 * spans. Of all other chunks the rows of revision 0 count.
 */
export function recountedSpans(runs: readonly RecountRun[], vector: SealVector | null): RecountedSpan[] {
  let spans: RecountedSpan[] = [];
  for (const run of [...runs].sort((a, b) => a.firstNumber - b.firstNumber)) {
    const { generation, partition, revision, epoch } = run;
    const { fromChunk, toChunk } = cut(
      run,
      0,
      vector === null ? Number.MAX_SAFE_INTEGER : recountsOf(vector, generation, partition),
    );
    if (fromChunk >= toChunk) continue;
    // What it hides is cut out of the spans before.
    const left = spans.flatMap((span) => {
      if (span.generation !== generation || span.partition !== partition) return [span];
      return [
        { ...span, toChunk: Math.min(span.toChunk, fromChunk) },
        { ...span, fromChunk: Math.max(span.fromChunk, toChunk) },
      ].filter((part) => part.fromChunk < part.toChunk);
    });
    spans = [...left, { generation, partition, fromChunk, toChunk, revision, epoch }];
  }
  spans.sort((a, b) => a.generation - b.generation || a.partition - b.partition || a.fromChunk - b.fromChunk);
  const joined: RecountedSpan[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last !== undefined && isOneSpan(last, span)) joined[joined.length - 1] = { ...last, toChunk: span.toChunk };
    else joined.push(span);
  }
  return joined;
}

/** Chunks that were recounted, and of which meters. */
export interface RecountedRange extends Pick<RecountRun, 'generation' | 'partition' | 'meters'> {
  readonly fromChunk: number;
  readonly toChunk: number;
}

/** What was recounted between two vectors of which the second covers the first. */
export function recountedSince(runs: readonly RecountRun[], from: SealVector, to: SealVector): RecountedRange[] {
  return runs.flatMap((run) => {
    const { generation, partition, meters } = run;
    const range = cut(run, recountsOf(from, generation, partition), recountsOf(to, generation, partition));
    return range.fromChunk < range.toChunk ? [{ generation, partition, meters, ...range }] : [];
  });
}
