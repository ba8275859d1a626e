// Lets the rater read only chunks that were compared with their seals. A comparison costs a scan, so what was compared
// once in this process is remembered: per partition one span of chunks, which grows at its end as chunks are sealed,
// and at its start when an older billing period is rated. All of it is forgotten when another server answers, or the
// same one after a restart: that is when a part may be missing that was there before. A chunk that was recounted is
// compared once more, with the seal of its revision, wherever it lies.
import { acceptedFrom } from '../../domain/metering/event-outcome.ts';
import { cutBack, recountedAs, type SealVector } from '../../domain/sealing/seal-vector.ts';
import { mismatchesOf, type SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import { isSameRun, type ServerRun } from '../../platform/usage-store/server-run.ts';
import type { RatingStore } from '../store/rating-store.ts';

type SealedStore = Pick<RatingStore, 'readChunkSeals' | 'readChunksSince' | 'readChunkRows' | 'readServerRun'>;

export class ChunkVerifier {
  private readonly store: SealedStore;
  /** Null: nothing is verified. Else the chunks from `from` up to `to` are, as far recounted as `to` says. */
  private span: { from: SealVector; to: SealVector } | null = null;
  /** All chunks that can hold usage at or after this time are in the span; milliseconds. */
  private since = Number.POSITIVE_INFINITY;
  /** The server on which the span was verified. */
  private run: ServerRun | null = null;

  constructor(store: SealedStore) {
    this.store = store;
  }

  /**
   * Verifies the chunks sealed since `from`. Resolves to those that differ from their seals; they are not remembered
   * then.
   */
  async verifyNew(from: SealVector, vector: SealVector): Promise<readonly SealMismatch[]> {
    const run = await this.store.readServerRun();
    if (this.run === null || !isSameRun(run, this.run)) {
      this.span = null;
      this.since = Number.POSITIVE_INFINITY;
      this.run = run;
    }
    // A repaired partition is sealed less far than it was; what lies past its end has to be compared again.
    const span = this.span && { from: cutBack(this.span.from, vector), to: cutBack(this.span.to, vector) };
    const mismatches = await this.verify(span?.to ?? from, vector);
    this.span = mismatches.length === 0 ? { from: span?.from ?? from, to: vector } : span;
    return mismatches;
  }

  /** As `verifyNew`, for the older chunks that can hold usage with an event time at or after `since` (milliseconds). */
  async verifySince(since: number): Promise<readonly SealMismatch[]> {
    if (since >= this.since || this.span === null) return [];
    const { from, to } = this.span;
    const first = recountedAs(cutBack(await this.store.readChunksSince(acceptedFrom(since)), from), to);
    const mismatches = await this.verify(first, recountedAs(from, to));
    // Meanwhile another batch may have asked for older ones.
    if (mismatches.length === 0 && since < this.since) {
      this.span = { from: first, to: this.span.to };
      this.since = since;
    }
    return mismatches;
  }

  /**
   * Whether the server is still the one that was verified. Asked after usage was read and before it is billed: what was
   * read in between is then what was verified.
   */
  async isSameServer(): Promise<boolean> {
    return this.run !== null && isSameRun(await this.store.readServerRun(), this.run);
  }

  private async verify(from: SealVector, to: SealVector): Promise<readonly SealMismatch[]> {
    const seals = await this.store.readChunkSeals(from, to);
    return seals.length === 0 ? [] : mismatchesOf(seals, await this.store.readChunkRows(seals));
  }
}
