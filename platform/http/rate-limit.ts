// A token bucket for each API key: a second's worth of requests may come at once, and no more than the rate in the long run.

interface Bucket {
  tokens: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
}

/** Buckets that have filled up again are forgotten once there are this many. */
const BUCKETS_MAX = 10_000;

export class RateLimit {
  private readonly requestsPerSecond: number;
  private readonly buckets = new Map<string, Bucket>();

  /** 0: no limit. */
  constructor(requestsPerSecond: number) {
    this.requestsPerSecond = requestsPerSecond;
  }

  /** Takes one request's token. Returns 0, or the milliseconds until there is one. */
  take(keyId: string, now: number): number {
    if (this.requestsPerSecond === 0) return 0;
    const capacity = Math.max(1, this.requestsPerSecond);
    let bucket = this.buckets.get(keyId);
    if (bucket === undefined) {
      if (this.buckets.size >= BUCKETS_MAX) this.forgetFull(now, capacity);
      bucket = { tokens: capacity, filledAt: now };
      this.buckets.set(keyId, bucket);
    } else {
      // A clock that steps back adds nothing and takes nothing.
      const elapsedMs = Math.max(0, now - bucket.filledAt);
      bucket.tokens = Math.min(capacity, bucket.tokens + (elapsedMs * this.requestsPerSecond) / 1000);
      bucket.filledAt = now;
    }
    if (bucket.tokens < 1) return ((1 - bucket.tokens) * 1000) / this.requestsPerSecond;
    bucket.tokens -= 1;
    return 0;
  }

  private forgetFull(now: number, capacity: number): void {
    for (const [keyId, bucket] of this.buckets) {
      if (bucket.tokens + ((now - bucket.filledAt) * this.requestsPerSecond) / 1000 >= capacity)
        this.buckets.delete(keyId);
    }
  }
}
