import { describe, expect, it } from '@jest/globals';
import { AdmissionTurns } from './admission-turns.ts';

/** Work of so many parts that says when each is done. */
function* parts(name: string, count: number, done: string[]): Generator<undefined, string, undefined> {
  for (let part = 1; part <= count; part++) {
    done.push(`${name}${part}`);
    if (part < count) yield;
  }
  return name;
}

/** Turns of the event loop that come when the test says so. */
function turnsByHand() {
  const deferred: (() => void)[] = [];
  const turns = new AdmissionTurns((step) => deferred.push(step));
  return { turns, deferred, turn: () => deferred.shift()!() };
}

describe('admission turns', () => {
  it('do one part a turn, however many bodies wait', () => {
    const { turns, deferred, turn } = turnsByHand();
    const done: string[] = [];
    for (const tenant of ['a', 'b', 'c']) void turns.run(tenant, parts(tenant, 2, done));
    for (let count = 1; deferred.length > 0; count++) {
      expect(deferred).toHaveLength(1);
      turn();
      expect(done).toHaveLength(count);
    }
    expect(done).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  });

  it('give a tenant its turn, whoever has more bodies, and begin none before the last of it is done', () => {
    const { turns, deferred, turn } = turnsByHand();
    const done: string[] = [];
    for (const name of ['x', 'y', 'z']) void turns.run('greedy', parts(name, 2, done));
    turn();
    void turns.run('modest', parts('m', 2, done));
    while (deferred.length > 0) turn();
    expect(done).toEqual(['x1', 'x2', 'm1', 'y1', 'm2', 'y2', 'z1', 'z2']);
  });

  it('give back what the work returns, or throws, and go on', async () => {
    const { turns, deferred, turn } = turnsByHand();
    const broken = turns.run(
      'a',
      // biome-ignore lint/correctness/useYield: it ends in its first part
      (function* (): Generator<undefined, string, undefined> {
        throw new Error('broken');
      })(),
    );
    const sound = turns.run('a', parts('s', 3, []));
    const settled = Promise.allSettled([broken, sound]);
    while (deferred.length > 0) turn();
    expect(await settled).toEqual([
      { status: 'rejected', reason: new Error('broken') },
      { status: 'fulfilled', value: 's' },
    ]);
  });
});
