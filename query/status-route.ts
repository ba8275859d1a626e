// GET /v1/status: how far everything is counted.
import { refuseUnknown } from './core/query-parameters.ts';
import { lagSeconds } from './freshness.ts';
import { instantOrNull, type Read } from './read.ts';

export const readStatus: Read = async ({ freshnessWithin, eventLog, clock }, { parameters }) => {
  refuseUnknown(parameters, []);
  // The log's ends last: a partition then never seems to be ahead of its log.
  const freshness = await freshnessWithin(0);
  const ends = new Map((await eventLog.bounds()).map((bounds) => [bounds.partition, bounds.endOffset]));
  return {
    watermark: instantOrNull(freshness.watermark),
    lagSeconds: lagSeconds(freshness, clock()),
    partitions: freshness.partitions.map(({ partition, nextOffset, watermark }) => ({
      partition,
      nextOffset,
      logEndOffset: ends.get(partition) ?? nextOffset,
      watermark: instantOrNull(watermark),
    })),
  };
};
