// Finds the usage a step has to look at: windows whose line items closed since the last step, and those of closed items
// that got more usage or whose chunks were recounted. It may name too much (rows of open chunks, rows that were
// replaced), never too little: rating decides, this only points.
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { isNoSpan, type MeterSpans, meterSpans } from '../../domain/rating/meter-spans.ts';
import type { RatingCatalog, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import { type RecountedRange, type RecountRun, recountedSince } from '../../domain/sealing/recount-runs.ts';
import { nextChunkOf, partitionCounts, type SealVector } from '../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import type { WindowSelection } from '../../platform/usage-store/rollup-windows.ts';
import type { TouchedTimes } from '../core/touched.ts';
import type { RatedUsage, RatingState } from './rating-store.ts';
import { ShardWindows } from './shard-windows.ts';

/**
 * Up to where windows were closed at the last step by the versions that it knew, so that none of them is to be looked
 * at; null: none were. One that nothing had priced may be priced by a version that was made before it closed (T3).
 */
function closedKnowingly({ versions }: RatingCatalog, { closedUpTo, catalogVersion }: Progress): number | null {
  let closed = closedUpTo;
  for (let i = versions.length - 1; i >= 0 && versions[i]!.version > catalogVersion; i--) {
    const { closedUpTo: known, effectiveAt } = versions[i]!;
    if (closed !== null) closed = Math.min(closed, known ?? effectiveAt);
  }
  return closed;
}

/** Where windows start whose items were not closed at the last step; milliseconds. */
function closingFrom(meter: Meter, catalog: RatingCatalog, from: Progress): number {
  const closed = closedKnowingly(catalog, from);
  return closed === null ? 0 : closedBefore(meter, closed);
}

/**
 * The earliest usage that `readTouchedWindows` can find in chunks that were sealed before the last step; milliseconds.
 */
export const earliestClosing = ({ catalogs, from }: Pick<TouchedQuery, 'catalogs' | 'from'>): number => {
  let earliest = Number.POSITIVE_INFINITY;
  for (const catalog of catalogs.all)
    for (const meter of catalog.meters.values()) earliest = Math.min(earliest, closingFrom(meter, catalog, from));
  return earliest;
};

type Progress = Pick<RaterProgress, 'sealVector' | 'closedUpTo' | 'catalogVersion'>;

export interface TouchedQuery {
  readonly catalogs: RatingCatalogs;
  /** As of the last step. */
  readonly from: Progress;
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

/**
 * By tenant and subject, the starts of the windows to look at for customers of the shards. Null: they are more than
 * `windowsMax`.
 */
export async function readTouchedWindows(
  store: Pick<RatedUsage, 'streamWindows'> & Pick<RatingState, 'readAssigned'>,
  query: TouchedQuery,
  shards: ReadonlySet<number>,
  windowsMax: number,
): Promise<TouchedTimes | null> {
  const found = new ShardWindows(store, shards);
  for (const selection of touchedSelections(query)) {
    for await (const windows of store.streamWindows(selection)) {
      await found.add(windows);
      if (found.size > windowsMax) return null;
    }
  }
  await found.lookAtOthers();
  return found.size > windowsMax ? null : found.touched;
}

function* touchedSelections({ catalogs, from, to, recountRuns }: TouchedQuery): Generator<WindowSelection> {
  const spans = (startOf: (meter: Meter, catalog: RatingCatalog) => number): MeterSpans =>
    meterSpans(catalogs, (meter, catalog) => ({
      from: startOf(meter, catalog),
      to: closedBefore(meter, to.closedUpTo),
    }));
  const closing = spans((meter, catalog) => closingFrom(meter, catalog, from));
  if (!isNoSpan(closing)) yield { spans: closing, chunks: null };
  const grown = partitionCounts(to.sealVector)
    .map(({ generation, partition, nextChunk }) => ({
      generation,
      partition,
      fromChunk: nextChunkOf(from.sealVector, generation, partition),
      toChunk: nextChunk,
    }))
    .filter((range) => range.fromChunk < range.toChunk);
  const closed = spans(() => 0);
  if (grown.length > 0) yield { spans: closed, chunks: grown };
  for (const chunks of recountedGroups(recountedSince(recountRuns, from.sealVector, to.sealVector))) {
    const ofMeters = ({ meter }: { readonly meter: string }): boolean => chunks[0]!.meters.includes(meter);
    const recounted = { all: closed.all.filter(ofMeters), own: closed.own.filter(ofMeters) };
    if (!isNoSpan(recounted)) yield { spans: recounted, chunks };
  }
}
