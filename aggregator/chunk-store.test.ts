// What becomes of the memory of rows once they were written. Writing and reading them is tested with a real ClickHouse
// (test/integration/partition-loop.test.ts).
import { describe, expect, it } from '@jest/globals';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { type InsertBody, NativeBlock, tableColumns } from '../platform/clickhouse/native-block.ts';
import { ChunkStore, type FlushBodies } from './chunk-store.ts';

const columns = tableColumns({ name: 'String' });
const ROWS = 1000;

function bodyOf(letter: string): InsertBody {
  const block = new NativeBlock(columns, {}, ROWS);
  for (let row = 0; row < ROWS; row++) {
    block.text(letter.repeat(20));
    block.endRow();
  }
  return block.finish();
}
const flushOf = (letter: string): FlushBodies => ({
  events: bodyOf(letter),
  rollUps: [],
  totals: [],
  rejects: [],
  manifest: [],
});
const pagesOf = (body: InsertBody): ArrayBufferLike[] =>
  body.filter((part) => part.length > 256).map((part) => part.buffer);

function storeThat(insert: () => Promise<void>): ChunkStore {
  return new ChunkStore({ insert } as unknown as ClickHouse, 1);
}

describe('the memory of rows', () => {
  it('is used again once they are stored', async () => {
    const store = storeThat(async () => {});
    const flush = flushOf('a');
    await store.write([flush]);
    const again = pagesOf(bodyOf('b'));
    expect(again.length).toBeGreaterThan(0);
    for (const page of pagesOf(flush.events)) expect(again).toContain(page);
  });

  it('is left alone after an insert that failed, though a later one succeeds', async () => {
    let failures = 1;
    const store = storeThat(() => (failures-- > 0 ? Promise.reject(new Error('timed out')) : Promise.resolve()));
    const flush = flushOf('a');
    const bytes = Buffer.concat(flush.events);
    await expect(store.write([flush])).rejects.toThrow('timed out');
    await store.write([flush]);
    for (const page of pagesOf(bodyOf('b'))) expect(pagesOf(flush.events)).not.toContain(page);
    expect(Buffer.concat(flush.events)).toEqual(bytes);
  });
});
