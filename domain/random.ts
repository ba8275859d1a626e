// Randomness that a seed decides: the same seed gives the same numbers on every machine. It is for the demonstration's
// traffic, benches, simulation and fuzzing; nothing that meters or bills draws anything. A fork is a stream of its own:
// what one part of a run draws does not move what another part gets, so that a run with one fault less stays much like
// the run it was shrunk from.

/** 32 bits of a text, well spread (FNV-1a with a final mix). */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export class Random {
  readonly seed: number;
  private state: number;
  private spareNormal: number | null = null;

  /** 32 bits of the seed count. */
  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.state = this.seed;
  }

  fork(name: string): Random {
    return new Random(hash32(`${this.seed}/${name}`));
  }

  /** Unsigned 32 bits (mulberry32, Tommy Ettinger). */
  uint32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    return this.uint32() / 4294967296;
  }

  /** A whole number from 0 to `end`, without it; `end` at most 2^32. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** True once in `outOf` calls. */
  once(outOf: number): boolean {
    return this.below(outOf) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Mostly small, sometimes much larger: between `from` and `to` with equal weight on every order of magnitude. */
  spread(from: number, to: number): number {
    return Math.floor(from * (to / from) ** this.next());
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  normal(): number {
    if (this.spareNormal !== null) {
      const spare = this.spareNormal;
      this.spareNormal = null;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** exp(N(ln median, sigma)): a sigma above 1 is a heavy tail. */
  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal());
  }

  /** A permutation (Fisher and Yates). */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}

/** Picks an index with a probability in proportion to its weight. */
export class WeightedIndex {
  private readonly cumulative: Float64Array;

  constructor(weights: readonly number[]) {
    if (weights.length === 0) throw new RangeError('weights: at least one');
    this.cumulative = new Float64Array(weights.length);
    let sum = 0;
    for (const [i, weight] of weights.entries()) {
      sum += weight;
      this.cumulative[i] = sum;
    }
  }

  /** Weight 1 / rank^exponent, as customers' sizes often are. */
  static zipf(size: number, exponent: number): WeightedIndex {
    return new WeightedIndex(Array.from({ length: size }, (_, i) => 1 / (i + 1) ** exponent));
  }

  pick(random: Random): number {
    const target = random.next() * this.cumulative.at(-1)!;
    let [low, high] = [0, this.cumulative.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.cumulative[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
