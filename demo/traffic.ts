// Events of a service that sells language models, embeddings and images: bursty arrivals, a few customers with most of
// the traffic, token counts with a heavy tail, prompts partly served from a cache. Lazy, and the same for the same
// settings. The field names are those of the sample price list, deploy/catalogs/ai-api.yaml.

import { Random, WeightedIndex } from '../domain/random.ts';
import type { DemoEvent } from './demo-event.ts';

export interface TrafficSettings {
  readonly seed: number;
  readonly events: number;
  /** The number of the first: traffic of several waves has each number once. */
  readonly firstNumber?: number;
  /** Milliseconds since the epoch; no event's time is later. */
  readonly endAt: number;
  /** The stretch of event time, up to endAt, that the arrivals cover. */
  readonly spanMs: number;
  /** By traffic: the first is the giant, the others follow Zipf's law. */
  readonly customers: readonly string[];
  /** By popularity. */
  readonly models: readonly string[];
}

const GIANT_SHARE = 0.3;
const IMAGE_SHARE = 0.04;
const EMBEDDING_SHARE = 0.06;
const IMAGE_SIZES = ['512', '1024', '1024-hd'];
/** The giant runs agents: its answers are this many times as long. */
const GIANT_OUTPUT_FACTOR = 6;
const DECIMAL_STRING_SHARE = 0.03;
/** Of a prompt that has a cached prefix, and of prompts that have one. */
const CACHED_SHARE = 0.35;
/** Delivered much later than they happened: their windows have long been closed and billed. */
const LATE_SHARE = 0.02;
const VERY_LATE_SHARE = 0.002;
const LATE_MAX_MS = 3 * 86_400_000;
const VERY_LATE_MAX_MS = 34 * 86_400_000;
const DELIVERY_DELAY_MEAN_MS = 45_000;
/** Nor is the mean delay more than this part of what the arrivals cover. */
const DELIVERY_DELAY_SHARE = 0.2;
/** Calm and burst stretches take turns; in a burst events come this many times as fast. */
const BURST_FACTOR = 8;
const CALM_EVENTS_MEAN = 3_000;
const BURST_EVENTS_MEAN = 1_500;
const TOKENS_MAX = 1_000_000;

/** The first names are given (those the price list knows by name), the rest are numbered up to `size`. */
export function customerNames(named: readonly string[], size: number): string[] {
  const names = [...new Set(named)];
  const taken = new Set(names);
  for (let n = 1; names.length < size; n++) {
    const name = `cus_${String(n).padStart(4, '0')}`;
    if (!taken.has(name)) names.push(name);
  }
  return names;
}

const tokens = (random: Random, median: number, sigma: number): number =>
  Math.min(TOKENS_MAX, Math.max(1, Math.round(random.logNormal(median, sigma))));

export function* llmTraffic(settings: TrafficSettings): Generator<DemoEvent> {
  const { seed, events, firstNumber = 0, endAt, spanMs, customers, models } = settings;
  const random = new Random(seed).fork(firstNumber === 0 ? 'traffic' : `traffic from ${firstNumber}`);
  const delayMeanMs = Math.min(DELIVERY_DELAY_MEAN_MS, spanMs * DELIVERY_DELAY_SHARE);
  const smallCustomers = WeightedIndex.zipf(Math.max(1, customers.length - 1), 1.05);
  const popularModels = WeightedIndex.zipf(models.length, 1.2);
  // Half the gaps are calm, half are burst gaps of 1/8: with these lengths the whole takes about spanMs.
  const calmShare = CALM_EVENTS_MEAN / (CALM_EVENTS_MEAN + BURST_EVENTS_MEAN);
  const calmGapMs = spanMs / events / (calmShare + (1 - calmShare) / BURST_FACTOR);
  const decimals = (value: number): string | number =>
    random.chance(DECIMAL_STRING_SHARE) ? (random.chance(0.5) ? String(value) : `${value}.0`) : value;

  let arrival = endAt - spanMs;
  let inBurst = false;
  let left = random.exponential(CALM_EVENTS_MEAN);
  for (let n = 0; n < events; n++) {
    if (--left < 0) {
      inBurst = !inBurst;
      left = random.exponential(inBurst ? BURST_EVENTS_MEAN : CALM_EVENTS_MEAN);
    }
    arrival = Math.min(endAt, arrival + random.exponential(inBurst ? calmGapMs / BURST_FACTOR : calmGapMs));
    const lateness = random.next();
    const delayMs =
      lateness < VERY_LATE_SHARE
        ? random.next() * (VERY_LATE_MAX_MS - spanMs)
        : lateness < LATE_SHARE
          ? random.next() * LATE_MAX_MS
          : random.exponential(delayMeanMs);
    const isGiant = customers.length === 1 || random.chance(GIANT_SHARE);
    const subject = isGiant ? customers[0]! : customers[1 + smallCustomers.pick(random)]!;
    const id = `evt_${seed.toString(36)}_${(firstNumber + n).toString(36)}`;
    const common = { id, subject, time: Math.floor(arrival - delayMs) };
    const kind = random.next();
    if (kind < IMAGE_SHARE) {
      const size = IMAGE_SIZES[random.below(IMAGE_SIZES.length)]!;
      yield {
        ...common,
        source: 'images',
        type: 'image.generation',
        data: { size, images: decimals(1 + random.below(4)) },
      };
      continue;
    }
    if (kind < IMAGE_SHARE + EMBEDDING_SHARE) {
      yield {
        ...common,
        source: 'api',
        type: 'embedding.create',
        data: { tokens: decimals(tokens(random, 20_000, 1)) },
      };
      continue;
    }
    const prompt = tokens(random, 700, 1.3);
    // Cached and fresh input are disjoint: a cached token is not an input token as well, or it would be billed twice.
    const cached = random.chance(CACHED_SHARE) ? Math.floor(prompt * random.next()) : 0;
    yield {
      ...common,
      source: 'api',
      type: 'llm.completion',
      data: {
        model: models[popularModels.pick(random)]!,
        input_tokens: decimals(prompt - cached),
        ...(cached > 0 ? { cached_input_tokens: decimals(cached) } : {}),
        output_tokens: decimals(tokens(random, isGiant ? 180 * GIANT_OUTPUT_FACTOR : 180, 1.1)),
      },
    };
  }
}
