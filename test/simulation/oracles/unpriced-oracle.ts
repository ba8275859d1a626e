// An independent account of the windows that a step closes with usage that nothing prices (P3): whoever moves a
// shard's progress counts them, each once. What is priced is told by the slow model, event by event.
import { shardOf } from '../../../domain/accounts/shard.ts';
import { emptyCatalog, type Meter } from '../../../domain/catalog/catalog.ts';
import { nextChunkOf } from '../../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import { windowOfMeter } from '../../terms/slow-model.ts';
import { type SlowPrice, slowParts } from '../../terms/slow-numbers.ts';
import { PARTITIONS } from '../plan.ts';
import type { MovedShards } from '../stores/rating-model.ts';
import type { ExpectedCharges } from './expected-charges.ts';
import { countsIn, type UsageOracle, Violation } from './usage-oracle.ts';

const GENERATION = 1;

const itemMs = ({ window, itemWidth }: Meter): number => windowOfMeter({ window: itemWidth ?? window });

export class UnpricedOracle {
  private readonly usage: UsageOracle;
  private readonly expected: ExpectedCharges;
  /** By rater. */
  private readonly due = new Map<object, Readonly<Record<string, number>>>();
  private readonly counted = new Map<object, Record<string, number>>();
  /** Raters that have begun no step since something came to hold from before what was rated. */
  private readonly unsure = new Set<object>();
  private readonly raters = new Set<object>();
  /** By customer; a hash for each reading would take a tenth of a run. */
  private readonly shards = new Map<string, number>();
  windows = 0;

  constructor(usage: UsageOracle, expected: ExpectedCharges) {
    this.usage = usage;
    this.expected = expected;
  }

  /** A rater knows that it has moved the progress of shards. */
  advanced(rater: object, { shards, from, to }: MovedShards): void {
    const due = { ...this.due.get(rater) };
    for (const [meter, windows] of Object.entries(this.closedBetween(new Set(shards), from, to)))
      due[meter] = (due[meter] ?? 0) + windows;
    this.due.set(rater, due);
  }

  count(rater: object, meter: string, windows: number): void {
    if (windows === 0) return;
    const counts = this.counted.get(rater) ?? {};
    this.counted.set(rater, counts);
    counts[meter] = (counts[meter] ?? 0) + windows;
  }

  /** What a step counts of a customer may be by what held before, or by what holds since. */
  reachedBack(): void {
    for (const rater of this.raters) this.unsure.add(rater);
  }

  /** A rater begins a step: it has counted what the step before closed, and nothing else. */
  begins(rater: object): void {
    const shown = (counts: Readonly<Record<string, number>>): string => JSON.stringify(Object.entries(counts).sort());
    const [due, counted] = [shown(this.due.get(rater) ?? {}), shown(this.counted.get(rater) ?? {})];
    this.due.delete(rater);
    this.counted.delete(rater);
    this.raters.add(rater);
    if (this.unsure.delete(rater)) return;
    if (due !== counted) throw new Violation('P3', `a step closed unpriced windows ${due}, and counted ${counted}`);
  }

  private closedBetween(shards: ReadonlySet<number>, from: RaterProgress, to: RaterProgress): Record<string, number> {
    const { sealVector: vector, closedUpTo, watermark, catalogVersion } = to;
    const view = { vector, closedUpTo: closedUpTo!, watermark: watermark!, catalogVersion };
    const tenants = new Set([...this.usage.readingsByMeter.keys()].map((key) => (JSON.parse(key) as string[])[0]!));
    const found: Record<string, number> = {};
    for (const tenant of tenants) {
      const { plans } = this.expected.versionsOf(tenant, catalogVersion).at(-1)?.catalog ?? emptyCatalog;
      const parts = plans.flatMap(({ prices }) => (prices as unknown as readonly SlowPrice[]).flatMap(slowParts));
      const priced = parts.flatMap(({ meter }) => meter ?? []);
      for (const slug of new Set(priced)) {
        const meter = this.expected.meter(tenant, slug);
        const boundary = (time: number): number => Math.max(0, time - (time % itemMs(meter)));
        const first = from.closedUpTo === null ? 0 : boundary(from.closedUpTo);
        const unpriced = this.windowsOf(shards, tenant, meter, first, boundary(closedUpTo!), view);
        if (unpriced > 0) found[slug] = (found[slug] ?? 0) + unpriced;
        this.windows += unpriced;
      }
    }
    return found;
  }

  private shardOf(tenant: string, customer: string): number {
    const key = `${tenant}/${customer}`;
    const known = this.shards.get(key) ?? shardOf(tenant, customer);
    this.shards.set(key, known);
    return known;
  }

  private windowsOf(
    shards: ReadonlySet<number>,
    of: string,
    meter: Meter,
    first: number,
    end: number,
    view: Parameters<ExpectedCharges['isPriced']>[1],
  ): number {
    const { aggregation, across = 'union' } = meter;
    const windows = new Set<string>();
    // Of a meter that tells values apart: in which of these windows each was seen first.
    const seen = new Map<string, number>();
    for (const [key, readings] of this.usage.readingsByMeter) {
      const [tenant, subject, slug] = JSON.parse(key) as [string, string, string];
      if (tenant !== of || slug !== meter.slug) continue;
      for (const reading of readings) {
        const { windowStart, partition, chunk, groups, text } = reading;
        if (windowStart < first || windowStart >= end || partition >= PARTITIONS) continue;
        if (chunk >= nextChunkOf(view.vector, GENERATION, partition) || !countsIn(view.vector, reading)) continue;
        const customer = this.expected.ownerOf(tenant, subject, windowStart, windowOfMeter(meter));
        if (!shards.has(this.shardOf(tenant, customer))) continue;
        if (this.expected.isPriced({ tenant, customer }, view, meter, windowStart, groups)) continue;
        if (aggregation !== 'unique') windows.add(JSON.stringify([tenant, customer, subject, windowStart]));
        else {
          const value = JSON.stringify([tenant, customer, across === 'union' ? '' : subject, text]);
          seen.set(value, Math.min(seen.get(value) ?? windowStart, windowStart));
        }
      }
    }
    for (const [value, windowStart] of seen) {
      const [tenant, customer, subject] = JSON.parse(value) as string[];
      windows.add(JSON.stringify([tenant, customer, subject, windowStart]));
    }
    return windows.size;
  }
}
