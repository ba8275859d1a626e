// What a model call is billed for: buckets that have nothing in common, so that their sum is what the provider counted.
// Which value of an event goes into which bucket is said by meters, one a bucket. A bucket is a name for ever: it is in
// the names of line items.

export const buckets = [
  'input',
  'cache_read',
  'cache_write_5m',
  'cache_write_1h',
  'output',
  'reasoning',
  'audio_input',
  'audio_output',
  'image_input',
  'image_output',
  'images',
] as const;
export type Bucket = (typeof buckets)[number];

/** Images are sold one by one, tokens by the thousand or the million. */
export const isCountedInTokens = (bucket: Bucket): boolean => bucket !== 'images';

/** What a unit of each bucket costs, or so many tokens of it; decimal text. A bucket without a rate is not priced. */
export type Rates = Readonly<Partial<Record<Bucket, string>>>;

/** In the order of `buckets`. */
export const ratedBuckets = (rates: Rates): readonly Bucket[] =>
  buckets.filter((bucket) => rates[bucket] !== undefined);
