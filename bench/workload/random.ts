// Numbers that look random and are the same in every run: a figure must not depend on luck.

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 32 bits (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** From 0 to `end`, without it; `end` at most 2^32. */
  below(end: number): number {
    return Math.floor((this.next() / 2 ** 32) * end);
  }
}

/** Draws from 0 to `count`, without it; the i-th is drawn in proportion to 1/(i + 1), as customers' sizes often are (Zipf). */
export class Zipf {
  private readonly cumulative: Float64Array;

  constructor(count: number) {
    this.cumulative = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += 1 / (i + 1);
      this.cumulative[i] = sum;
    }
    for (let i = 0; i < count; i++) this.cumulative[i]! /= sum;
  }

  draw(random: Random): number {
    const at = random.next() / 2 ** 32;
    let low = 0;
    let high = this.cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.cumulative[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
