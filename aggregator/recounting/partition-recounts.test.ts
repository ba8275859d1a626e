// What an owner may seal of a chunk that others changed while it was counted. One owner at a time gives corrections and
// takes seals back, so the simulation, in which a former one is refused by its epoch, does not come here.
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { noRows } from '../../domain/sealing/row-set.ts';
import type { PartitionProgress } from '../seal-store.ts';
import { PartitionLost } from '../seal-store.ts';
import { PartitionRecounts } from './partition-recounts.ts';
import type { DueChunk, RecountTables, RevisionSeal } from './recount-tables.ts';

const PARTITION = 3;
const EPOCH = 7n;
const correction = { tenant: null, meter: 'tokens', version: 1, from: 0, to: null };
const dueChunk = (chunk: number): DueChunk => ({
  ...{ chunk, sealEpoch: 5n, startOffset: chunk * 10, endOffset: chunk * 10 + 10, events: noRows },
  ...{ ruleSet: 3, changes: [], versionBefore: 0, corrections: [correction], sealedRevision: 0 },
});

/** By chunk, what its list and seal are when the revision is to be sealed; a chunk that is left out has no seal. */
type Lists = Readonly<Record<number, { readonly sealEpoch: bigint; readonly corrections: number }>>;

async function stepOn(lists: Lists, epoch = EPOCH) {
  const sealed: RevisionSeal[] = [];
  const settled: number[] = [];
  const tables: RecountTables = {
    readDue: () => Promise.resolve([dueChunk(4), dueChunk(5)]),
    inTransaction: (work) =>
      work({
        lockProgress: () => Promise.resolve({ epoch, recounts: 11 } as PartitionProgress & { recounts: number }),
        readOpen: () => Promise.resolve([]),
        findChunks: () => Promise.reject(new Error('nothing is open')),
        saveChunks: () => Promise.reject(new Error('nothing is open')),
        appendCorrections: () => Promise.reject(new Error('nothing is open')),
        readLists: (_, chunks) =>
          Promise.resolve(chunks.filter((chunk) => lists[chunk]).map((chunk) => ({ chunk, ...lists[chunk]! }))),
        insertSeals: (_, seals) => Promise.resolve(void sealed.push(...seals)),
        settle: (_, chunks) => Promise.resolve(void settled.push(...chunks)),
      }),
  };
  const rows = { rollUps: noRows, totals: noRows };
  const recounts = new PartitionRecounts(PARTITION, {
    tables,
    revisions: {
      count: (chunks) => Promise.resolve(chunks.map((of) => ({ of, count: {} as never, events: noRows }))),
      write: (counted) => Promise.resolve(counted.map(() => rows)),
      readBack: (counted) => Promise.resolve(counted.map(() => rows)),
    },
    catalogs: { meters: () => Promise.resolve(new TenantMeters(new Map())) },
    logger: pino({ level: 'silent' }),
  });
  await recounts.step(EPOCH);
  return { sealed: sealed.map(({ chunk, number, revision }) => ({ chunk, number, revision })), settled };
}

const asCounted = { sealEpoch: 5n, corrections: 1 };

describe('a revision is sealed', () => {
  it('where nothing changed: numbers follow each other, and the chunks are due no more', async () => {
    const sealed = [
      { chunk: 4, number: 12, revision: 1 },
      { chunk: 5, number: 13, revision: 1 },
    ];
    expect(await stepOn({ 4: asCounted, 5: asCounted })).toEqual({ sealed, settled: [4, 5] });
  });

  it('where its list has grown meanwhile, and the chunk stays due', async () => {
    const { sealed, settled } = await stepOn({ 4: { ...asCounted, corrections: 2 }, 5: asCounted });
    expect(sealed.map(({ chunk }) => chunk)).toEqual([4, 5]);
    expect(settled).toEqual([5]);
  });

  it.each<[string, Lists]>([
    ['taken back', { 5: asCounted }],
    ['given anew', { 4: { ...asCounted, sealEpoch: 6n }, 5: asCounted }],
  ])('not where the chunk’s own seal was %s since its events were read, and the chunk stays due', async (_, lists) => {
    expect(await stepOn(lists)).toEqual({ sealed: [{ chunk: 5, number: 12, revision: 1 }], settled: [5] });
  });

  it('by the owner’s epoch alone', async () => {
    await expect(stepOn({ 4: asCounted, 5: asCounted }, EPOCH + 1n)).rejects.toThrow(PartitionLost);
  });
});
