import { describe, expect, it } from '@jest/globals';
import { JoinedCalls } from './joined-calls.ts';

/** Calls that are answered by hand, in the order in which they were made. */
function calls(itemsMax = 10) {
  const made: { items: readonly string[]; resolve(results: string[]): void; reject(error: Error): void }[] = [];
  const joined = new JoinedCalls<string, string>(
    (items) => new Promise((resolve, reject) => made.push({ items, resolve, reject })),
    (waiting) => Math.min(waiting.length, itemsMax),
  );
  return { made, joined };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('joined calls', () => {
  it('makes one at a time, for all that waited, and gives each its own result', async () => {
    const { made, joined } = calls();
    const results = ['a', 'b', 'c'].map((item) => joined.add(item));
    expect(made.map(({ items }) => items)).toEqual([['a']]);
    made[0]!.resolve(['A']);
    await settled();
    expect(made.map(({ items }) => items)).toEqual([['a'], ['b', 'c']]);
    made[1]!.resolve(['B', 'C']);
    expect(await Promise.all(results)).toEqual(['A', 'B', 'C']);
    const later = joined.add('d');
    made[2]!.resolve(['D']);
    expect(await later).toBe('D');
  });

  it('takes no more than fit, the first ones first', async () => {
    const { made, joined } = calls(2);
    const results = ['a', 'b', 'c', 'd'].map((item) => joined.add(item));
    for (let call = 0; call < 3; call++) {
      made[call]!.resolve([...made[call]!.items]);
      await settled();
    }
    expect(made.map(({ items }) => items)).toEqual([['a'], ['b', 'c'], ['d']]);
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('fails for those that were in the call, and goes on with the others', async () => {
    const { made, joined } = calls();
    const [first, second] = [joined.add('a'), joined.add('b')];
    made[0]!.reject(new Error('away'));
    await expect(first).rejects.toThrow('away');
    await settled();
    made[1]!.resolve(['B']);
    expect(await second).toBe('B');
  });
});
