// A token bucket for each of many names (API keys, client addresses): a second's worth may come at once, and no more
// than the rate in the long run. The number of buckets is bounded: beyond it the one that was used longest ago is
// forgotten, which is full by then unless more names than the bound are busy at once.
interface Bucket {
  readonly tokens: number;
  /** Milliseconds since the epoch. */
  readonly filledAt: number;
}

const BUCKETS_MAX = 10_000;

export class RateLimit {
  private readonly perSecond: number;
  private readonly capacity: number;
  /** The one that was used last stands last. */
  private readonly buckets = new Map<string, Bucket>();

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.capacity = Math.max(1, perSecond);
  }

  /** Milliseconds until this name has a token; 0 when it has one. Takes none. */
  waitMs(name: string, now: number): number {
    return this.perSecond === 0 ? 0 : this.msUntilToken(this.tokens(name, now));
  }

  /** Takes a token. Returns 0, or the milliseconds until there is one. */
  take(name: string, now: number): number {
    if (this.perSecond === 0) return 0;
    const tokens = this.tokens(name, now);
    const waitMs = this.msUntilToken(tokens);
    this.buckets.delete(name);
    if (this.buckets.size >= BUCKETS_MAX) this.buckets.delete(this.buckets.keys().next().value!);
    this.buckets.set(name, { tokens: waitMs > 0 ? tokens : tokens - 1, filledAt: now });
    return waitMs;
  }

  private tokens(name: string, now: number): number {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) return this.capacity;
    // A clock that steps back adds nothing and takes nothing.
    const elapsedMs = Math.max(0, now - bucket.filledAt);
    return Math.min(this.capacity, bucket.tokens + (elapsedMs * this.perSecond) / 1000);
  }

  private msUntilToken(tokens: number): number {
    return tokens >= 1 ? 0 : ((1 - tokens) * 1000) / this.perSecond;
  }
}
