// Finds the usage a step has to look at: windows whose line items closed since the last step, and those of closed items
// that got more usage. It may name too much (rows of open chunks, rows that were replaced), never too little: rating
// decides, this only points.
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
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
}

/** By tenant and subject, the starts of the windows to look at. */
export async function readTouchedWindows(
  store: Pick<RatedUsage, 'streamWindows'>,
  { meters, from, to }: TouchedQuery,
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
  return touched;
}
