import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type GateBounds, type Turn, TurnGate, type TurnRefusal } from './turn-gate.ts';

const bounds: GateBounds = { places: 4, waitingOfKeyMax: 8, waitingMax: 32 };

class Reads {
  readonly gate: TurnGate;
  readonly started: string[] = [];
  readonly turns: Turn[] = [];

  constructor(given: Partial<GateBounds> = {}) {
    this.gate = new TurnGate({ ...bounds, ...given });
  }

  /** As "tenant/key"; the name is that and a number. */
  enter(who: string): TurnRefusal | Turn {
    const [tenant, keyId] = who.split('/') as [string, string];
    const name = `${who}#${this.turns.length}`;
    const turn: Turn = { reader: { tenant, keyId }, start: () => this.started.push(name) };
    this.turns.push(turn);
    return this.gate.enter(turn) ?? turn;
  }
}

const turnOf = (entered: TurnRefusal | Turn): Turn => {
  if (typeof entered === 'string') throw new Error(`refused: ${entered}`);
  return entered;
};

describe('TurnGate', () => {
  it('gives a tenant that is alone most places, and keeps one for whoever comes', () => {
    const reads = new Reads();
    for (let i = 0; i < 8; i++) reads.enter('a/1');
    expect(reads.started).toHaveLength(3);
    reads.enter('b/1');
    expect(reads.started.at(-1)).toBe('b/1#8');
    expect(reads.gate.running).toBe(4);
  });

  it('gives free places in turn to tenants, in turn to keys, and to the read of a key that waits longest', () => {
    const reads = new Reads({ places: 1 });
    const first = turnOf(reads.enter('a/1'));
    const order = ['a/1', 'a/1', 'a/2', 'b/1', 'b/1', 'c/1'].map((who) => turnOf(reads.enter(who)));
    reads.gate.leave(first);
    for (let i = 0; i < order.length; i++) {
      const name = reads.started.at(-1)!;
      reads.gate.leave(reads.turns[Number(name.split('#')[1])]!);
    }
    expect(reads.started.map((name) => name.split('#')[0])).toEqual(['a/1', 'a/1', 'b/1', 'c/1', 'a/2', 'b/1', 'a/1']);
  });

  it('refuses a key that has too many waiting, and its tenant once others would find no room', () => {
    const reads = new Reads({ places: 1, waitingOfKeyMax: 3, waitingMax: 8 });
    for (let i = 0; i < 4; i++) expect(reads.enter('a/1')).toHaveProperty('reader');
    expect(reads.enter('a/1')).toBe('key');
    expect(reads.enter('a/2')).toHaveProperty('reader');
    // Four of eight wait.
    expect(reads.enter('a/3')).toBe('key');
    for (const who of ['b/1', 'b/1', 'c/1', 'd/1']) expect(reads.enter(who)).toHaveProperty('reader');
    expect(reads.enter('e/1')).toBe('all');
  });

  it('gives the place of who leaves early to the next, and forgets who waits no longer', () => {
    const reads = new Reads({ places: 1 });
    const running = turnOf(reads.enter('a/1'));
    const waiting = turnOf(reads.enter('a/1'));
    turnOf(reads.enter('b/1'));
    reads.gate.leave(waiting);
    expect(reads.gate.waiting).toBe(1);
    reads.gate.leave(running);
    expect(reads.started).toEqual(['a/1#0', 'b/1#2']);
  });

  it('never runs more than it has places, leaves none unused that somebody may have, and lets everybody in at last', () => {
    const who = fc.constantFrom('a/1', 'a/2', 'b/1', 'b/2', 'c/1');
    const step = fc.oneof(who, fc.nat(20));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (steps, places) => {
        const reads = new Reads({ places });
        const there: Turn[] = [];
        for (const each of steps) {
          if (typeof each === 'string') {
            const entered = reads.enter(each);
            if (typeof entered !== 'string') there.push(entered);
          } else if (there.length > 0) reads.gate.leave(there.splice(each % there.length, 1)[0]!);
          expect(reads.gate.running).toBeLessThanOrEqual(places);
          expect(reads.gate.running + reads.gate.waiting).toBe(there.length);
          // Somebody who runs nothing may always have a place that is free.
          if (reads.gate.waiting > 0) expect(reads.gate.running).toBeGreaterThan(0);
        }
        while (there.length > 0) reads.gate.leave(there.pop()!);
        expect([reads.gate.running, reads.gate.waiting]).toEqual([0, 0]);
      }),
    );
  });
});
