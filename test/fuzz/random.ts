// A small seeded generator: the same seed gives the same inputs, and a call costs a few nanoseconds.

export class Random {
  private state: number;

  constructor(seed: number) {
    // Zero would stay zero.
    this.state = (Math.imul(seed, 0x9e37_79b1) ^ 0x85eb_ca6b) | 0 || 1;
  }

  /** Unsigned 32 bits (Marsaglia's xorshift). */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** From 0 to bound - 1; bound at least 1. */
  below(bound: number): number {
    return this.next() % bound;
  }

  /** True once in `outOf` calls. */
  once(outOf: number): boolean {
    return this.next() % outOf === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.next() % from.length]!;
  }
}
