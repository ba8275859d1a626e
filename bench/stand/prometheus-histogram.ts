// Reads a histogram from a stage's /metrics, and quantiles from the difference of two readings.

/** Observations up to and including each bound; the last bound is infinity. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

export function parseHistogram(metrics: string, name: string): Histogram {
  const bounds: number[] = [];
  const counts: number[] = [];
  for (const line of metrics.split('\n')) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const bound = /le="([^"]+)"/.exec(line)?.[1];
    bounds.push(bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound));
    counts.push(Number(line.slice(line.lastIndexOf(' ') + 1)));
  }
  if (bounds.length === 0) throw new Error(`/metrics has no histogram ${name}`);
  return { bounds, counts };
}

export async function histogramOf(stageUrl: string, name: string): Promise<Histogram> {
  return parseHistogram(await (await fetch(`${stageUrl}/metrics`)).text(), name);
}

/** Observations between two readings, up to and including each bound. */
const between = (before: Histogram, after: Histogram): number[] =>
  after.counts.map((count, i) => count - (before.counts[i] ?? 0));

/**
 * The bound that at least `share` of the observations between two readings do not exceed: never too good, and as coarse
 * as the buckets. NaN where nothing was observed.
 */
export function quantileOf(before: Histogram, after: Histogram, share: number): number {
  const counts = between(before, after);
  const total = counts.at(-1)!;
  if (total === 0) return Number.NaN;
  return after.bounds[counts.findIndex((count) => count >= share * total)]!;
}

/**
 * The share of the observations between two readings that do not exceed `bound`, which is one of a bucket. NaN: there
 * are none.
 */
export function shareWithin(before: Histogram, after: Histogram, bound: number): number {
  const bucket = after.bounds.indexOf(bound);
  if (bucket < 0) throw new RangeError(`no bucket of the histogram ends at ${bound}`);
  const counts = between(before, after);
  return counts[bucket]! / counts.at(-1)!;
}
