import { describe, expect, it } from '@jest/globals';
import { beyondMemory } from './unread-answers.ts';

const unread = (address: string, bytes: number, takenAt: number) => ({ address, bytes, takenAt });

describe('beyondMemory', () => {
  it('ends nothing that fits', () => {
    expect(beyondMemory([], 0)).toEqual([]);
    expect(beyondMemory([unread('a', 60, 1), unread('b', 40, 2)], 100)).toEqual([]);
  });

  it('ends those of one address that wait longest, and no more than must be', () => {
    const all = [unread('a', 40, 3), unread('a', 40, 1), unread('a', 40, 2), unread('a', 40, 4)];
    expect(beyondMemory(all, 100)).toEqual([all[1], all[2]]);
  });

  it('leaves whoever keeps little its answer, however long that waits', () => {
    const honest = unread('honest', 50, 0);
    const hoard = Array.from({ length: 100 }, (_, i) => unread('hostile', 10, i + 1));
    const ended = beyondMemory([honest, ...hoard], 200);
    expect(ended).toEqual(hoard.slice(0, 85));
  });

  it('takes from several addresses in turn once they keep as much', () => {
    const all = [unread('a', 30, 1), unread('b', 30, 1), unread('a', 30, 2), unread('b', 30, 2)];
    const ended = beyondMemory(all, 60);
    expect(ended).toHaveLength(2);
    expect(new Set(ended.map(({ address }) => address))).toEqual(new Set(['a', 'b']));
  });

  it('ends one that alone is too large', () => {
    const all = [unread('a', 300, 1), unread('b', 30, 0)];
    expect(beyondMemory(all, 100)).toEqual([all[0]]);
  });
});
