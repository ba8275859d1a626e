// What a step of the rater rates by, and whether what was read by it still stands.
import { periodText, type RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import type { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import { covers } from '../../domain/sealing/seal-vector.ts';
import type { Seals } from '../../domain/sealing/seals.ts';

/** What a step rates by: the same for all its batches. */
export interface RatingBasis {
  readonly seals: Seals;
  readonly watermark: number;
  readonly catalogs: RatingCatalogs;
  /** What ends by then is closed; milliseconds since the epoch, and never less than at an earlier step. */
  readonly closedUpTo: number;
}

/**
 * The basis for periods of which some are closed further: a rater that allows less lateness may have closed windows of
 * them already, and what was closed stays closed.
 */
export const closedAsFarAs = (basis: RatingBasis, periods: readonly RatedPeriod[]): RatingBasis => ({
  ...basis,
  closedUpTo: periods.reduce((latest, { closedUpTo }) => Math.max(latest, closedUpTo ?? latest), basis.closedUpTo),
});

/** True where the locked periods are those that were read, and were not rated later than this step's seals. */
export function isUnmoved(read: readonly RatedPeriod[], locked: readonly RatedPeriod[], basis: RatingBasis): boolean {
  if (read.length !== locked.length) return false;
  const known = new Set(read.map(periodText));
  return locked.every(
    (period) =>
      known.has(periodText(period)) &&
      period.catalogVersion <= basis.catalogs.version &&
      covers(basis.seals.vector, period.sealVector) &&
      basis.watermark >= (period.ratedWatermark ?? basis.watermark) &&
      basis.closedUpTo >= (period.closedUpTo ?? basis.closedUpTo),
  );
}
