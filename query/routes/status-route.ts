// GET /v1/status: how far everything is counted. Watermark and lag are for every tenant; offsets tell how much all
// tenants send, so only an operator's key shows them.
import { noParameters, readParameters } from '../../domain/requests/parameters.ts';
import { instantOrNull, type Read } from '../read.ts';
import { lagSeconds } from '../stores/freshness.ts';

export const readStatus: Read = async ({ freshnessWithin, eventLog, clock }, { parameters, isOperator }) => {
  readParameters(noParameters, parameters);
  const freshness = await freshnessWithin(0);
  const progress = { watermark: instantOrNull(freshness.watermark), lagSeconds: lagSeconds(freshness, clock()) };
  if (!isOperator) return progress;
  // The log's ends last: a partition then never seems to be ahead of its log.
  const ends = new Map((await eventLog.bounds()).map((bounds) => [bounds.partition, bounds.endOffset]));
  return {
    ...progress,
    partitions: freshness.partitions.map(({ partition, nextOffset, watermark }) => ({
      partition,
      nextOffset,
      logEndOffset: ends.get(partition) ?? nextOffset,
      watermark: instantOrNull(watermark),
    })),
  };
};
