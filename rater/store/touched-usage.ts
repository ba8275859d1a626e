// Finds the usage a step has to look at: windows whose line items closed since the last step, and those of closed items
// that got more usage or whose chunks were recounted. It may name too much (rows of open chunks, rows that were
// replaced), never too little: rating decides, this only points.
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { type RecountedRange, type RecountRun, recountedSince } from '../../domain/sealing/recount-runs.ts';
import { nextChunkOf, partitionCounts, type SealVector } from '../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import type { WindowSelection } from '../../platform/usage-store/rollup-windows.ts';
import { type TouchedTimes, touch } from '../core/touched.ts';
import type { RatedUsage } from './rating-store.ts';

/**
 * Where windows start whose items were not closed at the last step; milliseconds. `closedUpTo`: of that step, null for
 * none.
 */
const closingFrom = (meter: Meter, closedUpTo: number | null): number =>
  closedUpTo === null ? 0 : closedBefore(meter, closedUpTo);

/**
 * The earliest usage that `readTouchedWindows` can find in chunks that were sealed before the last step; milliseconds.
 */
export const earliestClosing = ({ meters, from }: Pick<TouchedQuery, 'meters' | 'from'>): number =>
  Math.min(...meters.map((meter) => closingFrom(meter, from.closedUpTo)));

export interface TouchedQuery {
  readonly meters: readonly Meter[];
  readonly from: Pick<RaterProgress, 'sealVector' | 'closedUpTo'>;
  readonly to: { readonly sealVector: SealVector; readonly closedUpTo: number };
  readonly recountRuns: readonly RecountRun[];
}

/** By meters, and so that each has a partition at most once. */
function recountedGroups(ranges: readonly RecountedRange[]): RecountedRange[][] {
  const groups: RecountedRange[][] = [];
  for (const range of ranges) {
    const fits = (group: readonly RecountedRange[]): boolean =>
      group[0]!.meters.join() === range.meters.join() &&
      group.every(({ generation, partition }) => generation !== range.generation || partition !== range.partition);
    const group = groups.find(fits);
    if (group === undefined) groups.push([range]);
    else group.push(range);
  }
  return groups;
}

/** By tenant and subject, the starts of the windows to look at. */
export async function readTouchedWindows(
  store: Pick<RatedUsage, 'streamWindows'>,
  { meters, from, to, recountRuns }: TouchedQuery,
): Promise<TouchedTimes> {
  const touched: TouchedTimes = new Map();
  const collect = async (selection: WindowSelection): Promise<void> => {
    for await (const windows of store.streamWindows(selection)) {
      for (const { tenant, subject, windowStart } of windows) touch(touched, tenant, subject, windowStart);
    }
  };
  const closed = meters.map((meter) => ({ meter: meter.slug, from: 0, to: closedBefore(meter, to.closedUpTo) }));
  const closing = meters.map((meter, i) => ({ ...closed[i]!, from: closingFrom(meter, from.closedUpTo) }));
  if (closing.some((span) => span.to > span.from)) await collect({ spans: closing, chunks: null });
  const grown = partitionCounts(to.sealVector)
    .map(({ generation, partition, nextChunk }) => ({
      generation,
      partition,
      fromChunk: nextChunkOf(from.sealVector, generation, partition),
      toChunk: nextChunk,
    }))
    .filter((range) => range.fromChunk < range.toChunk);
  if (grown.length > 0) await collect({ spans: closed, chunks: grown });
  for (const chunks of recountedGroups(recountedSince(recountRuns, from.sealVector, to.sealVector))) {
    const spans = closed.filter(({ meter }) => chunks[0]!.meters.includes(meter));
    if (spans.length > 0) await collect({ spans, chunks });
  }
  return touched;
}
