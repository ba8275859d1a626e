import { describe, expect, it } from '@jest/globals';
import { noRows } from '../../domain/sealing/row-set.ts';
import { nextChunkOf, type SealVector } from '../../domain/sealing/seal-vector.ts';
import type { ChunkSeal } from '../../domain/sealing/seals.ts';
import type { ServerRun } from '../../platform/usage-store/server-run.ts';
import { ChunkVerifier } from './chunk-verifier.ts';

const CHUNKS = 5;

/** Sealed chunks of one partition, each with one roll-up; those of `lost` are not in ClickHouse. */
function sealedStore() {
  const seals: ChunkSeal[] = Array.from({ length: CHUNKS }, (_, chunk) => ({
    ...{ generation: 1, partition: 0, chunk, epoch: 1n, revised: null },
    rollUps: { count: 1, checksum: BigInt(chunk) },
  }));
  const lost = new Set<number>();
  const read: number[] = [];
  const since: number[] = [];
  const store = {
    run: { host: 'a', startedAt: 100 } as ServerRun,
    readServerRun: async () => store.run,
    readChunkSeals: async (from: SealVector, to: SealVector) =>
      seals.slice(nextChunkOf(from, 1, 0), nextChunkOf(to, 1, 0)),
    readChunksSince: async (watermark: number): Promise<SealVector> => {
      since.push(watermark);
      return { '1': { '0': 0 } };
    },
    readChunkRows: async (wanted: readonly ChunkSeal[]) => {
      read.push(...wanted.map(({ chunk }) => chunk));
      return wanted.map(({ chunk, rollUps }) => (lost.has(chunk) ? noRows : rollUps));
    },
  };
  return { store, lost, read, since };
}

const to = (chunk: number): SealVector => ({ '1': { '0': chunk } });

describe('chunk verifier', () => {
  it('compares a chunk once, as long as the same server answers', async () => {
    const { store, read } = sealedStore();
    const verifier = new ChunkVerifier(store);
    await verifier.verifyNew(to(0), to(3));
    store.run = { host: 'a', startedAt: 101 };
    await verifier.verifyNew(to(3), to(5));
    expect(read).toEqual([0, 1, 2, 3, 4]);
    expect(await verifier.isSameServer()).toBe(true);
  });

  it('looks for usage from a time on in every chunk in which it can have been accepted, a day before its time too', async () => {
    const { store, since } = sealedStore();
    const verifier = new ChunkVerifier(store);
    await verifier.verifyNew(to(2), to(3));
    await verifier.verifySince(Date.UTC(2026, 10, 20));
    expect(since).toEqual([Date.UTC(2026, 10, 19)]);
  });

  it.each([
    ['a restart', { host: 'a', startedAt: 160 }],
    ['another replica', { host: 'b', startedAt: 100 }],
  ])('after %s, finds what is missing of chunks it had compared', async (_, run) => {
    const { store, lost } = sealedStore();
    const verifier = new ChunkVerifier(store);
    expect(await verifier.verifyNew(to(0), to(3))).toEqual([]);
    expect(await verifier.verifySince(0)).toEqual([]);
    lost.add(1);
    store.run = run;
    expect(await verifier.isSameServer()).toBe(false);
    expect(await verifier.verifyNew(to(3), to(5))).toEqual([]);
    expect((await verifier.verifySince(0)).map(({ seal }) => seal.chunk)).toEqual([1]);
  });
});
